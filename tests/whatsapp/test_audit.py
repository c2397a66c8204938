"""The audit: every deed of the catalogue leaves its row, with who, what, and what changed; and nobody changes a row."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection, transaction
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django import Settings

from accounts.errors import AdminsOnly
from accounts.models import Membership, Role
from accounts.permissions import SYSTEM, Rights
from accounts.services import api_keys, audit, companies, login, managers, passwords, people, second_factor
from accounts.services.audit import Wanted
from audit import recording
from audit.models import Entry
from audit.verbs import WORDS, ActorKind, TargetKind, Verb
from fleet.models import Placement
from fleet.states import State
from tenants.context import run_in
from tenants.models import Company, Domain
from tests.pages.test_two_steps import App
from tests.people import PASSWORD, Person, client_for, make_person
from tests.whatsapp.desk import BOB, Desk, text
from tests.whatsapp.vcl_back import VclBack
from wharf.networks import parse_networks
from whatsapp.engine import device_store
from whatsapp.engine.fake import FakeEngine
from whatsapp.engine.port import Ended, Ending
from whatsapp.imports.vcl_back import import_all
from whatsapp.models import Chat, Event, Message
from whatsapp.pages.audit import _FIELDS
from whatsapp.services import (
    access,
    backups,
    chat_care,
    chats,
    inviting,
    outbound,
    queue,
    reacting,
    sessions,
    signed,
    webhooks,
)
from whatsapp.services.chat_care import ChatChange
from whatsapp.services.pacing import Rules
from whatsapp.tasks import forget_audit
from whatsapp.worker import identity

pytestmark = pytest.mark.django_db

RIGHTS = Rights(can_read=True)
#: What people write, and what opens doors.
SECRETS = ("Nobodysbusiness", "Question", "receiverssecret", PASSWORD, "harbour-lights-9", "whsec_", "whin_")


@dataclass
class Scene:
    """Acme's desk with a customer's text, an admin and a manager of acme's, and the platform's operator."""

    desk: Desk
    admin: Person
    manager: Person
    operator: Person
    state_dir: Path
    system_a: VclBack

    @property
    def company(self) -> Company:
        return self.desk.company

    @property
    def of_session(self) -> dict[str, Any]:
        return {"company": self.company, "session_id": self.desk.session_id, "by": self.admin.actor}

    @property
    def of_company(self) -> dict[str, Any]:
        return {"company": self.company, "by": self.admin.actor}

    @property
    def of_chat(self) -> dict[str, Any]:
        return self.of_session | {"chat_id": Chat.objects.get().pk}

    @property
    def by_operator(self) -> dict[str, Any]:
        return {"company": self.company, "by": self.operator.actor}

    def grant(self, rights: Rights = RIGHTS) -> None:
        access.grant(manager_id=self.manager.user.pk, rights=rights, **self.of_session)

    def regrant(self) -> None:
        self.grant()
        self.grant(Rights(can_read=True, can_write=True))

    def revoke(self) -> None:
        self.grant()
        access.revoke(manager_id=self.manager.user.pk, **self.of_session)

    def send(self) -> Message:
        return outbound.queue_text(text="Nobodysbusiness", phone=f"+{BOB.pn}", **self.of_session)

    def cancel(self) -> None:
        queue.cancel(message_id=self.send().pk, **self.of_session)

    def react(self) -> None:
        reacting.react(message_id=Message.objects.get(body="Question").pk, emoji="👍", **self.of_session)

    def webhook(self) -> str:
        return webhooks.create(url="https://127.0.0.1:8443/in?token=receiverssecret", **self.of_company)[0].pk

    def new_session(self) -> dict[str, Any]:
        session = sessions.create(company=self.company, by=self.admin.actor, name="Second")
        return self.of_session | {"session_id": session.pk}

    def invite(self) -> dict[str, Any]:
        session = self.new_session()
        row, _ = inviting.invite(hours=24, **session)
        return {"session_id": session["session_id"], "invitation_id": row.pk}

    def uninvite(self) -> None:
        inviting.revoke(by=self.admin.actor, **self.invite())

    def key(self) -> str:
        return api_keys.create(name="CRM", **self.of_company)[0].pk

    def deactivate(self) -> None:
        people.change_person(user=self.manager.user, by=self.operator.actor, is_active=False)

    def activate(self) -> None:
        self.deactivate()
        people.change_person(user=self.manager.user, by=self.operator.actor, is_active=True)

    def domain(self) -> Domain:
        return companies.set_domain(name="chat.acme.test", is_primary=True, **self.by_operator)

    def second_factor(self) -> object:
        return second_factor.turn_on(self.admin.user, App(self.admin).code())

    def no_second_factor(self) -> None:
        self.second_factor()
        second_factor.take_away(self.admin.user, by=self.operator.actor)

    def replay(self) -> None:
        endpoint = self.webhook()
        webhooks.replay_events(endpoint_id=endpoint, event_ids=[Event.objects.first().id], **self.of_company)  # type: ignore[union-attr]

    def restore(self) -> None:
        """From a backup of the device that is linked now."""
        sessions.pause(**self.of_session)
        jid = self.desk.session.placement.device_jid
        FakeEngine().was_linked(
            self.desk.session_id, device_store.make_folder(self.state_dir, self.desk.session_id), jid
        )
        at_rest = {"owner": None, "state": State.STOPPED, "store_id": identity._store_id(self.state_dir / "store-id")}
        Placement.objects.filter(pk=self.desk.session_id).update(**at_rest)
        backups.create(**self.of_session)
        backups.restore(**self.of_session)

    def take_over(self) -> None:
        """A company of system A that has our company's id."""
        source = self.system_a
        source.empty()
        source.company(id=self.company.pk)
        source.admin(self.company.pk)
        import_all(source.address, is_dry_run=False, say=lambda line: None)

    def membership(self) -> Membership:
        assert self.manager.membership is not None
        return self.manager.membership


