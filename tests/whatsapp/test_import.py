"""Taking over companies from system A (seed rows 3, 15, 134): all that can come comes, once, and to its owner alone."""

import base64
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_tenants.utils import tenant_context
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.errors import WrongCredentials
from accounts.models import Membership, Registration, Role, User
from accounts.permissions import SYSTEM
from accounts.services.login import authenticate
from audit.models import Entry
from audit.verbs import Verb
from fleet.models import Placement
from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.jpegs import picture
from tests.people import Person, client_for, make_person
from tests.whatsapp.desk import Desk, text
from tests.whatsapp.vcl_back import NOON, PASSWORD, VclBack
from whatsapp.engine.port import Person as Party
from whatsapp.models import Account, Chat, Imported, ManagerAccess, Media, Message, Session
from whatsapp.services import access, chats

pytestmark = pytest.mark.django_db

IVAN = "79161112233"


@pytest.fixture
def hashers(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS, "accounts.hashers.ImportedBcrypt"]


def take(a: VclBack, *options: str) -> dict[str, Any]:
    """The report's facts."""
    output = StringIO()
    call_command("import_vcl_back", "--from", a.address, "--json", *options, stdout=output, stderr=StringIO())
    facts: dict[str, Any] = json.loads(output.getvalue())
    return facts


def rows(facts: dict[str, Any], what: str) -> tuple[int, int, int]:
    """New, here already, left out."""
    tally = facts["rows"].get(what, {"new": 0, "known": 0, "left_out": 0})
    return tally["new"], tally["known"], tally["left_out"]


def told(facts: dict[str, Any], where: str = "leftOut") -> dict[tuple[str, str], list[str]]:
    return {(each["what"], each["cause"]): each["ids"] for each in facts[where]}


class Shop:
    """A company of system A with an admin, a manager who may read and write, and a chat."""

    def __init__(self, a: VclBack, name: str = "Ромашка", slug: str = "romashka", phone: str = "74951234567") -> None:
        self.company = a.company(name, slug)
        self.admin = a.admin(self.company, f"Anna@{slug}.test")
        self.manager = a.manager(self.company, self.admin, f"mila@{slug}.test")
        self.session = a.session(self.company, self.admin, phone, lastSeen=NOON, createdAt=NOON)
        self.access = a.grant(self.session, self.manager, self.admin)
        self.chat = a.chat(self.session, f"{IVAN}@c.us", "Иван Петров")
        self.question = a.message(self.session, self.chat, "Здравствуйте!", isRead=True)
        later = NOON + timedelta(minutes=5, milliseconds=123)
        self.answer = a.message(
            self.session, self.chat, "Добрый день", from_me=True, timestamp=later, managerId=self.manager
        )
        self.last = a.message(self.session, self.chat, "Сколько стоит?", timestamp=NOON + timedelta(minutes=6))

    def person(self, user_id: str) -> Person:
        rows = Membership.objects.select_related("user", "company")
        membership = rows.get(user=user_id, company=self.company)
        return Person(membership.user, membership.company, membership)

    @property
    def target(self) -> Company:
        return Company.objects.get(pk=self.company)


@pytest.fixture
def shop(a: VclBack) -> Shop:
    return Shop(a)


