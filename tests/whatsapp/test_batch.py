"""Many texts in one request: each stands for itself, and what they cost does not grow with each."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role
from accounts.permissions import SYSTEM, Rights
from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person, make_person
from tests.whatsapp.desk import BOB, EVE, Desk, orders_of, text
from whatsapp import live
from whatsapp.models import Chat, Contact, Message, MessageStatus
from whatsapp.services import access, outbound
from whatsapp.services.outbound import BATCH, Text

pytestmark = pytest.mark.django_db


def post(client: Any, desk: Desk, *messages: object) -> Any:
    path = f"/api/whatsapp/sessions/{desk.session_id}/messages/batch"
    return client.post(path, {"messages": messages}, format="json")


def queue(desk: Desk, *texts: Text) -> list[Message]:
    rows = outbound.queue_texts(company=desk.company, session_id=desk.session_id, texts=texts, by=SYSTEM)
    return [row for row in rows if isinstance(row, Message)]


def test_texts_to_numbers_and_to_chats_are_queued_in_their_order(
    desk: Desk, acme_admin: Person, api: ApiClients
) -> None:
    desk.tell(text("Question"))
    chat = desk.chat()

    answer = post(
        api(acme_admin),
        desk,
        {"phone": f"+{EVE.pn}", "message": "One"},
        {"chatId": chat.pk, "message": "Two"},
        {"phone": f"+{EVE.pn}", "message": "Three", "priority": 5},
    )

    assert answer.status_code == 202
    data = answer.json()["data"]
    assert (data["queued"], data["refused"]) == (3, 0)
    assert [row["status"] for row in data["results"]] == ["queued"] * 3
    assert [row["id"] for row in data["results"]] == [
        Message.objects.get(body=words).pk for words in ("One", "Two", "Three")
    ]
    assert data["results"][1]["chatId"] == chat.pk
    assert data["results"][0]["chatId"] == data["results"][2]["chatId"]
    assert orders_of(desk.take()) == ["Three", "One", "Two"]
    chat.refresh_from_db()
    assert chat.last_message_text == "Two"
    assert Chat.objects.get(contact__phone_number=EVE.pn).last_message_text == "Three"
    assert {row.sent_by_id for row in Message.objects.filter(from_me=True)} == {acme_admin.user.pk}


def test_what_is_wrong_with_one_keeps_no_other_from_leaving(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    answer = post(
        api(acme_admin),
        desk,
        {"phone": "12", "message": "To nobody"},
        {"phone": f"+{BOB.pn}", "message": "  "},
        {"phone": f"+{BOB.pn}", "message": "Hello"},
        {"chatId": "01nobodyschat", "message": "To nothing"},
        {"phone": f"+{BOB.pn}", "message": "x" * 4097},
        {"phone": f"+{BOB.pn}", "message": "Late", "expiresAt": "2020-01-01T00:00:00Z"},
        {"message": "To whom?"},
    )

    data = answer.json()["data"]
    assert (answer.status_code, data["queued"], data["refused"]) == (202, 1, 6)
    assert [row.get("code") for row in data["results"]] == [
        "bad_phone_number",
        "empty_message",
        None,
        "chat_not_found",
        "message_too_long",
        "bad_expiry",
        "phone_number_missing",
    ]
    assert all(row["message"] for row in data["results"] if "code" in row)
    assert list(Message.objects.values_list("body", flat=True)) == ["Hello"]


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        {},
        "Hello",
        ["Hello"],
        [{"phone": "+4915550000099", "message": ["Hello"]}],
        [{"phone": "+4915550000099", "message": "Hello", "priority": 101}],
        [{"phone": "+4915550000099", "message": "Hello"}, {"phone": "+4915550000099", "message": "nul\x00"}],
        [{"phone": "+4915550000099", "message": "Hello"}] * (BATCH + 1),
    ],
)
def test_what_is_no_batch_is_refused_whole(desk: Desk, acme_admin: Person, api: ApiClients, messages: object) -> None:
    path = f"/api/whatsapp/sessions/{desk.session_id}/messages/batch"

    answer = api(acme_admin).post(path, {"messages": messages}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert all(name.split(".")[0] == "messages" for name in answer.json()["fields"])
    assert not Message.objects.exists()


def test_a_chat_of_another_number_is_nobodys(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    other = Desk.open(desk.company, number="4915550000002", name="Back desk")
    other.tell(text("Question", peer=EVE))
    theirs = Chat.objects.get(contact__phone_number=EVE.pn)

    data = post(api(acme_admin), desk, {"chatId": theirs.pk, "message": "Hello"}).json()["data"]

    assert data["results"][0]["code"] == "chat_not_found"
    assert not theirs.messages.filter(from_me=True).exists()


def test_a_chat_of_another_company_is_nobodys(
    desk: Desk, globex: Company, globex_admin: Person, api: ApiClients
) -> None:
    desk.tell(text("Question"))
    chat = desk.chat().pk
    theirs = run_in(globex, Desk.open, globex, number="4915550000003")

    data = post(api(globex_admin), theirs, {"chatId": chat, "message": "Hello"}).json()["data"]

    assert data["results"][0]["code"] == "chat_not_found"


def test_a_manager_who_may_only_read_sends_nothing(desk: Desk, acme: Company, api: ApiClients) -> None:
    manager = make_person(acme, Role.MANAGER)
    access.grant(
        company=acme, session_id=desk.session_id, manager_id=manager.user.pk, rights=Rights(can_read=True), by=SYSTEM
    )

    answer = post(api(manager), desk, {"phone": f"+{BOB.pn}", "message": "Hello"})

    assert (answer.status_code, answer.json()["code"]) == (403, "sending_denied")


def test_each_text_is_told_in_one_publication(desk: Desk, hints: list[live.Hint]) -> None:
    rows = queue(desk, Text("One", phone=BOB.pn), Text("Two", phone=EVE.pn))

    told = [hint for hint in hints if hint.kind == "message.new"]
    assert [hint.payload["message"]["id"] for hint in told] == [row.pk for row in rows]
    assert [hint.payload["chat"]["lastMessageText"] for hint in told] == ["One", "Two"]


def test_a_batch_costs_as_many_queries_as_one(desk: Desk) -> None:
    def cost(count: int, first: int) -> int:
        texts = [Text("Hello", phone=f"49155570{first + number:05}") for number in range(count)]
        with CaptureQueriesContext(connection) as asked:
            assert len(queue(desk, *texts)) == count
        return len(asked)

    one = cost(1, 0)

    assert cost(BATCH, 100) == one
    assert Contact.objects.count() == BATCH + 1
    assert Message.objects.filter(status=MessageStatus.QUEUED).count() == BATCH + 1