@pytest.fixture
def scene(
    desk: Desk,
    acme_admin: Person,
    acme_manager: Person,
    operator: Person,
    settings: Settings,
    tmp_path: Path,
    vcl_back_database: VclBack,
) -> Scene:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")
    settings.STATE_DIR, settings.BACKUP_DIR = tmp_path, tmp_path / "backups"
    desk.tell(text("Question"))
    return Scene(desk, acme_admin, acme_manager, operator, tmp_path, vcl_back_database)


#: A real deed for every verb.
DEEDS: dict[Verb, Callable[[Scene], Any]] = {
    Verb.ACCESS_GRANTED: Scene.grant,
    Verb.ACCESS_CHANGED: Scene.regrant,
    Verb.ACCESS_REVOKED: Scene.revoke,
    Verb.AUDIT_EXPORTED: lambda s: client_of(s.admin).get("/audit/export").getvalue(),
    Verb.CHAT_CHANGED: lambda s: chat_care.change_chat(change=ChatChange(name="Bob the buyer"), **s.of_chat),
    Verb.CHAT_OPENED: lambda s: chats.list_messages(**s.of_chat),
    Verb.CHAT_READ: lambda s: chats.mark_read(**s.of_chat),
    Verb.COMPANY_CREATED: lambda s: companies.create(by=s.operator.actor, name="Brand new"),
    Verb.COMPANY_DOMAIN_REMOVED: lambda s: companies.remove_domain(domain=s.domain(), by=s.operator.actor),
    Verb.COMPANY_DOMAIN_SET: Scene.domain,
    Verb.COMPANY_IMPORTED: Scene.take_over,
    Verb.COMPANY_PLAN_CHANGED: lambda s: companies.change_plan(max_sessions=9, **s.by_operator),
    Verb.COMPANY_RESUMED: lambda s: companies.resume(**s.by_operator),
    Verb.COMPANY_SUSPENDED: lambda s: companies.suspend(**s.by_operator),
    Verb.INBOUND_SECRET_REMOVED: lambda s: (signed.rotate(**s.of_company), signed.remove(**s.of_company)),
    Verb.INBOUND_SECRET_ROTATED: lambda s: signed.rotate(**s.of_company),
    Verb.KEY_MADE: Scene.key,
    Verb.KEY_REVOKED: lambda s: api_keys.revoke(key_id=s.key(), **s.of_company),
    Verb.LOGIN: lambda s: login.log_in(email=s.admin.user.email, password=PASSWORD, address="198.51.100.7"),
    Verb.MESSAGE_CANCELLED: Scene.cancel,
    Verb.MESSAGE_REACTED: Scene.react,
    Verb.MESSAGE_SENT: Scene.send,
    Verb.PASSWORD_CHANGED: lambda s: passwords.change(user=s.admin.user, current=PASSWORD, new="harbour-lights-9"),
    Verb.PERSON_ACTIVATED: Scene.activate,
    Verb.PERSON_ADDED: lambda s: people.create_member(email="new@acme.test", role=Role.MANAGER, **s.of_company),
    Verb.PERSON_CHANGED: lambda s: managers.change(manager_id=s.manager.user.pk, first_name="Renamed", **s.of_company),
    Verb.PERSON_DEACTIVATED: Scene.deactivate,
    Verb.PERSON_REMOVED: lambda s: managers.remove(manager_id=s.manager.user.pk, **s.of_company),
    Verb.QUEUE_PACED: lambda s: queue.set_pace(rules=Rules(5, 9), **s.of_session),
    Verb.QUEUE_PAUSED: lambda s: queue.pause(**s.of_session),
    Verb.QUEUE_RESUMED: lambda s: (queue.pause(**s.of_session), queue.resume(**s.of_session)),
    Verb.SECOND_FACTOR_OFF: Scene.no_second_factor,
    Verb.SECOND_FACTOR_ON: Scene.second_factor,
    Verb.SESSION_ARCHIVED: lambda s: sessions.archive(**s.new_session()),
    Verb.SESSION_CHANGED: lambda s: sessions.change(name="Renamed", **s.of_session),
    Verb.SESSION_CODE_REQUESTED: lambda s: sessions.request_code(phone="+4915550009999", **s.new_session()),
    Verb.SESSION_CREATED: Scene.new_session,
    Verb.SESSION_INVITATION_REVOKED: Scene.uninvite,
    Verb.SESSION_INVITED: Scene.invite,
    Verb.SESSION_LINKED: lambda s: Desk.open(s.company, "4915550000077", "Linked now"),
    Verb.SESSION_LINK_CANCELLED: lambda s: sessions.cancel_link(**s.new_session()),
    Verb.SESSION_LOGGED_OUT: lambda s: s.desk.tell(Ended(Ending.LOGGED_OUT)),
    Verb.SESSION_PAUSED: lambda s: sessions.pause(**s.of_session),
    Verb.SESSION_RESTORED: Scene.restore,
    Verb.SESSION_STARTED: lambda s: (sessions.pause(**s.of_session), sessions.start(**s.of_session)),
    Verb.SESSION_UNLINKED: lambda s: sessions.unlink(**s.of_session),
    Verb.SETTINGS_CHANGED: lambda s: companies.change_settings(settings={"currency": "EUR"}, **s.of_company),
    Verb.WEBHOOK_CHANGED: lambda s: webhooks.change(endpoint_id=s.webhook(), description="Ours", **s.of_company),
    Verb.WEBHOOK_MADE: Scene.webhook,
    Verb.WEBHOOK_REMOVED: lambda s: webhooks.delete(endpoint_id=s.webhook(), **s.of_company),
    Verb.WEBHOOK_REPLAYED: Scene.replay,
    Verb.WEBHOOK_SECRET_ROTATED: lambda s: webhooks.rotate_secret(endpoint_id=s.webhook(), **s.of_company),
}