def get(client: APIClient, path: str) -> Any:
    answer = client.get(f"/api/whatsapp/sessions{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


# -- what comes ------------------------------------------------------------------------------------------------------
def test_a_manager_logs_in_as_ever_and_finds_the_chats(a: VclBack, shop: Shop, hashers: None, api: ApiClients) -> None:
    take(a)

    answer = api().post("/api/auth/login", {"email": "Mila@romashka.test", "password": PASSWORD}, format="json")
    assert answer.status_code == 200
    client = APIClient(headers={"authorization": f"Bearer {answer.json()['token']}"})
    (session,) = get(client, "")
    assert (session["id"], session["phoneNumber"], session["displayName"]) == (shop.session, "74951234567", "Ромашка")
    assert (session["isActive"], session["isConnected"], session["isLinked"]) == (True, False, False)
    (chat,) = get(client, f"/{shop.session}/chats")["chats"]
    assert (chat["id"], chat["chatId"], chat["chatName"]) == (shop.chat, f"{IVAN}@c.us", "Иван Петров")
    assert (chat["unreadCount"], chat["lastMessageText"]) == (1, "Сколько стоит?")
    messages = get(client, f"/{shop.session}/chats/{shop.chat}/messages")["messages"]
    assert [(each["id"], each["fromMe"], each["body"]) for each in messages] == [
        (shop.question, False, "Здравствуйте!"),
        (shop.answer, True, "Добрый день"),
        (shop.last, False, "Сколько стоит?"),
    ]
    assert messages[1]["manager"] == {"firstName": "Мила", "lastName": "Ли", "email": "mila@romashka.test"}
    assert (messages[1]["managerId"], messages[1]["status"]) == (shop.manager, "server_ack")
    assert (messages[0]["messageType"], messages[0]["timestamp"]) == ("text", "2025-08-01T12:00:00.000Z")


def test_an_admin_sees_who_was_granted_what_by_whom(a: VclBack, shop: Shop) -> None:
    take(a)

    (grant,) = get(client_for(shop.person(shop.admin)), f"/{shop.session}/access")
    assert (grant["id"], grant["managerId"], grant["grantedBy"]) == (shop.access, shop.manager, shop.admin)
    assert (grant["canRead"], grant["canWrite"], grant["canManageChats"]) == (True, True, False)
    assert grant["grantedAt"] == "2025-08-01T12:00:00.000Z"


def test_a_company_keeps_its_settings_and_its_plan(a: VclBack) -> None:
    a.company(
        "Ромашка",
        "romashka",
        timezone="Europe/Moscow",
        currency="RUB",
        subscriptionPlan="pro",
        subscriptionStatus="expired",
        subscriptionExpiresAt=NOON,
        maxPhoneNumbers=7,
        maxManagers=9,
        isActive=False,
        createdAt=NOON,
    )

    take(a)

    company = Company.objects.get(slug="romashka")
    assert (company.timezone, company.currency, company.language) == ("Europe/Moscow", "RUB", "ru")
    assert (company.subscription_plan, company.subscription_status) == ("pro", "expired")
    assert (company.max_sessions, company.max_managers, company.is_active) == (7, 9, False)
    assert company.subscription_expires_at == company.created_at == NOON


def test_what_a_company_cannot_have_here_is_told(a: VclBack, acme: Company) -> None:
    one = a.company("Acme", "acme", timezone="Mars/Base")
    two = a.company("Цветы", "", currency="rubles", maxManagers=-1)
    long = a.company("Ш" * 200, "long")

    facts = take(a)

    assert told(facts, "different")["companies", "slug"] == [one, two]
    assert told(facts, "different")["companies", "setting"] == [one, two]
    assert told(facts, "different")["companies", "name"] == [long]
    assert set(Company.objects.values_list("slug", flat=True)) >= {"acme", "acme-2", "tsvety", "long"}
    assert Company.objects.get(pk=one).timezone == "UTC"


def test_a_session_waits_for_its_phone(a: VclBack, shop: Shop) -> None:
    take(a)

    placement = Placement.objects.get(session_id=shop.session)
    assert (placement.state, placement.wanted, placement.reason) == ("unpaired", "stopped", "imported")
    assert (placement.device_jid, placement.company_id) == ("", shop.company)
    session = get(client_for(shop.person(shop.admin)), "")[0]
    assert (session["adminId"], session["createdAt"]) == (shop.admin, "2025-08-01T12:00:00.000Z")


def test_linking_the_number_again_goes_on_in_the_same_chat(a: VclBack, shop: Shop) -> None:
    take(a)

    with tenant_context(shop.target):
        desk = Desk.open(shop.target, "74951234567", "Again")
        desk.tell(text("Я снова тут", peer=Party(pn=IVAN, lid="99000000000001", name="Ваня")))

        chat = Chat.objects.get()
        assert (chat.pk, chat.unread_count, chat.last_message_text) == (shop.chat, 2, "Я снова тут")
        assert not chat.is_new
        assert Message.objects.filter(chat=chat).count() == 4


def test_the_audit_tells_once_what_came(a: VclBack, shop: Shop) -> None:
    take(a)
    take(a)

    row = run_in(shop.target, Entry.objects.get, verb=Verb.COMPANY_IMPORTED)
    assert row.changes == {"people": [None, 2], "numbers": [None, 1], "chats": [None, 1], "messages": [None, 3]}


def test_a_message_that_comes_again_is_known(a: VclBack, shop: Shop) -> None:
    late = a.message(shop.session, shop.chat, "Ещё вопрос", messageId=f"false_{IVAN}@c.us_3AABCDEF")
    take(a)

    with tenant_context(shop.target):
        desk = Desk.open(shop.target, "74951234567", "Again")
        desk.tell(text("Ещё вопрос", peer=Party(pn=IVAN), wa_id="3AABCDEF"))

        assert Message.objects.get(wa_id="3AABCDEF").pk == late


def test_sessions_that_were_off_are_archived_and_keep_their_history(a: VclBack, shop: Shop) -> None:
    off = a.session(shop.company, shop.admin, "74957654321", isActive=False)
    a.message(off, a.chat(off, f"{IVAN}@c.us"), "Старое")
    waiting = a.session(shop.company, shop.admin, "pending")

    facts = take(a)

    with tenant_context(shop.target):
        assert Session.objects.get(pk=off).archived_at is not None
        assert Chat.objects.get(account__phone_number="74957654321").last_message_text == "Старое"
        assert Session.objects.get(pk=waiting).account is None
    assert rows(facts, "sessions") == (3, 0, 0)


def test_sessions_of_one_number_share_a_history(a: VclBack, shop: Shop) -> None:
    twin = a.session(shop.company, shop.admin, "+74951234567", updatedAt=NOON)
    chat = a.chat(twin, f"{IVAN}@c.us", IVAN)
    a.message(twin, chat, "Раньше", timestamp=NOON - timedelta(days=1), isRead=True)

    facts = take(a)

    with tenant_context(shop.target):
        assert (Account.objects.count(), Chat.objects.count(), Message.objects.count()) == (1, 1, 4)
        assert Session.objects.live().get().pk == shop.session
        assert Chat.objects.get().label == "Иван Петров"
    assert told(facts, "different")["sessions", "archived"] == [twin]


def test_groups_and_hidden_people_come_and_broadcasts_do_not(a: VclBack, shop: Shop) -> None:
    group = a.chat(shop.session, "120363000000000001@g.us", "Наши")
    wa_id = "false_120363000000000001@g.us_3A00FF_79990001122@c.us"
    a.message(shop.session, group, "Всем привет", messageId=wa_id)
    a.chat(shop.session, "99000000000077@lid", "Оля")
    status = a.chat(shop.session, "status@broadcast")
    lost = a.message(shop.session, status, "Сторис")
    strange = a.chat(shop.session, "0@c.us")

    facts = take(a)

    with tenant_context(shop.target):
        message = Message.objects.select_related("sender").get(body="Всем привет")
        assert (message.wa_id, message.sender and message.sender.phone_number) == ("3A00FF", "79990001122")
        assert message.chat.subject == "Наши"
        assert Chat.objects.get(contact__lid="99000000000077").label == "Оля"
    assert told(facts) == {
        ("chats", "broadcast"): [status],
        ("chats", "jid"): [strange],
        ("messages", "no_chat"): [lost],
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("chat", "text"), ("ptt", "audio"), ("image", "image"), ("vcard", "contact"), ("call_log", "other")],
)
def test_kinds_are_ours(a: VclBack, shop: Shop, theirs: str, ours: str) -> None:
    row = a.message(shop.session, shop.chat, "Подпись", messageType=theirs)

    take(a)

    message = run_in(shop.target, Message.objects.get, pk=row)
    assert (message.kind, message.body) == (ours, "Подпись")


