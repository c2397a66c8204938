"""The REST API over sessions, linking, chats and messages: shapes, rights, and bad input."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.permissions import Rights
from fleet.models import Placement
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person
from whatsapp.engine.port import Connected, MessageReceived
from whatsapp.engine.port import Person as Party
from whatsapp.models import Message, Session
from whatsapp.services import access, inbound, linking, news, sessions

pytestmark = pytest.mark.django_db

SESSIONS = "/api/whatsapp/sessions"
BOB = Party(pn="4915550000099", lid="99", name="Bob")


def make_session(company: Company, by: Person, name: str = "") -> str:
    return run_in(company, sessions.create, company=company, by=by.actor, name=name).pk


def make_linked(company: Company, by: Person, number: str = "4915550000001") -> str:
    """A linked, connected session, as the worker would leave it."""
    session_id = make_session(company, by)
    run_in(company, _connect, company, session_id, number)
    return session_id


def _connect(company: Company, session_id: str, number: str) -> None:
    placement = Placement.objects.get(pk=session_id)
    placement.state = State.CONNECTING
    session = Session.objects.get(pk=session_id)
    linking.record_connected(company, session, placement, Connected(f"{number}:1@s.whatsapp.net", push_name="Shop"))


def receive(company: Company, session_id: str, *texts: str, peer: Party = BOB) -> str:
    """Texts from Bob; returns the chat's id."""
    return run_in(company, news.writing(_receive), company, session_id, texts, peer)


def _receive(company: Company, session_id: str, texts: tuple[str, ...], peer: Party) -> str:
    session = Session.objects.get(pk=session_id)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    events = [
        MessageReceived(f"IN-{peer.pn}-{text}", at + n, False, "", peer, peer, "text", text)
        for n, text in enumerate(texts)
    ]
    inbound.record_messages(company, session, inbound.lock_account(session), events)
    return Message.objects.get(wa_id=events[0].wa_id).chat_id


def grant(company: Company, session_id: str, to: Person, by: Person, **rights: bool) -> None:
    given = Rights(**{"can_read": True, "can_write": True, **rights})
    run_in(
        company, access.grant, company=company, session_id=session_id, manager_id=to.user.pk, rights=given, by=by.actor
    )


def check_failure(answer: Any, status: int, code: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["success"], body["code"]) == (status, False, code), body
    assert body["message"]


# -- sessions ------------------------------------------------------------------------------------------------------
def test_creating_a_session_answers_with_its_id_and_wants_it_running(acme_admin: Person, api: ApiClients) -> None:
    answer = api(acme_admin, language="").post(SESSIONS)

    body = answer.json()
    assert (answer.status_code, body["success"]) == (200, True)
    assert body["data"]["message"] == "WhatsApp сессия создана. Ожидайте QR код для авторизации."
    placement = Placement.objects.get(pk=body["data"]["sessionId"])
    assert (placement.wanted, placement.network, placement.company_id) == (
        Wanted.RUNNING,
        "whatsapp",
        acme_admin.company.pk,
    )


def test_creating_twice_resumes_the_session_that_was_never_linked(acme_admin: Person, api: ApiClients) -> None:
    ids = {api(acme_admin).post(SESSIONS).json()["data"]["sessionId"] for _ in range(2)}

    assert len(ids) == 1


def test_the_plan_limits_how_many_sessions_a_company_has(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=1)
    make_linked(acme, acme_admin)

    answer = api(acme_admin, language="").post(SESSIONS, {"name": "Second"}, format="json")

    check_failure(answer, 409, "session_limit_reached")
    assert answer.json()["message"] == "У компании уже есть активная WhatsApp сессия"