def client_of(person: Person) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person.user)
    return client


def last(verb: Verb) -> Entry:
    row = Entry.objects.filter(verb=verb).order_by("-id").first()
    assert row is not None, f"nothing was written down for {verb}"
    return row


# -- the catalogue -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("verb", Verb)
def test_every_deed_of_the_catalogue_is_written_down(scene: Scene, verb: Verb) -> None:
    done = DEEDS[verb](scene)

    where = done if isinstance(done, Company) else scene.company
    row = run_in(where, last, verb)
    by = {ActorKind.PERSON: scene.admin, ActorKind.OPERATOR: scene.operator}.get(ActorKind(row.actor_kind))
    assert (row.actor_id, row.actor_name) == ((by.user.pk, by.user.full_name) if by else ("", "system"))
    assert row.target_kind in set(TargetKind)
    assert row.target_name
    assert row.target_id
    assert set(row.changes) <= set(_FIELDS), "the page has no words for a field"
    told = json.dumps(run_in(where, lambda: list(Entry.objects.values())), default=str)
    assert [secret for secret in SECRETS if secret in told] == []


def test_every_verb_has_its_words() -> None:
    assert set(WORDS) == set(Verb)


# -- what is in a row --------------------------------------------------------------------------------------------------
def test_it_says_what_was_before_and_what_is_after(scene: Scene) -> None:
    sessions.change(name="Back office", **scene.of_session)

    row = last(Verb.SESSION_CHANGED)
    assert row.changes == {"name": ["Front desk", "Back office"]}
    assert (row.target_kind, row.target_id, row.target_name) == ("session", scene.desk.session_id, "Front desk")