def test_small_pictures_and_spoken_words_come_along(a: VclBack, shop: Shop) -> None:
    """whatsapp-web.js gives the picture where the text should be."""
    small = base64.b64encode(picture(72, 54)).decode()
    photo = a.message(shop.session, shop.chat, small, messageType="image")
    voice = a.message(shop.session, shop.chat, "", messageType="ptt")
    for words in (small[:300], "/9j/" + "A" * 200, "Подпись"):
        a.message(shop.session, shop.chat, words, messageType="image")

    take(a)
    take(a)

    rows = run_in(shop.target, lambda: {row.pk: row for row in Media.objects.select_related("message")})
    assert {pk: (row.preview_width, row.preview_height, row.is_voice) for pk, row in rows.items()} == {
        photo: (72, 54, False),
        voice: (0, 0, True),
    }
    assert bytes(rows[photo].preview or b"") == picture(72, 54)
    assert rows[photo].message.body == ""


# -- again -----------------------------------------------------------------------------------------------------------
def everything(company: Company) -> list[object]:
    models: list[Any] = [Session, Account, Chat, Message, Media, ManagerAccess, Imported]
    inside = run_in(company, lambda: [list(model.objects.order_by("pk").values()) for model in models])
    shared: list[Any] = [Company, User, Membership, Registration, Placement]
    return [*inside, *(list(model.objects.order_by("pk").values()) for model in shared)]


