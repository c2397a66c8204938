"""Operators over all companies: they see every session with its state, and act through the same services."""

from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.errors import OperatorsOnly
from accounts.tasks import mail_code
from audit.models import Entry
from fleet import leases
from fleet.models import Placement, Trouble, Worker
from fleet.states import Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.people import Person
from wharf.networks import parse_networks
from whatsapp.admin import usage
from whatsapp.models import Transition
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import deliveries, news, packing, sessions, webhooks

pytestmark = pytest.mark.django_db

LIST = "/admin/fleet/placement/"
WORKERS = "/admin/fleet/worker/"
JOBS = "/admin/procrastinate/procrastinatejob/"


@pytest.fixture
def desk(operator: Person) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(operator.user)
    return client


@pytest.fixture
def session_id(acme: Company, acme_admin: Person) -> str:
    return run_in(acme, sessions.create, company=acme, by=acme_admin.actor, name="Front desk").pk


def test_an_operator_sees_sessions_of_all_companies(
    desk: Client, session_id: str, globex: Company, globex_admin: Person
) -> None:
    run_in(globex, sessions.create, company=globex, by=globex_admin.actor, name="Counter")

    page = desk.get(LIST).content.decode()

    for words in ("Front desk", "Counter", "Acme", "Globex", "No phone is linked yet."):
        assert words in page


def test_a_sessions_page_shows_its_history_with_errors(desk: Client, acme: Company, session_id: str) -> None:
    run_in(
        acme,
        Transition.objects.create,
        session_id=session_id,
        happening="connection_lost",
        before="connected",
        after="connecting",
        reason="host_died",
        detail="host 4711: SIGKILL <b>",
    )

    page = desk.get(f"{LIST}{session_id}/change/").content.decode()

    assert "host 4711: SIGKILL &lt;b&gt;" in page
    assert "The process that held the connection ended" in page


@pytest.mark.parametrize(
    ("action", "wanted", "said"),
    [
        ("pause", Wanted.STOPPED, "The session is being stopped."),
        ("unlink", Wanted.UNLINKED, "The number is being unlinked."),
    ],
)
def test_pausing_and_unlinking_ask_before_they_act(
    desk: Client, session_id: str, action: str, wanted: Wanted, said: str
) -> None:
    Placement.objects.filter(pk=session_id).update(device_jid="4915550000001:1@s.whatsapp.net")
    chosen = {"action": action, "_selected_action": [session_id]}

    asked = desk.post(LIST, chosen)
    assert "Front desk" in asked.content.decode()
    assert Placement.objects.get(pk=session_id).wanted == Wanted.RUNNING
    done = desk.post(LIST, chosen | {"confirmed": "yes"}, follow=True)

    assert Placement.objects.get(pk=session_id).wanted == wanted
    assert f"Front desk: {said}" in done.content.decode()


def test_a_sessions_page_says_when_its_keys_were_last_kept(desk: Client, session_id: str) -> None:
    taken_at = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    Placement.objects.filter(pk=session_id).update(snapshot_at=taken_at)

    page = desk.get(f"{LIST}{session_id}/change/").content.decode()

    assert "March 4, 2026" in page


def test_starting_asks_first_too_and_the_history_names_the_operator(
    desk: Client, acme: Company, session_id: str, operator: Person
) -> None:
    Placement.objects.filter(pk=session_id).update(wanted=Wanted.STOPPED)

    desk.post(LIST, {"action": "start", "_selected_action": [session_id]})
    assert Placement.objects.get(pk=session_id).wanted == Wanted.STOPPED
    desk.post(LIST, {"action": "start", "_selected_action": [session_id], "confirmed": "yes"})

    assert Placement.objects.get(pk=session_id).wanted == Wanted.RUNNING
    page = desk.get(f"{LIST}{session_id}/change/").content.decode()
    assert f"{operator.user.full_name} (Operator of the platform)" in page
    newest = run_in(acme, lambda: Transition.objects.filter(session_id=session_id).latest("id").by_user_id)
    assert newest == operator.user.pk


def test_nothing_is_added_changed_or_deleted_by_hand(desk: Client, session_id: str) -> None:
    assert desk.get(f"{LIST}add/").status_code == 403
    assert desk.post(f"{LIST}{session_id}/change/", {"state": "connected"}).status_code == 403
    assert desk.post(f"{LIST}{session_id}/delete/", {"post": "yes"}).status_code == 403
    assert Placement.objects.get(pk=session_id).state == "unpaired"


def test_a_companys_own_people_have_no_business_here(acme_admin: Person, session_id: str) -> None:
    client = Client()
    client.force_login(acme_admin.user)

    assert client.get(LIST).status_code == 302


def test_background_jobs_are_shown_in_words_and_changed_by_nobody(desk: Client) -> None:
    job = str(mail_code.defer(code_id="1"))

    page = desk.get(f"{JOBS}?state=todo").content.decode()
    assert "accounts.tasks.mail_code" in page
    assert "waits" in page
    assert 'name="action"' not in page
    assert "accounts.tasks.mail_code" not in desk.get(f"{JOBS}?state=failed").content.decode()
    assert "code_id" in desk.get(f"{JOBS}{job}/change/").content.decode()
    assert [desk.post(f"{JOBS}{path}").status_code for path in ("add/", f"{job}/change/", f"{job}/delete/")] == [
        403
    ] * 3