def test_a_sandbox_session_needs_the_operators_permission(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    body = {"name": "Try", "network": "sandbox"}

    check_failure(api(acme_admin).post(SESSIONS, body, format="json"), 403, "sandbox_not_allowed")
    Company.objects.filter(pk=acme.pk).update(sandbox_allowed=True)
    answer = api(acme_admin).post(SESSIONS, body, format="json")

    assert answer.status_code == 200
    shown = api(acme_admin).get(f"{SESSIONS}/{answer.json()['data']['sessionId']}").json()["data"]
    assert shown["network"] == "sandbox"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"network": "telegram"}, "invalid"),
        ({"name": "x" * 81}, "invalid"),
        ({"name": ["a"]}, "invalid"),
        ([], "invalid"),
        ("text", "invalid"),
    ],
)
def test_a_session_that_cannot_be_made_is_refused(acme_admin: Person, api: ApiClients, body: Any, code: str) -> None:
    answer = api(acme_admin).post(SESSIONS, body, format="json")

    if body == []:
        assert answer.status_code == 200, "an empty body asks for nothing special"
    else:
        check_failure(answer, 400, code)


def test_a_manager_may_not_create_sessions(acme_manager: Person, api: ApiClients) -> None:
    answer = api(acme_manager, language="").post(SESSIONS)

    check_failure(answer, 403, "session_creation_denied")
    assert answer.json()["message"] == "Только администраторы могут создавать WhatsApp сессии"


