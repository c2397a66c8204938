"""A message of ours never claims more than is known, is never lost and never sent twice by itself."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.permissions import SYSTEM
from fleet.states import Wanted
from tenants.models import Company
from tests.engine.properties import FEW
from tests.whatsapp.desk import (
    BOB,
    BOB_BY_LID,
    BOB_BY_NUMBER,
    GROUP,
    NOON,
    Desk,
    acknowledged,
    failed,
    orders_of,
    receipt,
    text,
)
from whatsapp.engine import device_store
from whatsapp.engine.port import Ended, Ending, EngineEvent, Person, ReceiptKind, SendOutcome
from whatsapp.errors import (
    BadPhoneNumber,
    ChatNotFound,
    EmptyMessage,
    MessageNotFound,
    MessageTooLong,
    SessionNotConnected,
)
from whatsapp.models import EarlyReceipt, Event, Message, MessageStatus
from whatsapp.services import outbound, owning, sessions

pytestmark = pytest.mark.django_db


# -- queueing --------------------------------------------------------------------------------------------------------
def test_a_text_to_a_number_is_queued_in_a_chat_with_it(desk: Desk) -> None:
    message_id = desk.queue("Hello", phone=BOB.pn)

    row = Message.objects.get(pk=message_id)
    assert (row.status, row.from_me, row.is_read, row.wa_id, row.secret) == (MessageStatus.QUEUED, True, True, "", None)
    assert (desk.chat().jid, desk.chat().last_message_text) == (f"{BOB.pn}@s.whatsapp.net", "Hello")
    assert desk.chat().unread_count == 0


def test_a_text_to_a_known_chat_goes_there(desk: Desk) -> None:
    desk.tell(text("Are you open?"))

    desk.queue("We are.", chat_id=desk.chat().pk)

    assert orders_of(desk.take()) == ["We are."]
    assert desk.chat().messages.count() == 2


def test_lines_end_as_whatsapp_ends_them(desk: Desk) -> None:
    desk.tell(text("Are you open?"))

    desk.queue(" Until eight.\r\n\r\nWelcome! \r\n", chat_id=desk.chat().pk)

    assert orders_of(desk.take()) == ["Until eight.\n\nWelcome!"]


@pytest.mark.parametrize(
    ("words", "phone", "error"),
    [
        (" \n ", BOB.pn, EmptyMessage),
        ("x" * 4097, BOB.pn, MessageTooLong),
        ("Hello", "123", BadPhoneNumber),
    ],
)
def test_what_cannot_be_sent_is_not_accepted(desk: Desk, words: str, phone: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        desk.queue(words, phone=phone)
    assert not Message.objects.exists()


def test_a_chat_of_another_number_is_no_chat_of_this_one(acme: Company, desk: Desk) -> None:
    other = Desk.open(acme, number="4915550000002", name="Other")
    other.tell(text("Private"))

    with pytest.raises(ChatNotFound):
        desk.queue("Hello", chat_id=desk.chat().pk)


def test_nothing_is_accepted_while_no_phone_is_linked_or_the_session_is_to_stop(desk: Desk) -> None:
    sessions.pause(company=desk.company, session_id=desk.session_id, by=SYSTEM)
    with pytest.raises(SessionNotConnected):
        desk.queue()

    sessions.start(company=desk.company, session_id=desk.session_id, by=SYSTEM)
    desk.tell(Ended(Ending.LOGGED_OUT))
    with pytest.raises(SessionNotConnected):
        desk.queue()


# -- handing over ----------------------------------------------------------------------------------------------------
def test_the_oldest_leave_first_and_no_more_than_asked_for(desk: Desk) -> None:
    for number in range(5):
        desk.queue(str(number))

    first, second, third = desk.take(2), desk.take(2), desk.take(2)

    assert [orders_of(each) for each in (first, second, third)] == [["0", "1"], ["2", "3"], ["4"]]
    assert desk.take(2) == []
    assert len({order.secret for order in (*first, *second, *third)}) == 5
    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.SENT}


def test_each_session_sends_its_own(acme: Company, desk: Desk) -> None:
    second = Desk.open(acme, name="Back office")
    desk.queue("From the front")
    second.queue("From the back")

    assert orders_of(second.take()) == ["From the back"]


def test_a_group_is_written_to_by_its_own_address(desk: Desk) -> None:
    desk.tell(text("Hi all", group=GROUP))
    desk.queue("Hi", chat_id=desk.chat().pk)

    assert [order.to for order in desk.take()] == [GROUP]


# -- answers ---------------------------------------------------------------------------------------------------------
def test_an_answer_gives_the_message_its_id_and_the_addressee_a_hidden_identity(desk: Desk) -> None:
    message_id = desk.send()

    stored = desk.tell(acknowledged(message_id, at=NOON + 10**9))

    row = Message.objects.get(pk=message_id)
    assert (row.status, row.wa_id, row.timestamp.timestamp()) == (MessageStatus.SERVER_ACK, "OUT", NOON + 10**9)
    assert stored.finished == {message_id}
    contact = desk.chat().contact
    assert contact is not None
    assert contact.lid == BOB.lid


@pytest.mark.parametrize(
    ("outcome", "detail", "status", "code"),
    [
        (SendOutcome.UNCONFIRMED, "timed out", MessageStatus.UNCONFIRMED, "no_answer"),
        (SendOutcome.REFUSED, "server returned error 463", MessageStatus.FAILED, "new_chats_restricted"),
        (SendOutcome.REFUSED, "server returned error 479", MessageStatus.FAILED, "whatsapp_479"),
        (SendOutcome.REFUSED, "no LID found for 49", MessageStatus.FAILED, "not_on_whatsapp"),
        (SendOutcome.REFUSED, "server returned error ?", MessageStatus.FAILED, "refused"),
        (SendOutcome.REFUSED, "x" * 900, MessageStatus.FAILED, "refused"),
        (SendOutcome.NOT_SENT, "not connected", MessageStatus.QUEUED, ""),
    ],
)
def test_each_other_answer_says_what_it_proves(
    desk: Desk, outcome: SendOutcome, detail: str, status: str, code: str
) -> None:
    message_id = desk.send()

    desk.tell(failed(message_id, outcome, detail=detail))

    row = Message.objects.get(pk=message_id)
    assert (row.status, row.error_code) == (status, code)
    assert row.error_detail == ("" if status == MessageStatus.QUEUED else detail[:200])


def test_an_answer_for_a_message_that_nobody_knows_is_passed_over(desk: Desk) -> None:
    message_id = desk.send()

    desk.tell(acknowledged("nobody"), acknowledged(message_id))

    assert desk.status(message_id) == MessageStatus.SERVER_ACK


def test_a_receipt_that_overtakes_the_answer_counts_when_it_comes(desk: Desk) -> None:
    message_id = desk.send()

    desk.tell(receipt("OUT", kind=ReceiptKind.READ), receipt("OUT"))
    assert desk.status(message_id) == MessageStatus.SENT
    desk.tell(acknowledged(message_id))

    assert desk.status(message_id) == MessageStatus.READ
    assert not EarlyReceipt.objects.exists()


@pytest.mark.parametrize("outcome", [SendOutcome.UNCONFIRMED, SendOutcome.REFUSED])
def test_a_receipt_proves_that_a_message_arrived_whatever_was_answered(desk: Desk, outcome: SendOutcome) -> None:
    message_id = desk.send()
    desk.tell(failed(message_id, outcome, wa_id="OUT", detail="server returned error 479"))

    desk.tell(receipt("OUT"))

    row = Message.objects.get(pk=message_id)
    assert (row.status, row.error_code, row.error_detail) == (MessageStatus.DELIVERED, "", "")


@pytest.mark.parametrize("outcome", [SendOutcome.UNCONFIRMED, SendOutcome.REFUSED, SendOutcome.NOT_SENT])
def test_an_answer_that_is_told_again_takes_nothing_back(desk: Desk, outcome: SendOutcome) -> None:
    message_id = desk.send()
    answer = failed(message_id, outcome, wa_id="OUT")
    desk.tell(acknowledged(message_id), receipt("OUT"))

    desk.tell(answer)

    assert desk.status(message_id) == MessageStatus.DELIVERED
    assert desk.take() == []


ANSWERS = {
    "acknowledged": MessageStatus.SERVER_ACK,
    "unconfirmed": MessageStatus.UNCONFIRMED,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.READ,
}
HEIGHTS = [MessageStatus.SENT, MessageStatus.UNCONFIRMED, MessageStatus.SERVER_ACK, *list(ANSWERS.values())[2:]]


@FEW
@given(story=st.permutations([*ANSWERS, *ANSWERS]).flatmap(lambda all_: st.integers(1, 8).map(lambda n: all_[:n])))
def test_whatever_the_order_the_highest_that_was_proven_stands(desk: Desk, story: list[str]) -> None:
    Message.objects.all().delete()
    EarlyReceipt.objects.all().delete()
    message_id = desk.send()
    events: dict[str, EngineEvent] = {
        "acknowledged": acknowledged(message_id),
        "unconfirmed": failed(message_id, SendOutcome.UNCONFIRMED, wa_id="OUT"),
        "delivered": receipt("OUT"),
        "read": receipt("OUT", kind=ReceiptKind.READ),
    }

    for name in story:
        desk.tell(events[name])

    is_known = {"acknowledged", "unconfirmed"} & set(story)
    proven = [MessageStatus.SENT, *(ANSWERS[name] for name in story if is_known)]
    assert desk.status(message_id) == max(proven, key=HEIGHTS.index)


# -- the number's other devices --------------------------------------------------------------------------------------
@pytest.mark.parametrize("mirror_first", [True, False])
def test_what_another_device_saw_of_our_message_is_the_same_message(desk: Desk, mirror_first: bool) -> None:
    message_id = desk.send("Ours")
    mirror, answer = text("Ours", wa_id="OUT", from_me=True), acknowledged(message_id)

    desk.tell(*((mirror, answer) if mirror_first else (answer, mirror)))

    assert Message.objects.get().pk == message_id
    assert desk.status(message_id) == MessageStatus.SERVER_ACK


def test_what_was_proven_of_the_copy_is_proven_of_the_message(desk: Desk) -> None:
    message_id = desk.send("Ours")

    desk.tell(text("Ours", wa_id="OUT", from_me=True), receipt("OUT", kind=ReceiptKind.READ))
    desk.tell(acknowledged(message_id))

    assert Message.objects.get().pk == message_id
    assert desk.status(message_id) == MessageStatus.READ


def test_a_copy_proves_that_an_unanswered_message_left(desk: Desk) -> None:
    message_id = desk.send("Ours")

    desk.tell(text("Ours", wa_id="OUT", from_me=True), failed(message_id, SendOutcome.UNCONFIRMED, wa_id="OUT"))

    assert desk.status(message_id) == MessageStatus.SERVER_ACK


def test_a_copy_in_the_chat_of_the_hidden_identity_is_found_too(desk: Desk) -> None:
    message_id = desk.send("Ours")

    desk.tell(text("Ours", wa_id="OUT", peer=BOB_BY_LID, from_me=True), acknowledged(message_id))

    assert Message.objects.get().pk == message_id
    assert desk.chat().jid == f"{BOB.pn}@s.whatsapp.net"


def told_statuses(message_id: str) -> list[tuple[str, str]]:
    """(status, chat) as the log has them."""
    rows = Event.objects.filter(kind="message.status", data__id=message_id).order_by("position")
    return [(row.data["status"], row.chat_id) for row in rows]


def test_an_answer_and_its_receipts_that_come_together_are_told_step_by_step(desk: Desk) -> None:
    message_id = desk.send()

    desk.tell(receipt("OUT"), acknowledged(message_id), receipt("OUT", kind=ReceiptKind.READ))

    assert [status for status, _ in told_statuses(message_id)] == ["sent", "server_ack", "delivered", "read"]
    assert desk.status(message_id) == MessageStatus.READ
    assert not EarlyReceipt.objects.exists()


def test_an_answer_that_joins_two_chats_is_told_of_the_one_that_stays(desk: Desk) -> None:
    desk.tell(text("By LID", peer=BOB_BY_LID), text("By number", peer=BOB_BY_NUMBER))
    message_id = desk.queue("Ours", chat_id=Message.objects.get(body="By LID").chat_id)
    desk.take()

    desk.tell(acknowledged(message_id), receipt("OUT"))

    assert told_statuses(message_id)[-2:] == [("server_ack", desk.chat().pk), ("delivered", desk.chat().pk)]


def test_answers_of_one_batch_are_right_when_the_first_joins_two_contacts(desk: Desk) -> None:
    desk.tell(text("By LID", peer=BOB_BY_LID), text("By number", peer=BOB_BY_NUMBER))
    by_lid = desk.queue("One", chat_id=Message.objects.get(body="By LID").chat_id)
    by_number, third = desk.queue("Two"), desk.queue("Three", chat_id=Message.objects.get(body="By LID").chat_id)
    desk.take()

    desk.tell(
        text("Three", wa_id="C", peer=BOB_BY_NUMBER, from_me=True),
        acknowledged(by_lid, "A"),
        acknowledged(by_number, "B"),
        failed(third, SendOutcome.UNCONFIRMED, wa_id="C"),
    )

    assert [desk.status(each) for each in (by_lid, by_number, third)] == [MessageStatus.SERVER_ACK] * 3
    assert desk.chat().messages.count() == 5


# -- after a crash ---------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A session's folder with a device store as whatsmeow leaves it, as far as we read it."""
    with closing(sqlite3.connect(tmp_path / device_store.DEVICE_FILE)) as db, db:
        db.execute("CREATE TABLE whatsmeow_message_secrets (message_id TEXT, key BLOB)")
        db.execute("CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT)")
    return tmp_path


