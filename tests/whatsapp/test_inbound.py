"""What comes in is stored once each, counted, shown newest first, and cannot be made to break the rest."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from tenants.models import Company
from tests.engine import events as raw
from tests.engine.properties import FEW
from tests.whatsapp.desk import BOB, BOB_BY_LID, EVE, GROUP, NOON, SHOP, Desk, lost, receipt, text, unreadable
from whatsapp.engine import translate
from whatsapp.engine.port import EngineEvent, Person, ReceiptKind
from whatsapp.models import Chat, Contact, EarlyReceipt, Event, Message, MessageStatus

pytestmark = pytest.mark.django_db


# -- storing ---------------------------------------------------------------------------------------------------------
def test_the_first_message_makes_its_contact_and_chat_and_counts_as_unread(desk: Desk) -> None:
    desk.tell(text("Are you open?"))

    chat, row = desk.chat(), Message.objects.get()
    assert (chat.label, chat.unread_count, chat.last_message_text) == ("Bob", 1, "Are you open?")
    assert (row.body, row.kind, row.status, row.is_read, row.from_me) == (
        "Are you open?",
        "text",
        MessageStatus.RECEIVED,
        False,
        False,
    )
    assert row.timestamp == datetime.fromtimestamp(NOON, UTC)
    assert row.session_id == desk.session_id


def test_repeats_are_harmless_in_one_batch_and_in_many(desk: Desk) -> None:
    events = [text("One"), text("Two")]

    desk.tell(*events, *events)
    desk.tell(*events)

    assert desk.bodies() == ["One", "Two"]
    assert desk.chat().unread_count == 2


def test_two_linked_devices_of_one_number_store_each_message_once(acme: Company, desk: Desk) -> None:
    second = Desk.open(acme, name="Back office")

    desk.tell(text("Hello"), text("Ours", from_me=True))
    second.tell(text("Hello"), text("Ours", from_me=True), text("More"))

    assert sorted(desk.bodies()) == ["Hello", "More", "Ours"]
    assert desk.chat().unread_count == 2


def test_messages_that_come_late_stand_where_they_belong(desk: Desk) -> None:
    desk.tell(text("Third", at=NOON + 2))
    desk.tell(text("First", at=NOON), text("Second", at=NOON + 1))

    assert desk.bodies() == ["First", "Second", "Third"]
    assert desk.chat().last_message_text == "Third"
    assert desk.chat().unread_count == 3


def test_of_several_in_one_second_the_last_is_shown(desk: Desk) -> None:
    desk.tell(*(text(str(number)) for number in range(12)))

    assert desk.bodies()[-1] == desk.chat().last_message_text == "11"


def test_what_was_written_on_the_phone_is_ours_and_read(desk: Desk) -> None:
    desk.tell(text("Ours", from_me=True))

    row = Message.objects.get()
    assert (row.from_me, row.sender, row.sent_by_id, row.status) == (True, None, None, MessageStatus.SERVER_ACK)
    assert desk.chat().unread_count == 0
    assert desk.chat().contact == Contact.objects.get(phone_number=BOB.pn)


def test_a_message_that_could_not_be_read_is_filled_in_when_it_comes_again(desk: Desk) -> None:
    desk.tell(unreadable("A"))
    assert (desk.chat().last_message_text, desk.chat().unread_count) == ("[other]", 1)

    desk.tell(text("At last", wa_id="A"))
    desk.tell(unreadable("A"))

    row = Message.objects.get()
    assert (row.body, row.kind, row.status) == ("At last", "text", MessageStatus.RECEIVED)
    assert (desk.chat().last_message_text, desk.chat().unread_count) == ("At last", 1)


def test_an_old_message_that_is_filled_in_is_not_shown_as_the_newest(desk: Desk) -> None:
    desk.tell(unreadable("A"), text("Newer", at=NOON + 5))

    desk.tell(text("At last", wa_id="A"))

    assert desk.chat().last_message_text == "Newer"


def test_an_unreadable_message_of_our_own_phone_is_ours_and_filled_in(desk: Desk) -> None:
    desk.tell(unreadable("A", from_me=True))
    assert desk.chat().unread_count == 0

    desk.tell(text("Ours", wa_id="A", from_me=True))

    row = Message.objects.get()
    assert (row.body, row.from_me, row.sender, row.status) == ("Ours", True, None, MessageStatus.SERVER_ACK)


def of_kind(kind: str) -> list[dict[str, Any]]:
    return list(Event.objects.filter(kind=kind).order_by("position").values_list("data", flat=True))


def test_a_lost_message_is_a_line_in_its_chat_and_is_told_once(desk: Desk) -> None:
    desk.tell(text("Before"), lost("GONE"), text("After", at=NOON + 90))
    desk.tell(lost("GONE"))

    row = Message.objects.get(wa_id="GONE")
    (told,) = of_kind("message.lost")
    assert (row.status, row.error_code, row.body) == (MessageStatus.UNREADABLE, "message_lost", "")
    assert row.sender == Contact.objects.get(phone_number=BOB.pn)
    assert desk.bodies() == ["Before", "", "After"]
    assert desk.chat().unread_count == 3
    assert (told["id"], told["chatId"], told["sender"]["phone"]) == (row.pk, row.chat_id, BOB.pn)
    assert told["after"] < told["before"]


def test_a_message_that_is_here_is_not_lost(desk: Desk) -> None:
    desk.tell(text("Here", wa_id="A"))

    desk.tell(lost("A"))

    assert desk.bodies() == ["Here"]
    assert of_kind("message.lost") == []


def test_a_lost_message_is_filled_in_when_it_comes_after_all(desk: Desk) -> None:
    desk.tell(lost("A"))

    desk.tell(text("At last", wa_id="A"))

    row = Message.objects.get()
    assert (row.body, row.status, row.error_code) == ("At last", MessageStatus.RECEIVED, "")
    assert [told["status"] for told in of_kind("message.status")] == ["received"]


def test_an_unreadable_message_that_will_not_come_again_is_lost(desk: Desk) -> None:
    desk.tell(unreadable("A"))

    desk.tell(lost("A"))
    desk.tell(unreadable("A"))

    assert Message.objects.get().error_code == "message_lost"
    assert len(of_kind("message.lost")) == 1


def test_a_lost_message_of_our_own_phone_is_ours(desk: Desk) -> None:
    desk.tell(lost("A", from_me=True))

    row = Message.objects.get()
    assert (row.from_me, row.sender, desk.chat().unread_count) == (True, None, 0)
    assert of_kind("message.lost")[0]["sender"] is None


def test_what_our_own_phone_has_read_is_read(desk: Desk) -> None:
    desk.tell(text("One"), text("Two", at=NOON + 1), text("Eve's", peer=EVE))

    desk.tell(receipt("IN-One", kind=ReceiptKind.READ, from_me=True))

    assert sorted(Chat.objects.values_list("contact__push_name", "unread_count")) == [("Bob", 1), ("Eve", 1)]


# -- groups ----------------------------------------------------------------------------------------------------------
def test_a_group_is_one_chat_with_many_senders(desk: Desk) -> None:
    desk.tell(*(text(f"{who.name}'s", group=GROUP, sender=who) for who in (BOB, EVE, BOB_BY_LID)))

    chat = desk.chat()
    assert (chat.group_jid, chat.is_group, chat.contact) == (GROUP, True, None)
    assert sorted(chat.messages.values_list("sender__push_name", flat=True)) == ["Bob", "Eve"]


def test_two_members_may_use_the_same_message_id(desk: Desk) -> None:
    desk.tell(*(text(f"{who.name}'s", wa_id="SAME", group=GROUP, sender=who) for who in (BOB, EVE)))

    assert sorted(desk.bodies()) == ["Bob's", "Eve's"]


def test_in_a_group_one_members_reading_is_not_everybodys(desk: Desk) -> None:
    desk.tell(text("To all", wa_id="OURS", group=GROUP, from_me=True))

    desk.tell(receipt("OURS", kind=ReceiptKind.READ, group=GROUP))
    assert Message.objects.get().status == MessageStatus.SERVER_ACK
    desk.tell(receipt("OURS", group=GROUP))

    assert Message.objects.get().status == MessageStatus.DELIVERED


def test_a_group_message_whose_sender_is_not_told_is_kept(desk: Desk) -> None:
    desk.tell(text("Who said that?", group=GROUP, sender=Person()))

    assert Message.objects.get().sender is None


# -- receipts --------------------------------------------------------------------------------------------------------
ORDER = [MessageStatus.SERVER_ACK, MessageStatus.DELIVERED, MessageStatus.READ]
REACHES = {
    ReceiptKind.DELIVERED: MessageStatus.DELIVERED,
    ReceiptKind.READ: MessageStatus.READ,
    ReceiptKind.PLAYED: MessageStatus.READ,
}


@FEW
@given(batches=st.lists(st.lists(st.sampled_from(list(ReceiptKind)), min_size=1, max_size=3), max_size=4))
def test_a_status_only_climbs_whatever_the_order(desk: Desk, batches: list[list[ReceiptKind]]) -> None:
    Message.objects.all().delete()
    desk.tell(text("Ours", wa_id="OURS", from_me=True))
    highest = MessageStatus.SERVER_ACK

    for kinds in batches:
        desk.tell(*(receipt("OURS", kind=kind) for kind in kinds))
        highest = max([highest, *(REACHES[kind] for kind in kinds)], key=ORDER.index)
        assert Message.objects.get().status == highest


def test_receipts_for_a_contacts_messages_change_nothing(desk: Desk) -> None:
    desk.tell(text("Theirs", wa_id="THEIRS"))

    desk.tell(receipt("THEIRS", kind=ReceiptKind.READ))

    assert Message.objects.get().status == MessageStatus.RECEIVED


def test_the_same_early_receipt_many_times_is_one_row(desk: Desk) -> None:
    for _ in range(3):
        desk.tell(receipt("UNKNOWN", "UNKNOWN"), receipt("UNKNOWN"))

    assert EarlyReceipt.objects.get().wa_id == "UNKNOWN"


# -- strangers -------------------------------------------------------------------------------------------------------
HOSTILE: dict[str, bytes] = {
    "NUL in the text": raw.message(raw.e2e.Message(conversation="a\0b")),
    "NUL in the name": raw.message(Pushname="B\0b"),
    "NUL in the id": raw.message(ID="A\0B"),
    "65k of text": raw.message(raw.e2e.Message(conversation="ы" * 65_536)),
    "much more text": raw.message(raw.e2e.Message(conversation="x" * 500_000)),
    "emoji and right-to-left": raw.message(raw.e2e.Message(conversation="👩‍👩‍👧‍👦 \u202eשלום\u202c مرحبا")),
    "blanks only": raw.message(raw.e2e.Message(conversation=" \n\t ")),
    "a very long name": raw.message(Pushname="Robert" * 4000),
    "a very long id": raw.message(ID="A" * 5000),
    "no id": raw.message(ID=""),
    "a very long number": raw.message(where=raw.source(Chat=raw.jid("9" * 300), SenderAlt=raw.NOBODY)),
    "a very long hidden identity": raw.message(where=raw.source(SenderAlt=raw.jid("9" * 300, translate.LID))),
    "no number": raw.message(where=raw.source(Chat=raw.jid("not'a\0number"), SenderAlt=raw.NOBODY)),
    "a very long group": raw.message(where=raw.group("1" * 300)),
    "a group without a name": raw.message(where=raw.group("")),
    "nobody in no chat": raw.message(where=raw.source(Chat=raw.NOBODY, Sender=raw.NOBODY, SenderAlt=raw.NOBODY)),
    "a status": raw.message(where=raw.source(Chat=raw.jid("status", translate.BROADCAST))),
    "before all time": raw.message(Timestamp=-(2**63)),
    "after all time": raw.message(Timestamp=2**63 - 1),
    "no text at all": raw.message(raw.e2e.Message(conversation="Hostile")).replace(b"Hostile", raw.NOT_UTF8 * 2 + b"!"),
}


def told(payload: bytes) -> list[EngineEvent]:
    event = translate.translate(translate.MESSAGE, payload)
    return [event] if event else []


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_stranger_sends_the_rest_of_the_batch_is_stored(desk: Desk, name: str) -> None:
    desk.tell(text("Before", peer=EVE), *told(HOSTILE[name]), text("After", peer=EVE, at=NOON + 1))

    chat = Chat.objects.get(contact__push_name="Eve")
    assert list(chat.messages.order_by("timestamp").values_list("body", flat=True)) == ["Before", "After"]


def test_messages_with_overlong_ids_are_stored_once_each_and_can_be_read(desk: Desk) -> None:
    ids = ["A" * 500 + str(number) for number in range(3)]
    for _ in range(2):
        desk.tell(*(event for wa_id in ids for event in told(raw.message(ID=wa_id))))
    assert Message.objects.count() == 3

    event = raw.receipt_of(raw.receipt(*ids, kind=5))
    desk.tell(event)

    assert desk.chat().unread_count == 0


def test_a_hostile_receipt_is_kept_without_harm(desk: Desk) -> None:
    desk.tell(raw.receipt_of(raw.receipt("A\0B", "C" * 3000, kind=4)), text("After"))

    assert desk.bodies() == ["After"]
    assert EarlyReceipt.objects.count() == 2


# -- cost ------------------------------------------------------------------------------------------------------------
def queries(action: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        action()
    return len(captured)


def test_a_hundred_messages_of_a_chat_cost_as_many_queries_as_one(desk: Desk) -> None:
    desk.tell(text("Known"))

    one = queries(lambda: desk.tell(text("One")))
    hundred = queries(lambda: desk.tell(*(text(f"Number {number}") for number in range(100))))

    assert hundred == one
    assert one <= 14


def test_known_people_in_many_chats_cost_no_more_than_one(desk: Desk) -> None:
    people = [Person(pn=f"49155600000{number:02}") for number in range(20)]
    desk.tell(*(text(f"Known {who.pn}", peer=who) for who in people))

    one = queries(lambda: desk.tell(text("One", peer=people[0])))
    many = queries(lambda: desk.tell(*(text(f"New {who.pn}", peer=who) for who in people)))

    # The chats' new previews are one statement each, sent together.
    assert many <= one + len(people)


def test_the_number_itself_may_write_to_itself(desk: Desk) -> None:
    desk.tell(text("Note to self", peer=Person(pn=SHOP), from_me=True))

    assert desk.chat().jid == f"{SHOP}@s.whatsapp.net"