def test_a_manager_sees_the_sessions_they_were_granted(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    granted, hidden = make_session(acme, acme_admin, "Granted"), make_session(acme, acme_admin, "Hidden")
    grant(acme, granted, acme_manager, acme_admin)

    seen = [row["id"] for row in api(acme_manager).get(SESSIONS).json()["data"]]

    assert seen == [granted]
    check_failure(api(acme_manager).get(f"{SESSIONS}/{hidden}"), 403, "permission_denied")


def test_a_session_tells_its_state_with_the_reason_in_words(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    Placement.objects.filter(pk=session_id).update(state="unpaired", reason="logged_out_on_phone")

    english = api(acme_admin).get(f"{SESSIONS}/{session_id}").json()["data"]
    russian = api(acme_admin, language="ru").get(f"{SESSIONS}/{session_id}").json()["data"]

    assert (english["state"], english["reason"]) == ("unpaired", "logged_out_on_phone")
    assert english["reasonText"].startswith("The device was unlinked on the phone.")
    assert russian["reasonText"].startswith("Устройство отвязали на телефоне.")
    assert (english["phoneNumber"], english["displayName"]) == ("4915550000001", "Shop")


def test_connected_is_not_said_on_the_word_of_a_worker_that_is_gone(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)

    shown = api(acme_admin).get(f"{SESSIONS}/{session_id}").json()["data"]

    assert (shown["state"], shown["reason"], shown["isConnected"]) == ("connecting", "worker_silent", False)


@pytest.mark.parametrize(
    ("verb", "wanted"), [("start", Wanted.RUNNING), ("pause", Wanted.STOPPED), ("unlink", Wanted.UNLINKED)]
)
def test_a_verb_writes_down_what_is_wanted(
    acme: Company, acme_admin: Person, api: ApiClients, verb: str, wanted: Wanted
) -> None:
    session_id = make_linked(acme, acme_admin)
    work = Placement.objects.get(pk=session_id).work

    answer = api(acme_admin).post(f"{SESSIONS}/{session_id}/{verb}")

    placement = Placement.objects.get(pk=session_id)
    assert (answer.status_code, answer.json()["data"]["wanted"]) == (202, wanted)
    assert (placement.wanted, placement.work) == (wanted, work + 1)


def test_disconnecting_as_the_older_clients_do_unlinks_and_hides_the_session(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)

    answer = api(acme_admin, language="").post(f"{SESSIONS}/{session_id}/disconnect")

    assert answer.json() == {"success": True, "message": "WhatsApp сессия отключена"}
    assert Placement.objects.get(pk=session_id).wanted == Wanted.UNLINKED
    assert api(acme_admin).get(SESSIONS).json()["data"] == []


def test_a_linked_session_is_not_archived(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)

    check_failure(api(acme_admin).post(f"{SESSIONS}/{session_id}/archive"), 409, "session_still_linked")
    assert [row["id"] for row in api(acme_admin).get(SESSIONS).json()["data"]] == [session_id]


def test_the_history_says_who_wanted_what(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_session(acme, acme_admin)
    api(acme_admin).post(f"{SESSIONS}/{session_id}/pause")

    rows = api(acme_admin).get(f"{SESSIONS}/{session_id}/transitions").json()["data"]

    assert [(row["happening"], row["byUserId"]) for row in rows] == [
        ("wanted_stopped", acme_admin.user.pk),
        ("wanted_running", acme_admin.user.pk),
    ]


# -- linking -------------------------------------------------------------------------------------------------------
def test_before_there_is_a_qr_code_the_answer_says_to_wait(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_session(acme, acme_admin)

    body = api(acme_admin, language="").get(f"{SESSIONS}/{session_id}/qr").json()

    assert body["data"] == {
        "isConnected": False,
        "message": "QR код еще не сгенерирован. Подождите несколько секунд и попробуйте снова.",
    }


def test_a_qr_code_comes_as_a_picture_with_its_expiry(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_session(acme, acme_admin)
    expires_at = datetime(2100, 1, 1, tzinfo=UTC)
    run_in(acme, Session.objects.filter(pk=session_id).update, qr="2@abc", qr_expires_at=expires_at)

    data = api(acme_admin).get(f"{SESSIONS}/{session_id}/qr").json()["data"]

    assert data["qrCode"].startswith("data:image/png;base64,")
    assert (data["qr"], data["expiresAt"], data["isConnected"]) == ("2@abc", "2100-01-01T00:00:00.000Z", False)


def test_an_expired_qr_code_is_never_shown(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_session(acme, acme_admin)
    run_in(
        acme,
        Session.objects.filter(pk=session_id).update,
        qr="2@abc",
        qr_expires_at=datetime(2020, 1, 1, tzinfo=UTC),
        pairing_code="ABCD-EFGH",
        pairing_code_expires_at=datetime(2020, 1, 1, tzinfo=UTC),
    )

    assert "qr" not in api(acme_admin).get(f"{SESSIONS}/{session_id}/qr").json()["data"]
    assert api(acme_admin).get(f"{SESSIONS}/{session_id}/pairing-code").json()["data"]["code"] == ""


def test_who_may_only_read_sees_no_codes(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)
    grant(acme, session_id, acme_manager, acme_admin, can_write=False)

    for path in ("qr", "pairing-code"):
        check_failure(api(acme_manager).get(f"{SESSIONS}/{session_id}/{path}"), 403, "permission_denied")
    check_failure(api(acme_manager).post(f"{SESSIONS}/{session_id}/start"), 403, "permission_denied")


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("", 400, "phone_number_missing"),
        ("123", 400, "bad_phone_number"),
        ("+1234567890123456", 400, "bad_phone_number"),
        ("call me", 400, "bad_phone_number"),
        ("x" * 41, 400, "invalid"),
        (None, 400, "invalid"),
    ],
)
def test_a_pairing_code_needs_a_phone_number(
    acme: Company, acme_admin: Person, api: ApiClients, number: Any, status: int, code: str
) -> None:
    session_id = make_session(acme, acme_admin)

    answer = api(acme_admin).post(f"{SESSIONS}/{session_id}/pairing-code", {"phoneNumber": number}, format="json")

    check_failure(answer, status, code)


def test_a_pairing_code_is_asked_for_the_number_that_was_given(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)

    answer = api(acme_admin).post(
        f"{SESSIONS}/{session_id}/pairing-code", {"phoneNumber": "8 (900) 123-45-67"}, format="json"
    )

    assert answer.status_code == 202
    assert run_in(acme, Session.objects.get, pk=session_id).pairing_phone == "79001234567"


def test_a_linked_session_gives_no_pairing_code(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)

    answer = api(acme_admin).post(
        f"{SESSIONS}/{session_id}/pairing-code", {"phoneNumber": "+4915550000002"}, format="json"
    )

    check_failure(answer, 409, "already_linked")


# -- chats ---------------------------------------------------------------------------------------------------------
def test_the_chat_list_has_the_older_systems_keys(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "Hello", "Anyone?")

    data = api(acme_admin).get(f"{SESSIONS}/{session_id}/chats").json()["data"]

    chat = data["chats"][0]
    assert data["pagination"] == {"page": 1, "limit": 50, "total": 1, "pages": 1}
    assert (chat["id"], chat["chatId"], chat["chatName"]) == (chat_id, "4915550000099@c.us", "Bob")
    assert (chat["unreadCount"], chat["lastMessageText"], chat["_count"]) == (2, "Anyone?", {"messages": 2})


def test_messages_come_newest_page_first_and_in_order_inside(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "one", "two", "three")

    path = f"{SESSIONS}/{session_id}/chats/{chat_id}/messages?limit=2"
    first, second = (api(acme_admin).get(f"{path}&page={page}").json()["data"] for page in (1, 2))

    assert [row["body"] for row in first["messages"]] == ["two", "three"]
    assert [row["body"] for row in second["messages"]] == ["one"]
    assert first["messages"][0]["fromNumber"] == "4915550000099@c.us"


def test_a_manager_who_reads_has_read_and_an_admin_only_looks(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)
    grant(acme, session_id, acme_manager, acme_admin)
    chat_id = receive(acme, session_id, "Hello")
    path = f"{SESSIONS}/{session_id}/chats/{chat_id}/messages"

    assert api(acme_admin).get(path).json()["data"]["chat"]["unreadCount"] == 1
    assert api(acme_manager).get(path).json()["data"]["chat"]["unreadCount"] == 0
    assert api(acme_admin).get(path).json()["data"]["chat"]["unreadCount"] == 0


def test_marking_as_read_says_how_many(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "Hello", "Again")
    path = f"{SESSIONS}/{session_id}/chats/{chat_id}/read"

    first, second = (api(acme_admin, language="").post(path).json() for _ in range(2))

    assert (first["data"]["markedCount"], first["message"]) == (2, "Сообщения отмечены как прочитанные")
    assert (second["data"]["markedCount"], second["message"]) == (0, "Нет непрочитанных сообщений")
    assert first["data"]["chat"]["_count"] == {"messages": 2}


@pytest.mark.parametrize(
    "query", ["page=0", "page=abc", "limit=0", "limit=201", "chatType=none", "includeGroups=perhaps"]
)
def test_a_page_that_makes_no_sense_is_refused(acme: Company, acme_admin: Person, api: ApiClients, query: str) -> None:
    session_id = make_linked(acme, acme_admin)

    check_failure(api(acme_admin).get(f"{SESSIONS}/{session_id}/chats?{query}"), 400, "invalid")


# -- sending -------------------------------------------------------------------------------------------------------
def send(client: APIClient, session_id: str, chat_id: str, body: Any) -> Any:
    return client.post(f"{SESSIONS}/{session_id}/chats/{chat_id}/send", body, format="json")


def test_a_text_is_a_row_before_anything_is_sent(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "Hello")

    body = send(api(acme_admin, language=""), session_id, chat_id, {"message": "  We are open  "}).json()

    assert (body["message"], body["data"]["status"]) == ("Сообщение отправлено", "queued")
    row = api(acme_admin).get(f"{SESSIONS}/{session_id}/messages/{body['data']['id']}").json()["data"]
    assert (row["body"], row["status"], row["managerId"]) == ("We are open", "queued", acme_admin.user.pk)
    assert row["manager"] == {"firstName": "Admin", "lastName": "Acme", "email": "admin@acme.test"}


def test_a_text_to_a_new_number_makes_its_chat(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)

    answer = api(acme_admin).post(
        f"{SESSIONS}/{session_id}/messages", {"phone": "+49 1555 0000042", "message": "Hi"}, format="json"
    )

    assert answer.status_code == 202
    chats = api(acme_admin).get(f"{SESSIONS}/{session_id}/chats").json()["data"]["chats"]
    assert [(chat["id"], chat["chatId"]) for chat in chats] == [(answer.json()["data"]["chatId"], "4915550000042@c.us")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "empty_message"),
        ({"message": " \n "}, "empty_message"),
        ({"message": "x" * 4097}, "message_too_long"),
        ({"message": {"a": 1}}, "invalid"),
        ({"message": "a\x00b"}, "invalid"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused(
    acme: Company, acme_admin: Person, api: ApiClients, body: Any, code: str
) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "Hello")

    check_failure(send(api(acme_admin), session_id, chat_id, body), 400, code)


def test_nothing_is_accepted_for_a_session_without_a_phone(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_session(acme, acme_admin)

    answer = api(acme_admin, language="").post(
        f"{SESSIONS}/{session_id}/messages", {"phone": "+4915550000042", "message": "Hi"}, format="json"
    )

    check_failure(answer, 503, "session_not_connected")
    assert answer.json()["message"] == "Сессия не найдена или не подключена"


def test_without_the_right_to_write_nothing_is_sent(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "Hello")
    grant(acme, session_id, acme_manager, acme_admin, can_write=False)

    answer = send(api(acme_manager, language=""), session_id, chat_id, {"message": "Hi"})

    check_failure(answer, 403, "sending_denied")
    assert answer.json()["message"] == "У вас нет права отправлять сообщения в этой WhatsApp сессии"


def test_a_chat_of_another_account_is_not_found(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    one, two = make_linked(acme, acme_admin), make_linked(acme, acme_admin, "4915550000002")
    chat_id = receive(acme, one, "Hello")

    for path in (f"chats/{chat_id}/messages", "messages/unknown"):
        answer = api(acme_admin).get(f"{SESSIONS}/{two}/{path}")
        check_failure(answer, 404, "chat_not_found" if "chats" in path else "message_not_found")
    check_failure(send(api(acme_admin), two, chat_id, {"message": "Hi"}), 404, "chat_not_found")


# -- access --------------------------------------------------------------------------------------------------------
def test_an_admin_grants_changes_and_revokes_access(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)
    path = f"{SESSIONS}/{session_id}/access"

    given = api(acme_admin, language="").post(path, {"managerId": acme_manager.user.pk}, format="json").json()
    changed = api(acme_admin).post(path, {"managerId": acme_manager.user.pk, "canWrite": False}, format="json").json()
    listed = api(acme_admin).get(path).json()["data"]
    revoked = api(acme_admin, language="").delete(f"{path}/{acme_manager.user.pk}").json()

    assert given["message"] == "Доступ менеджера к WhatsApp успешно настроен"
    rights = {key: given["data"][key] for key in ("canRead", "canWrite", "canManageChats")}
    assert rights == {"canRead": True, "canWrite": True, "canManageChats": False}
    assert changed["data"]["id"] == given["data"]["id"]
    assert [(row["managerId"], row["canWrite"]) for row in listed] == [(acme_manager.user.pk, False)]
    assert revoked == {"success": True, "message": "Доступ менеджера к WhatsApp отозван"}
    check_failure(api(acme_admin).delete(f"{path}/{acme_manager.user.pk}"), 404, "access_not_found")


def test_access_is_given_to_managers_of_the_company_alone(
    acme: Company, acme_admin: Person, globex_manager: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)

    for somebody in (globex_manager.user.pk, acme_admin.user.pk, "nobody"):
        answer = api(acme_admin, language="").post(
            f"{SESSIONS}/{session_id}/access", {"managerId": somebody}, format="json"
        )
        check_failure(answer, 404, "manager_not_found")
        assert answer.json()["message"] == "Менеджер не найден"