def left(folder: Path, message_id: str, wa_id: str) -> None:
    """The engine was about to send it."""
    secret = bytes(Message.objects.get(pk=message_id).secret or b"")
    with closing(sqlite3.connect(folder / device_store.DEVICE_FILE)) as db, db:
        db.execute("INSERT INTO whatsmeow_message_secrets VALUES (?, ?)", (wa_id, secret))


def recover(desk: Desk, folder: Path) -> None:
    assert owning.prepare_start(company=desk.company, lease=desk.lease, folder=folder)


def test_what_provably_never_left_is_queued_again(desk: Desk, folder: Path) -> None:
    message_id = desk.send("Never left")

    recover(desk, folder)

    assert desk.status(message_id) == MessageStatus.QUEUED
    assert orders_of(desk.take()) == ["Never left"]


def test_what_may_have_left_is_unconfirmed_and_never_sent_again(desk: Desk, folder: Path) -> None:
    message_id = desk.send("Perhaps")
    left(folder, message_id, "OUT")

    recover(desk, folder)

    row = Message.objects.get(pk=message_id)
    assert (row.status, row.wa_id, row.error_code) == (MessageStatus.UNCONFIRMED, "OUT", "no_answer")
    assert desk.take() == []
    desk.tell(receipt("OUT"))
    assert desk.status(message_id) == MessageStatus.DELIVERED