def test_workers_are_listed_with_what_they_hold(desk: Client, session_id: str) -> None:
    worker = Worker.objects.create(name="harbour/1", pid=1, capacity=5, store_id="s", lease_until="2100-01-01T00:00Z")
    Placement.objects.filter(pk=session_id).update(owner=worker)

    assert "harbour/1" in desk.get("/admin/fleet/worker/").content.decode()


def test_repacking_is_asked_for_after_a_question_and_stands_in_the_log(desk: Client, operator: Person) -> None:
    worker = leases.register(name="harbour/1", pid=1, capacity=5, store_id="disk")
    chosen = {"action": "repack", "_selected_action": [worker.pk]}

    asked = desk.post(WORKERS, chosen).content.decode()
    assert "harbour/1" in asked
    assert Worker.objects.get(pk=worker.pk).repack_asked_at is None
    done = desk.post(WORKERS, chosen | {"confirmed": "yes"}, follow=True).content.decode()

    assert "harbour/1 (pid 1): Asked to re-pack." in done
    asked_at = Worker.objects.get(pk=worker.pk).repack_asked_at
    assert asked_at is not None
    assert leases.renew(worker).repack_asked_at == asked_at
    entry = LogEntry.objects.get()
    assert (entry.user_id, entry.object_id, entry.change_message) == (operator.user.pk, worker.pk, "Re-pack now")


def test_a_worker_that_is_gone_is_not_asked_to_repack(desk: Client) -> None:
    worker = leases.register(name="harbour/1", pid=1, capacity=5, store_id="disk")
    leases.retire(worker)

    done = desk.post(WORKERS, {"action": "repack", "_selected_action": [worker.pk], "confirmed": "yes"}, follow=True)

    assert "This worker is no longer registered" in done.content.decode()
    assert not LogEntry.objects.exists()


def test_only_operators_may_ask_for_it(acme_admin: Person) -> None:
    worker = leases.register(name="harbour/1", pid=1, capacity=5, store_id="disk")

    with pytest.raises(OperatorsOnly):
        packing.ask_to_repack(worker_id=worker.pk, by=acme_admin.actor)
    assert Worker.objects.get(pk=worker.pk).repack_asked_at is None


# -- the first page ----------------------------------------------------------------------------------------------------
def shown_at_first(desk: Client) -> str:
    return desk.get("/admin/").content.decode()


def test_the_first_page_says_that_all_is_well(desk: Client, acme: Company) -> None:
    leases.register(name="harbour/1", pid=1, capacity=5, store_id="disk")

    page = shown_at_first(desk)

    for words in ("Nothing is going on.", "All are online.", "1 at work.", "None was given up."):
        assert words in page


def test_the_first_page_names_what_is_wrong(
    desk: Client, acme: Company, session_id: str, settings: Settings, acme_admin: Person
) -> None:
    worker = leases.register(name="harbour/1", pid=1, capacity=5, store_id="disk")
    lost = {"device_jid": "1:1@s.whatsapp.net", "state": "connected", "owner": worker}
    Placement.objects.filter(pk=session_id).update(**lost)
    Worker.objects.update(lease_until=datetime(2026, 3, 4, tzinfo=UTC))
    Trouble.objects.create(subject="fleet", cause="no_worker", about="Nobody works", began_at=datetime.now(UTC))
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")
    run_in(acme, given_up, acme, acme_admin)

    page = shown_at_first(desk)

    for words in (
        "Nobody works",
        "Front desk – Acme",
        "harbour/1",
        "No worker runs",
        "CRM – Acme",
        "took nothing for three days",
    ):
        assert words in page
    assert f"{LIST}{session_id}/change/" in page


@news.writing
def given_up(company: Company, admin: Person) -> None:
    row, _ = webhooks.create(company=company, by=admin.actor, url="https://127.0.0.1:8443/", description="CRM")
    deliveries.switch_off(company, row.pk, DisabledReason.UNREACHABLE)


def test_a_number_that_somebody_paused_is_no_trouble(desk: Client, session_id: str) -> None:
    Placement.objects.filter(pk=session_id).update(device_jid="1:1@s.whatsapp.net", wanted=Wanted.STOPPED)

    assert "All are online." in shown_at_first(desk)


# -- companies ---------------------------------------------------------------------------------------------------------
def test_companies_are_shown_with_what_they_use_of_their_plan(
    desk: Client, acme: Company, session_id: str, acme_manager: Person
) -> None:
    Placement.objects.filter(pk=session_id).update(device_jid="1:1@s.whatsapp.net")

    listed = desk.get("/admin/tenants/company/").content.decode()
    page = desk.get(f"/admin/tenants/company/{acme.pk}/change/").content.decode()

    assert "0 of 1, at most 5" in listed
    assert "1, at most 3" in listed
    for words in ("1 of 5", "1 of 3", "Messages of the last 30 days", "Person added"):
        assert words in page


def test_messages_that_take_too_long_to_count_are_not_counted(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(usage, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(usage, "_count", slow)

    assert run_in(acme, usage.of_company).messages_in_words == "too many to count here"


def test_what_operators_do_to_a_company_is_in_its_audit(desk: Client, acme: Company, operator: Person) -> None:
    chosen = {"action": "suspend", "_selected_action": [acme.pk], "confirmed": "yes"}
    desk.post("/admin/tenants/company/", chosen)

    row = run_in(acme, Entry.objects.latest, "id")
    assert (row.verb, row.actor_kind, row.actor_id) == ("company.suspended", "operator", operator.user.pk)
    assert row.address == "127.0.0.1"


def test_the_audit_has_no_page_of_its_own_that_could_change_it(desk: Client) -> None:
    assert not admin.site.is_registered(Entry)