def test_what_changes_nothing_is_no_deed(scene: Scene) -> None:
    before = Entry.objects.count()

    sessions.change(name="Front desk", **scene.of_session)
    sessions.start(**scene.of_session)
    companies.change_settings(settings={"currency": scene.company.currency}, **scene.of_company)
    queue.resume(**scene.of_session)

    assert Entry.objects.count() == before


def test_who_reads_a_chat_is_written_once_an_hour_for_each_of_them(scene: Scene) -> None:
    scene.grant()
    for person in (scene.admin, scene.manager, scene.admin, scene.manager):
        chats.list_messages(**scene.of_chat | {"by": person.actor})

    readers = Entry.objects.filter(verb=Verb.CHAT_OPENED).values_list("actor_id", flat=True)
    assert sorted(readers) == sorted([scene.admin.user.pk, scene.manager.user.pk])


def test_texts_that_are_sent_together_are_one_row(scene: Scene) -> None:
    texts = [outbound.Text("One", phone=f"+{BOB.pn}"), outbound.Text("Two", phone=f"+{BOB.pn}")]

    rows = outbound.queue_texts(texts=texts, **scene.of_session)

    row = last(Verb.MESSAGE_SENT)
    assert row.changes == {"messages": [None, [message.pk for message in rows if isinstance(message, Message)]]}
    assert (row.target_kind, row.session_id) == ("session", scene.desk.session_id)


def renamed_and_failed(scene: Scene) -> None:
    sessions.change(name="Never", **scene.of_session)
    raise RuntimeError


def test_a_deed_that_fails_leaves_no_row(scene: Scene) -> None:
    before = Entry.objects.count()

    with pytest.raises(AdminsOnly):
        api_keys.create(company=scene.company, by=scene.manager.actor, name="Mine")
    with pytest.raises(RuntimeError), transaction.atomic():
        renamed_and_failed(scene)

    assert Entry.objects.count() == before