def test_a_receipt_that_came_before_the_crash_was_noticed_settles_it(desk: Desk, folder: Path) -> None:
    message_id = desk.send("Perhaps")
    left(folder, message_id, "OUT")
    desk.tell(receipt("OUT"))

    recover(desk, folder)

    assert desk.status(message_id) == MessageStatus.DELIVERED


def test_a_second_try_has_a_secret_of_its_own(desk: Desk, folder: Path) -> None:
    message_id = desk.queue("Again")
    first = desk.take()[0].secret
    recover(desk, folder)

    second = desk.take()[0]

    assert second.message_id == message_id
    assert second.secret != first


def test_what_was_answered_before_the_crash_is_left_alone(desk: Desk, folder: Path) -> None:
    message_id = desk.send()
    desk.tell(acknowledged(message_id))

    recover(desk, folder)

    assert desk.status(message_id) == MessageStatus.SERVER_ACK


def test_a_store_that_cannot_be_read_proves_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / device_store.DEVICE_FILE).mkdir()
    message_id = desk.send()

    with pytest.raises(sqlite3.OperationalError):
        recover(desk, tmp_path)

    assert desk.status(message_id) == MessageStatus.SENT


def test_a_link_whose_news_was_lost_with_its_host_is_found_in_the_store(
    acme: Company, desk: Desk, folder: Path
) -> None:
    desk = Desk.unlinked(acme, "Half linked")
    with closing(sqlite3.connect(folder / device_store.DEVICE_FILE)) as db, db:
        db.execute("INSERT INTO whatsmeow_device VALUES ('4915550000003:2@s.whatsapp.net', NULL, NULL)")

    recover(desk, folder)
    desk.tell(text("Before we knew that we are connected"))

    assert desk.placement.device_jid == "4915550000003:2@s.whatsapp.net"
    assert desk.session.account is not None
    assert desk.session.account.phone_number == "4915550000003"


def test_nothing_starts_that_nobody_wants_any_more(desk: Desk, folder: Path) -> None:
    sessions.pause(company=desk.company, session_id=desk.session_id, by=SYSTEM)

    assert desk.placement.wanted == Wanted.STOPPED
    assert not owning.prepare_start(company=desk.company, lease=desk.lease, folder=folder)


def test_a_message_is_found_only_through_its_own_number(acme: Company, desk: Desk) -> None:
    other = Desk.open(acme, number="4915550000002", name="Other")
    message_id = other.queue()

    found = outbound.find_message(message_id, session_id=other.session_id, by=SYSTEM)
    assert found.pk == message_id
    with pytest.raises(MessageNotFound):
        outbound.find_message(message_id, session_id=desk.session_id, by=SYSTEM)


def test_a_person_known_by_hidden_identity_alone_is_written_to_there(desk: Desk) -> None:
    desk.tell(text("Hi", peer=Person(lid=BOB.lid)))

    desk.queue("Hi", chat_id=desk.chat().pk)

    assert [order.to for order in desk.take()] == [f"{BOB.lid}@lid"]