def test_a_second_run_changes_nothing(a: VclBack, shop: Shop) -> None:
    a.admin(a.company("Никто", "nobody"), "nobody@nobody.test", verified=False)
    take(a)
    before = everything(shop.target)

    facts = take(a)

    assert everything(shop.target) == before
    assert {what: rows(facts, what)[0] for what in facts["rows"]} == dict.fromkeys(facts["rows"], 0)
    assert rows(facts, "messages") == (0, 3, 0)


def test_a_third_run_takes_what_is_new_and_leaves_what_people_changed(a: VclBack, shop: Shop) -> None:
    take(a)
    manager = shop.person(shop.manager)
    with tenant_context(shop.target):
        chats.mark_read(company=shop.target, session_id=shop.session, chat_id=shop.chat, by=manager.actor)
        Chat.objects.update(name="Ваня", is_archived=True)
        access.revoke(company=shop.target, session_id=shop.session, manager_id=shop.manager, by=SYSTEM)
    User.objects.filter(pk=shop.manager).update(email="new@romashka.test", first_name="Людмила")
    new = a.message(shop.session, shop.chat, "Вы тут?", timestamp=NOON + timedelta(days=1))

    facts = take(a)

    with tenant_context(shop.target):
        chat = Chat.objects.get()
        assert (chat.name, chat.unread_count, chat.last_message_text) == ("Ваня", 1, "Вы тут?")
        assert not chat.is_new
        assert not chat.is_archived
        assert Message.objects.filter(is_read=False).get().pk == new
        assert not ManagerAccess.objects.exists()
    assert User.objects.get(pk=shop.manager).first_name == "Людмила"
    assert rows(facts, "messages") == (1, 3, 0)
    assert rows(facts, "managers") == (0, 1, 0)


def test_somebody_who_was_let_go_here_does_not_come_back(a: VclBack, shop: Shop) -> None:
    take(a)
    Membership.objects.filter(user=shop.manager).delete()
    run_in(shop.target, Imported.objects.filter(kind="access").delete)

    take(a)

    assert not Membership.objects.filter(user=shop.manager).exists()
    assert run_in(shop.target, Message.objects.get, pk=shop.answer).sent_by_id == shop.manager


def test_a_session_that_is_linked_there_later_finds_its_number(a: VclBack, shop: Shop) -> None:
    waiting = a.session(shop.company, shop.admin, "pending")
    take(a)
    a.set("WhatsAppSession", waiting, "phoneNumber", "74950000001")
    a.message(waiting, a.chat(waiting, f"{IVAN}@c.us"), "Первое")

    take(a)

    with tenant_context(shop.target):
        session = Session.objects.select_related("account").get(pk=waiting)
        assert session.account
        assert session.account.phone_number == "74950000001"
        assert Chat.objects.filter(account=session.account).get().last_message_text == "Первое"


def test_a_dry_run_tells_the_same_and_leaves_nothing(a: VclBack, shop: Shop) -> None:
    a.admin(a.company("Никто", "nobody"), "nobody@nobody.test", verified=False)
    before = [list(model.objects.values()) for model in (Company, User, Membership, Registration, Placement)]

    promised = take(a, "--dry-run")

    assert before == [list(model.objects.values()) for model in (Company, User, Membership, Registration, Placement)]
    kept = take(a)
    assert promised.pop("dryRun") is True
    assert kept.pop("dryRun") is False
    assert promised == kept


# -- who gets in -----------------------------------------------------------------------------------------------------
def logs_in(email: str, password: str = PASSWORD) -> User:
    return authenticate(email=email, password=password, address="")


def test_companies_do_not_meet(a: VclBack, shop: Shop, acme_admin: Person) -> None:
    other = Shop(a, "Василёк", "vasilek", "74950000009")
    mixed = a.grant(other.session, shop.manager, other.admin)
    stolen = a.message(shop.session, other.chat, "Чужое")

    facts = take(a)

    strangers = (shop.person(shop.admin), shop.person(shop.manager), acme_admin)
    for person in strangers:
        path = f"/api/whatsapp/sessions/{other.session}/chats/{other.chat}/messages"
        assert client_for(person).get(path).status_code == 404
    assert told(facts) == {("access", "no_manager"): [mixed], ("messages", "no_chat"): [stolen]}
    assert run_in(other.target, Message.objects.count) == run_in(shop.target, Message.objects.count) == 3