def test_somebody_who_came_by_an_invitation_is_told_by_whose_it_was(scene: Scene) -> None:
    invited = scene.invite()
    guest = inviting.guest_of(invited["invitation_id"]).actor

    sessions.request_code(company=scene.company, session_id=invited["session_id"], phone="+4915550009999", by=guest)

    row = last(Verb.SESSION_CODE_REQUESTED)
    assert (row.actor_kind, row.actor_id) == ("guest", "")
    assert scene.admin.user.full_name in row.actor_name


@pytest.mark.parametrize(("is_active", "verb"), [(False, Verb.PERSON_DEACTIVATED), (True, Verb.PERSON_ACTIVATED)])
def test_an_admin_who_keeps_a_manager_out_is_told(scene: Scene, is_active: bool, verb: Verb) -> None:
    Membership.objects.filter(pk=scene.membership().pk).update(is_active=not is_active)

    managers.change(manager_id=scene.manager.user.pk, is_active=is_active, **scene.of_company)

    assert (last(verb).actor_id, last(verb).target_id) == (scene.admin.user.pk, scene.manager.user.pk)


def test_texts_that_are_taken_back_together_are_told_one_by_one(scene: Scene) -> None:
    ids = {scene.send().pk, scene.send().pk}

    queue.cancel_chat(**scene.of_chat)

    assert set(Entry.objects.filter(verb=Verb.MESSAGE_CANCELLED).values_list("target_id", flat=True)) == ids


def test_a_program_with_a_key_is_told_by_the_key_and_whose_it_is(scene: Scene) -> None:
    _, key = api_keys.create(name="CRM", **scene.of_company)

    answer = client_for().post(
        f"/api/whatsapp/sessions/{scene.desk.session_id}/pause", headers={"x-api-key": key}, REMOTE_ADDR="203.0.113.9"
    )

    assert answer.status_code == 202, answer.content
    row = last(Verb.SESSION_PAUSED)
    assert (row.actor_kind, row.actor_id, row.key_name) == ("key", scene.admin.user.pk, "CRM")
    assert row.address == "203.0.113.9"


def test_what_an_operator_does_is_told_as_an_operators(scene: Scene) -> None:
    sessions.pause(**scene.of_session | {"by": scene.operator.actor})

    assert last(Verb.SESSION_PAUSED).actor_kind == "operator"


def test_an_unlink_that_somebody_here_asked_for_is_not_blamed_on_the_phone(scene: Scene) -> None:
    sessions.unlink(**scene.of_session)
    scene.desk.tell(Ended(Ending.LOGGED_OUT))

    assert not Entry.objects.filter(verb=Verb.SESSION_LOGGED_OUT).exists()


# -- for ever ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("deed", ["UPDATE audit_entry SET actor_name = 'Somebody'", "DELETE FROM audit_entry"])
def test_the_database_itself_refuses_to_change_a_row(scene: Scene, deed: str) -> None:
    scene.send()

    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(deed)


@pytest.mark.parametrize(("days", "left"), [(0, 2), (30, 1)])
def test_only_what_is_older_than_somebody_has_set_is_forgotten(
    scene: Scene, settings: Settings, days: int, left: int
) -> None:
    before = Entry.objects.count()
    old = Entry(at=timezone.now() - timedelta(days=31), verb=Verb.LOGIN, actor_kind="person", target_kind="person")
    old.save(force_insert=True)
    settings.AUDIT_DAYS = days

    forget_audit(timestamp=0)

    assert Entry.objects.count() == before + left - 1
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_entry")


def test_outside_of_a_company_nothing_can_be_written_down(acme_admin: Person) -> None:
    with pytest.raises(RuntimeError, match="belongs to a company"):
        recording.record(Verb.LOGIN, recording.person("x", "X"), by=SYSTEM)


