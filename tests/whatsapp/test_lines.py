"""The routes of the older system B: a company's id in the place of a session's, flat answers (seed 4.1)."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from accounts.models import Role
from fleet import leases
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person, make_person
from tests.waiting import eventually
from tests.whatsapp.harbour import Harbour
from tests.whatsapp.test_api import SESSIONS, check_failure, grant, make_linked, make_session
from whatsapp import shapes
from whatsapp.models import CodeAttempt, Message, Session
from whatsapp.models.session import UNSCANNED
from whatsapp.services import diagnosis

STATUS_KEYS = {
    *("success", "companyId", "connected", "status", "reconnectAttempts", "health", "uptime"),
    *("sessionId", "phoneNumber"),
}


def is_connected(session_id: str) -> None:
    """With a worker that vouches for it, as after a real link."""
    owner = leases.register(name="one", pid=1, capacity=10, store_id="disk")
    now = timezone.now()
    Placement.objects.filter(pk=session_id).update(state=State.CONNECTED, owner=owner, evidence_at=now, since=now)


# -- which session is meant ----------------------------------------------------------------------------------------
def test_a_company_is_named_in_every_way_that_the_older_system_had(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)

    for reference in (session_id, acme.pk, f"company_{acme.pk}", acme.slug):
        body = api(acme_admin).get(f"{SESSIONS}/{reference}/status").json()
        assert (body["companyId"], body["sessionId"]) == (reference, session_id)


def test_of_several_lines_the_linked_one_is_meant(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=5)
    linked = make_linked(acme, acme_admin)
    make_session(acme, acme_admin, "Newer")

    assert api(acme_admin).get(f"{SESSIONS}/{acme.pk}/status").json()["sessionId"] == linked


@pytest.mark.parametrize("path", ["status", "health", "diagnostics"])
def test_another_company_does_not_exist(
    acme: Company, globex: Company, globex_admin: Person, acme_admin: Person, api: ApiClients, path: str
) -> None:
    for reference in (acme.pk, acme.slug, f"company_{acme.pk}", make_linked(acme, acme_admin), "962302"):
        answer = api(globex_admin).get(f"{SESSIONS}/{reference}/{path}")
        check_failure(answer, 404, "session_not_found")


def test_a_manager_without_a_grant_finds_no_line(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)

    assert api(acme_manager).get(f"{SESSIONS}/{acme.pk}/status").json()["status"] == "not_initialized"
    grant(acme, session_id, acme_manager, acme_admin)
    assert api(acme_manager).get(f"{SESSIONS}/{acme.pk}/status").json()["status"] == "disconnected"


def test_failures_have_the_older_key_beside_ours(acme_admin: Person, api: ApiClients) -> None:
    missing = api(acme_admin).post(f"{SESSIONS}/nobody/reconnect").json()
    wrong = api(acme_admin).post(f"{SESSIONS}/nobody/send", {"phone": "1" * 99}, format="json").json()

    assert missing["error"] == missing["message"]
    assert [(error["path"], error["location"]) for error in wrong["errors"]] == [("phone", "body")]


@pytest.mark.parametrize("text", [{"phone": "12", "message": "Hello"}, {"phone": "4915550000042", "message": " "}])
def test_every_bad_input_is_listed_as_the_older_clients_read_it(
    acme: Company, acme_admin: Person, api: ApiClients, text: dict[str, str]
) -> None:
    answer = api(acme_admin).post(f"{SESSIONS}/{make_linked(acme, acme_admin)}/send", text, format="json")

    assert (answer.status_code, [error["msg"] for error in answer.json()["errors"]]) == (400, [answer.json()["error"]])


# -- state ---------------------------------------------------------------------------------------------------------
def test_status_and_health_of_a_connected_line(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    is_connected(make_linked(acme, acme_admin))

    status = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/status").json()
    health = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/health")

    healthy = {"healthy": True, "companyId": acme.pk, "phoneNumber": "4915550000001"}
    assert set(status) == STATUS_KEYS
    assert (status["connected"], status["status"], status["health"]) == (True, "connected", healthy)
    assert (health.status_code, health.json()) == (200, {"success": True, **healthy})


def test_a_line_is_not_called_connected_on_the_word_of_a_worker_that_went_silent(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    make_linked(acme, acme_admin)

    answer = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/health")

    assert (answer.status_code, answer.json()["success"], answer.json()["healthy"]) == (503, False, False)
    assert answer.json()["reason"]
    assert api(acme_admin).get(f"{SESSIONS}/{acme.pk}/status").json()["connected"] is False


def test_a_company_without_a_line_is_not_initialised(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    body = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/status").json()

    assert (body["connected"], body["status"], body["sessionId"]) == (False, "not_initialized", None)
    assert api(acme_admin).get(f"{SESSIONS}/{acme.pk}/health").status_code == 503
    (advice,) = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/diagnostics").json()["recommendations"]
    assert (advice["level"], advice["action"]) == ("error", "Create a session and link a phone")


@pytest.mark.parametrize(
    ("changes", "level", "action"),
    [
        ({"state": State.UNPAIRED, "reason": Reason.LOGGED_OUT_ON_PHONE}, "error", "Link a phone"),
        ({"state": State.REFUSED, "reason": Reason.TEMPORARY_BAN}, "error", "Read the reason"),
        ({"state": State.CONNECTING, "attempts": 6}, "error", "Check the network"),
        ({"state": State.CONNECTING, "wanted": Wanted.RUNNING}, "warning", "Wait"),
        ({"state": State.PAIRING, "wanted": Wanted.RUNNING}, "warning", "Scan the QR code"),
        ({"state": State.STOPPED, "wanted": Wanted.STOPPED}, "warning", "Start it"),
    ],
)
def test_diagnostics_say_what_to_do(
    acme: Company, acme_admin: Person, api: ApiClients, changes: dict[str, Any], level: str, action: str
) -> None:
    session_id = make_linked(acme, acme_admin)
    Placement.objects.filter(pk=session_id).update(**changes)

    body = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/diagnostics").json()

    first = body["recommendations"][0]
    assert (first["level"], first["action"].startswith(action)) == (level, True), first
    assert body["health"]["healthy"] is False


def test_a_connected_line_needs_nothing_unless_it_has_gone_quiet(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)
    is_connected(session_id)

    def advice() -> Any:
        body = api(acme_admin).get(f"{SESSIONS}/{acme.pk}/diagnostics").json()
        return [(one["level"], one["action"]) for one in body["recommendations"]]

    assert advice() == [("success", "No action required")]
    long_ago = timezone.now() - diagnosis.QUIET - timedelta(seconds=1)
    Placement.objects.filter(pk=session_id).update(evidence_at=long_ago)
    assert advice() == [("warning", "Check that a worker is running")]


def test_metrics_have_the_older_numbers(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    is_connected(make_linked(acme, acme_admin))

    body = api(acme_admin).get("/api/whatsapp/metrics").json()

    assert set(body["metrics"]) == {
        *("totalSessions", "activeConnections", "failedReconnects", "messagesSent", "messagesReceived"),
        *("qrCodesGenerated", "errors", "lastError", "timestamp"),
    }
    assert (body["metrics"]["totalSessions"], body["metrics"]["activeConnections"]) == (1, 1)
    assert body["sessions"] == {"total": 1, "connected": 1, "disconnected": 0}


# -- reconnect, remove ---------------------------------------------------------------------------------------------
def test_reconnecting_cuts_the_back_off_short_and_keeps_the_link(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)
    Placement.objects.filter(pk=session_id).update(
        state=State.CONNECTING, attempts=7, next_retry_at=timezone.now() + timedelta(minutes=5)
    )
    device = Placement.objects.get(pk=session_id).device_jid

    answer = api(acme_admin).post(f"{SESSIONS}/{acme.pk}/reconnect")

    assert answer.json() == {"success": True, "companyId": acme.pk, "message": "Reconnection initiated"}
    placement = Placement.objects.get(pk=session_id)
    assert (placement.wanted, placement.next_retry_at, placement.device_jid) == (Wanted.RUNNING, None, device)


def test_removing_a_line_unlinks_it_and_keeps_its_history(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)

    answer = api(acme_admin).delete(f"{SESSIONS}/{acme.pk}")

    assert answer.json() == {"success": True, "companyId": acme.pk, "message": "Session removed successfully"}
    assert api(acme_admin).get(SESSIONS).json()["data"] == []
    assert Placement.objects.get(pk=session_id).wanted == Wanted.UNLINKED
    assert run_in(acme, Session.objects.filter(pk=session_id).exists)


def test_a_manager_may_not_remove_a_line(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    grant(acme, make_linked(acme, acme_admin), acme_manager, acme_admin)

    check_failure(api(acme_manager).delete(f"{SESSIONS}/{acme.pk}"), 403, "session_disconnecting_denied")


# -- sending -------------------------------------------------------------------------------------------------------
def test_a_text_is_queued_to_a_number(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    make_linked(acme, acme_admin)
    body = {"phone": "+4915550000077", "message": "Hello"}

    answer = api(acme_admin).post(f"{SESSIONS}/{acme.pk}/send", body, format="json")

    told = answer.json()
    assert (answer.status_code, told["success"], told["companyId"], told["phone"]) == (
        200,
        True,
        acme.pk,
        body["phone"],
    )
    assert set(told) == {"success", "companyId", "phone", "messageId", "timestamp", "status"}
    assert run_in(acme, Message.objects.get, pk=told["messageId"]).body == "Hello"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"phone": "+4915550000077", "message": ""}, 400, "empty_message"),
        ({"phone": "+4915550000077", "message": "x" * 4097}, 400, "message_too_long"),
        ({"message": "Hello"}, 400, "phone_number_missing"),
        ({"phone": "12", "message": "Hello"}, 400, "bad_phone_number"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused(
    acme: Company, acme_admin: Person, api: ApiClients, body: dict[str, str], status: int, code: str
) -> None:
    make_linked(acme, acme_admin)

    check_failure(api(acme_admin).post(f"{SESSIONS}/{acme.pk}/send", body, format="json"), status, code)


def test_sending_never_makes_a_session(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    body = {"phone": "+4915550000077", "message": "Hello"}

    check_failure(api(acme_admin).post(f"{SESSIONS}/{acme.pk}/send", body, format="json"), 503, "session_not_connected")
    assert not run_in(acme, Session.objects.exists)


def test_one_number_gets_thirty_texts_a_minute_and_others_are_not_held_up(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    make_linked(acme, acme_admin)

    def send(phone: str) -> Any:
        body = {"phone": phone, "message": "Hello"}
        return api(acme_admin).post(f"{SESSIONS}/{acme.pk}/send", body, format="json")

    assert {send("+4915550000077").status_code for _ in range(30)} == {200}
    refused = send("+49 1555 0000077")
    check_failure(refused, 429, "too_many_texts")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert send("+4915550000078").status_code == 200


# -- codes ---------------------------------------------------------------------------------------------------------
def ask_for_code(api: ApiClients, person: Person, reference: str, phone: str = "+4915550000077") -> Any:
    return api(person).post(f"{SESSIONS}/{reference}/pairing-code", {"phoneNumber": phone}, format="json")


def test_a_second_code_is_not_asked_for_while_the_first_is_on_its_way(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)
    assert ask_for_code(api, acme_admin, session_id).status_code == 202

    check_failure(ask_for_code(api, acme_admin, session_id, "+4915550000078"), 409, "code_request_in_progress")
    assert run_in(acme, Session.objects.get, pk=session_id).pairing_phone == "4915550000077"


def test_too_many_codes_for_a_number_are_refused_with_the_time_left(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)

    def ask(phone: str) -> Any:
        run_in(acme, lambda: Session.objects.filter(pk=session_id).update(pairing_error="refused"))
        return ask_for_code(api, acme_admin, session_id, phone)

    for _ in range(5):
        assert ask("+4915550000077").status_code == 202
    refused = ask("+4915550000077")

    check_failure(refused, 429, "too_many_codes")
    assert 29 * 60 < int(refused["Retry-After"]) <= 30 * 60
    assert ask("+4915550000078").status_code == 202
    half_an_hour_ago = timezone.now() - timedelta(minutes=31)
    run_in(acme, lambda: CodeAttempt.objects.update(at=half_an_hour_ago))
    assert ask("+4915550000077").status_code == 202


def test_a_code_that_whatsapp_refuses_comes_with_the_other_way(
    acme: Company, acme_admin: Person, api: ApiClients, harbour: Harbour
) -> None:
    session_id = harbour.new_session("By code")
    harbour.qr(session_id)
    harbour.wa.faults.iq_errors["md", "set", "link_code_companion_reg"] = (429, "rate-overlimit")

    with override_settings(LINKING_SECONDS=20.0):
        answer = ask_for_code(api, acme_admin, session_id)

    check_failure(answer, 400, "pairing_code_refused")
    assert answer.json()["alternativeUrl"] == f"/sessions/{session_id}/link"


def test_the_code_is_in_the_answer_and_links_the_phone(
    acme: Company, acme_admin: Person, api: ApiClients, harbour: Harbour
) -> None:
    shop = harbour.phone()
    session_id = harbour.new_session("By code")

    with override_settings(LINKING_SECONDS=20.0):
        answer = ask_for_code(api, acme_admin, acme.pk, f"+{shop.number}").json()

    assert set(answer) >= {"success", "code", "companyId", "expiresIn", "instructions"}
    assert (len(answer["code"]), answer["code"][4], len(answer["instructions"])) == (9, "-", 5)
    assert 0 < answer["expiresIn"] <= 60
    harbour.wa.type_code(shop, answer["code"])
    harbour.shows(session_id, State.CONNECTED)
    check_failure(ask_for_code(api, acme_admin, acme.pk), 409, "already_linked")


def test_initialising_gives_the_code_in_three_ways_and_never_wipes_a_link(
    acme: Company, acme_admin: Person, api: ApiClients, harbour: Harbour
) -> None:
    shop = harbour.phone()
    session_id = harbour.new_session("Line")

    with override_settings(LINKING_SECONDS=20.0):
        answer = api(acme_admin).post(f"{SESSIONS}/{acme.pk}/initialize").json()

    assert answer["message"] == "Please scan the QR code with WhatsApp"
    assert answer["qrDataUrl"].startswith("data:image/png;base64,")
    assert len(answer["qrTerminal"].splitlines()) > 20
    harbour.wa.scan(shop, answer["qr"])
    device = harbour.shows(session_id, State.CONNECTED).device_jid
    again = api(acme_admin).post(f"{SESSIONS}/{acme.pk}/initialize").json()
    assert (again["connected"], again["message"]) == (True, "Session already connected")
    assert Placement.objects.get(pk=session_id).device_jid == device


def test_a_qr_code_that_does_not_come_is_an_error_with_a_code(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    answer = api(acme_admin).post(f"{SESSIONS}/{acme.pk}/initialize")

    check_failure(answer, 503, "qr_timeout")
    assert answer.json()["error"] == "QR code generation timeout"
    assert run_in(acme, Session.objects.count) == 1, "it was made, and goes on"


def test_only_an_administrator_makes_a_line(acme: Company, api: ApiClients) -> None:
    manager = make_person(acme, Role.MANAGER)

    check_failure(api(manager).post(f"{SESSIONS}/{acme.pk}/initialize"), 403, "session_creation_denied")
    assert not run_in(acme, Session.objects.exists)


def test_after_three_codes_that_nobody_scanned_the_other_way_is_advised(
    acme: Company, acme_admin: Person, harbour: Harbour
) -> None:
    session_id = harbour.new_session("Slow")
    harbour.qr(session_id)
    first = shapes.challenge(harbour.session(session_id))
    harbour.run(lambda: Session.objects.filter(pk=session_id).update(qr_number=UNSCANNED + 1))

    assert first["advice"] is None
    assert eventually(lambda: shapes.challenge(harbour.session(session_id))["advice"]) == "pairing_code"


# -- the second set of addresses -----------------------------------------------------------------------------------
GATEWAY = "/webhook/whatsapp/baileys"


def test_the_tools_shape_of_a_status_is_there_too(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    is_connected(make_linked(acme, acme_admin))

    for path in (f"{GATEWAY}/status", f"{GATEWAY}/status/company_{acme.pk}"):
        body = api(acme_admin).get(path).json()
        assert (set(body), body["success"]) == ({"success", "companyId", "status"}, True)
        assert (body["status"]["connected"], body["status"]["status"]) == (True, "connected")
    listed = api(acme_admin).get(f"{GATEWAY}/sessions").json()
    assert (listed["count"], listed["sessions"][0]["connected"]) == (1, True)


def test_the_tools_are_told_what_to_do_with_the_health(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    client, session_id = api(acme_admin), make_linked(acme, acme_admin)
    Placement.objects.filter(pk=session_id).update(state=State.REFUSED, reason=Reason.TEMPORARY_BAN)

    ill = client.get(f"{GATEWAY}/health/{session_id}")
    is_connected(session_id)
    well = client.get(f"{GATEWAY}/health/{session_id}")

    assert (ill.status_code, ill.json()["healthy"], ill.json()["connection"]["status"]) == (503, False, "error")
    assert ill.json()["recommendations"] == ["Read the reason, then start the session again"]
    assert (well.status_code, well.json()["healthy"], well.json()["recommendations"]) == (200, True, [])
    assert {"companyId", "timestamp", "phoneNumber"} <= set(well.json())


def test_looking_for_a_code_shows_what_is_there_and_starts_nothing(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    assert api(acme_admin).get(f"{GATEWAY}/qr").json()["qr"] is None
    assert not run_in(acme, Session.objects.exists)
    session_id = make_session(acme, acme_admin)

    def show(**fields: Any) -> Any:
        run_in(acme, lambda: Session.objects.filter(pk=session_id).update(**fields))
        return api(acme_admin).get(f"{GATEWAY}/qr/{acme.pk}").json()["qr"]

    later = timezone.now() + timedelta(minutes=1)
    assert show(qr="2@abc", qr_expires_at=later) == {"type": "qr", "code": "2@abc"}
    code = show(pairing_code="ABCD-EFGH", pairing_code_expires_at=later)
    assert code == {"type": "pairing", "code": "ABCD-EFGH"}


def test_a_line_is_started_and_paused_there(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    assert api(acme_admin).post(f"{GATEWAY}/init/{acme.pk}").json()["success"] is True
    placement = Placement.objects.get(company=acme)
    assert placement.wanted == Wanted.RUNNING

    assert api(acme_admin).post(f"{GATEWAY}/disconnect/{acme.pk}").json()["success"] is True
    placement.refresh_from_db()
    assert placement.wanted == Wanted.STOPPED


def test_a_text_names_its_line_in_the_body(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    make_linked(acme, acme_admin)
    body = {"companyId": acme.pk, "phone": "+4915550000077", "message": "Hello"}

    assert api(acme_admin).post(f"{GATEWAY}/send", body, format="json").json()["companyId"] == acme.pk
    foreign = api(acme_admin).post(f"{GATEWAY}/send", body | {"companyId": "962302"}, format="json")
    check_failure(foreign, 404, "session_not_found")


def test_there_too_an_unknown_path_is_json(acme_admin: Person, api: ApiClients) -> None:
    check_failure(api(acme_admin).get(f"{GATEWAY}/nothing"), 404, "not_found")