def test_somebody_with_an_account_keeps_it_and_its_password(
    a: VclBack, shop: Shop, acme: Company, hashers: None
) -> None:
    own = make_person(acme, Role.ADMIN, email="anna@romashka.test")
    own.user.set_password("another-harbour-8")
    own.user.save()

    facts = take(a)

    assert logs_in("anna@romashka.test", "another-harbour-8").pk == own.user.pk
    with pytest.raises(WrongCredentials):
        logs_in("anna@romashka.test")
    assert Membership.objects.filter(user=own.user).count() == 2
    assert told(facts, "different")["users", "own_password"] == [shop.admin]
    assert run_in(shop.target, ManagerAccess.objects.get).granted_by_id == own.user.pk


def test_an_account_that_another_company_made_does_not_open_this_one(a: VclBack, shop: Shop, acme: Company) -> None:
    kept = make_person(acme, Role.MANAGER, email="anna@romashka.test")
    User.objects.filter(pk=kept.user.pk).update(keeper=acme)

    facts = take(a)

    assert not Membership.objects.confirmed().filter(user=kept.user, company=shop.company).exists()
    assert told(facts, "different")["users", "not_open"] == [shop.admin]
    assert told(facts, "different")["companies", "no_admin"] == [shop.company]


def test_an_admin_of_one_company_who_is_a_manager_of_another_is_one_person(a: VclBack, hashers: None) -> None:
    first = Shop(a)
    second = Shop(a, "Василёк", "vasilek", "74950000009")
    double = a.manager(first.company, first.admin, "ANNA@vasilek.test", firstName="Аня", lastName="Вторая")
    a.grant(first.session, double, first.admin)

    take(a)

    person = logs_in("anna@vasilek.test")
    assert (person.pk, person.keeper_id) == (second.admin, None)
    roles = Membership.objects.filter(user=person).values_list("company_id", "role")
    assert dict(roles) == {first.company: "manager", second.company: "admin"}
    assert Membership.objects.get(user=person, company=first.company).names == ("Аня", "Вторая")
    assert run_in(first.target, ManagerAccess.objects.filter(user=person).exists)


def test_a_managers_account_is_in_the_companys_hands(a: VclBack, shop: Shop) -> None:
    take(a)

    assert User.objects.get(pk=shop.manager).keeper_id == shop.company
    assert User.objects.get(pk=shop.admin).keeper_id is None


def test_who_never_proved_the_address_has_to(a: VclBack, shop: Shop) -> None:
    nobody = a.company("Никто", "nobody")
    waiting = a.admin(nobody, "Nobody@nobody.test", verified=False)
    long = a.admin(nobody, f"{'long' * 80}@nobody.test", verified=False)
    second = a.admin(shop.company, "second@romashka.test", verified=False)

    facts = take(a)

    registration = Registration.objects.get()
    assert (registration.pk, registration.email) == (waiting, "nobody@nobody.test")
    assert registration.company_name == "Никто"
    assert not Company.objects.filter(pk=nobody).exists()
    assert not User.objects.filter(email="second@romashka.test").exists()
    assert told(facts) == {
        ("companies", "only_registered"): [nobody],
        ("registrations", "email"): [long],
        ("users", "not_verified"): [second],
    }


def test_who_is_inactive_stays_so(a: VclBack, shop: Shop, acme_admin: Person) -> None:
    asleep = a.admin(shop.company, "asleep@romashka.test", isActive=False)
    back_door = a.admin(shop.company, acme_admin.user.email, isActive=False)

    facts = take(a)

    assert not User.objects.get(pk=asleep).is_active
    assert told(facts) == {("users", "inactive"): [back_door]}
    assert not Membership.objects.filter(user=acme_admin.user, company=shop.company).exists()


def test_a_password_that_is_no_hash_has_to_be_reset(a: VclBack, shop: Shop) -> None:
    plain = a.manager(shop.company, shop.admin, "plain@romashka.test", password="in-plain-text")

    facts = take(a)

    assert not User.objects.get(pk=plain).has_usable_password()
    assert told(facts, "different")["managers", "password"] == [plain]