# -- reading -----------------------------------------------------------------------------------------------------------
def test_it_is_read_by_person_verb_number_and_time(scene: Scene) -> None:
    scene.send()
    sessions.pause(**scene.of_session | {"by": scene.operator.actor})

    def found(**wanted: Any) -> list[str]:
        rows = audit.read(by=scene.admin.actor, wanted=Wanted(**wanted)).entries
        return [row.verb for row in rows]

    assert found(actor_id=scene.operator.user.pk) == [Verb.SESSION_PAUSED]
    assert found(verb=Verb.MESSAGE_SENT) == [Verb.MESSAGE_SENT]
    assert found(session_id=scene.desk.session_id)[:2] == [Verb.SESSION_PAUSED, Verb.MESSAGE_SENT]
    assert found(until=timezone.now() - timedelta(days=1)) == []
    assert found(since=timezone.now() - timedelta(days=1))[:2] == [Verb.SESSION_PAUSED, Verb.MESSAGE_SENT]


def test_over_the_api_it_comes_in_pages_newest_first(scene: Scene) -> None:
    scene.send()
    client = client_for(scene.admin)

    first = client.get("/api/audit", {"limit": 1}).json()["data"]
    second = client.get("/api/audit", {"limit": 1, "before": first["next"]}).json()["data"]

    (row,) = first["entries"]
    assert (row["verb"], row["text"], row["target"]["kind"]) == ("message.sent", "Message sent", "chat")
    assert row["actor"] == {
        "kind": "person",
        "id": scene.admin.user.pk,
        "name": scene.admin.user.full_name,
        "key": None,
    }
    assert int(second["entries"][0]["id"]) < int(row["id"])
    assert client.get("/api/audit", {"verb": "nonsense"}).status_code == 400


def test_managers_do_not_read_it(scene: Scene) -> None:
    assert client_for(scene.manager).get("/api/audit").json()["code"] == "admins_only"


# -- as a table --------------------------------------------------------------------------------------------------------
def test_the_table_holds_all_rows_of_the_filter_and_calculates_nothing(scene: Scene) -> None:
    for number in range(audit.MAX_LIMIT + 5):
        sessions.change(name=f"=HYPERLINK({number})", **scene.of_session)

    answer = client_of(scene.admin).get("/audit/export", {"verb": Verb.SESSION_CHANGED})

    content = answer.getvalue().decode()
    assert content.startswith("\ufeff")
    head, *rows = csv.reader(io.StringIO(content.removeprefix("\ufeff")))
    assert len(rows) == audit.MAX_LIMIT + 5
    assert dict(zip(head, rows[0], strict=True))["About"] == "'=HYPERLINK(203)"
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.django_db(transaction=True)
async def test_the_table_is_streamed_to_who_asks_the_server_itself(live_companies: tuple[Company, Company]) -> None:
    acme, _ = live_companies
    admin = await sync_to_async(make_person)(acme, Role.ADMIN)
    client = AsyncClient()
    await client.aforce_login(admin.user)

    answer: Any = await client.get("/audit/export", headers={"accept-language": "en"})

    pieces = answer.streaming_content
    content = b"".join([piece async for piece in pieces]).decode()
    assert "Audit exported" in content
    assert "Person added" in content


# -- the page ----------------------------------------------------------------------------------------------------------
def test_the_page_says_it_in_words(scene: Scene) -> None:
    sessions.change(name="Back office", **scene.of_session)
    scene.send()

    shown = client_of(scene.admin).get("/audit").content.decode()

    assert "Number changed" in shown
    assert "Front desk" in shown
    assert "Back office" in shown
    assert "Message sent" in shown


@pytest.mark.parametrize("query", ["before=x", "since=2026-02-31", "until=9999-12-31", "verb=x", "before=" + "9" * 30])
def test_rubbish_in_the_address_narrows_nothing(scene: Scene, query: str) -> None:
    assert client_of(scene.admin).get(f"/audit?{query}").status_code == 200


def test_a_filter_that_fits_nothing_says_so(scene: Scene) -> None:
    shown = client_of(scene.admin).get("/audit", {"since": "2001-01-01", "until": "2001-01-02"}).content.decode()

    assert "Nothing fits" in shown