# -- what is broken --------------------------------------------------------------------------------------------------
def test_a_broken_row_is_told_and_stops_nothing(a: VclBack, shop: Shop) -> None:
    a.change("""ALTER TABLE "WhatsAppMessage" DROP CONSTRAINT "WhatsAppMessage_chatId_fkey" """)
    gone = a.message(shop.session, shop.chat, "Потеряно")
    a.set("WhatsAppMessage", gone, "chatId", "nowhere")
    never = a.message(shop.session, shop.chat, "Никогда")
    a.set("WhatsAppMessage", never, "timestamp", "infinity")
    early = a.message(shop.session, shop.chat, "Давно", timestamp=datetime(1, 1, 1, tzinfo=UTC))
    long = a.message(shop.session, shop.chat, "д" * 70_000)
    unread = a.message(shop.session, shop.chat, "?", messageId="x" * 90)
    wrong = a.admin(shop.company, "nowhere")
    odd = a.session(shop.company, shop.admin, "не номер")
    a.change("""ALTER TABLE "User" DROP CONSTRAINT "User_companyId_fkey" """)
    stray = a.admin("c-gone", "stray@romashka.test")

    facts = take(a)

    assert told(facts) == {
        ("messages", "no_chat"): [gone],
        ("messages", "no_time"): [never],
        ("users", "email"): [wrong],
        ("sessions", "no_number"): [odd],
        ("users", "no_company"): [stray],
    }
    assert told(facts, "different") == {("messages", "text"): [long], ("messages", "wa_id"): [unread]}
    assert run_in(shop.target, Message.objects.filter(pk__in=[early, long, unread]).count) == 3


def test_the_database_refuses_one_row_and_takes_its_neighbours(
    a: VclBack, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whatsapp.imports import parsing

    # Nothing that system A can hold gets this far, so the limit has to be taken away.
    monkeypatch.setattr(parsing, "MAX_WA_ID", 1000)
    bad = a.message(shop.session, shop.chat, "?", messageId="x" * 90)

    facts = take(a)

    assert told(facts) == {("messages", "refused"): [bad]}
    assert rows(facts, "messages") == (3, 0, 1)


def test_tables_may_be_mapped_to_other_names(a: VclBack, shop: Shop) -> None:
    a.change('ALTER TABLE "WhatsAppMessage" RENAME TO whatsapp_messages')
    a.change('ALTER TABLE whatsapp_messages RENAME "chatId" TO chat_id')
    a.change('ALTER TABLE "Company" RENAME TO companies')
    a.change('ALTER TABLE "WhatsAppManagerAccess" RENAME TO whatsapp_manager_access')
    a.change('ALTER TABLE companies DROP COLUMN "maxAgents"')

    assert rows(take(a), "messages") == (3, 0, 0)


def test_another_database_is_refused(a: VclBack) -> None:
    a.change('DROP TABLE "WhatsAppMessage"; ALTER TABLE "User" DROP COLUMN password')

    with pytest.raises(CommandError, match=r"it lacks User\.password, WhatsAppMessage") as failure:
        take(a)

    assert failure.value.returncode == 64


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("env:hidden", "no variable of that name"),
        ("file:/hidden", "cannot be read: No such file"),
        ("file:/", "cannot be read: Is a directory"),
    ],
)
def test_where_an_address_was_not_found_is_told(source: str, why: str) -> None:
    with pytest.raises(CommandError, match=why) as failure:
        call_command("import_vcl_back", "--from", source)

    assert (failure.value.returncode, "hidden" in str(failure.value)) == (64, False)


@pytest.mark.parametrize("source", ["hidden password", "postgres//u:hidden@h/d"])
def test_a_wrong_source_is_not_repeated(source: str) -> None:
    with pytest.raises(CommandError, match="no address of a PostgreSQL") as failure:
        call_command("import_vcl_back", "--from", source)

    assert "hidden" not in str(failure.value)


def test_a_source_that_is_away_is_told_without_its_password() -> None:
    with pytest.raises(CommandError, match="cannot be read") as failure:
        call_command("import_vcl_back", "--from", "postgresql://u:hidden@127.0.0.1:9/d?schema=public")

    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize("where", ["env", "file"])
def test_the_address_may_stay_out_of_sight(
    a: VclBack, shop: Shop, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("OLD_DATABASE", a.address)
    (tmp_path / "address").write_text(a.address + "\n")
    output = StringIO()

    source = {"env": "env:OLD_DATABASE", "file": f"file:{tmp_path / 'address'}"}[where]
    call_command("import_vcl_back", "--from", source, stdout=output, stderr=StringIO())

    assert "messages 3 new, 0 here already, 0 left out" in output.getvalue()


def test_the_source_is_only_read(a: VclBack, shop: Shop) -> None:
    before = a.everything()
    assert any(before.values())

    take(a)

    assert a.everything() == before
