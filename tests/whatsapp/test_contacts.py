"""Phone number and hidden identity are one person, in whichever order we learn of them."""

import itertools

import pytest

from tests.whatsapp.desk import BOB, BOB_BY_LID, BOB_BY_NUMBER, EVE, GROUP, NOON, Desk, text, unreadable
from whatsapp.engine.port import MessageReceived, Person
from whatsapp.models import Chat, Contact, Message, MessageStatus
from whatsapp.services.contacts import Identity, resolve

pytestmark = pytest.mark.django_db

NAMINGS = {"number": BOB_BY_NUMBER, "hidden identity": BOB_BY_LID, "both": BOB}
ORDERS = list(itertools.permutations(NAMINGS))


def told_as(*namings: str) -> list[MessageReceived]:
    return [text(f"{n} {name}", at=NOON + n, peer=NAMINGS[name]) for n, name in enumerate(namings)]


def check_is_one_person(desk: Desk, events: list[MessageReceived]) -> None:
    bob, chat = Contact.objects.get(), desk.chat()
    assert (bob.phone_number, bob.lid, bob.push_name) == (BOB.pn, BOB.lid, "Bob")
    assert desk.bodies() == [event.text for event in events]
    assert set(Message.objects.values_list("sender", "chat")) == {(bob.pk, chat.pk)}
    assert (chat.unread_count, chat.last_message_text) == (len(events), events[-1].text)


@pytest.mark.parametrize("order", ORDERS)
def test_one_person_whatever_is_learnt_first(desk: Desk, order: tuple[str, ...]) -> None:
    events = told_as(*order)

    for event in events:
        desk.tell(event)

    check_is_one_person(desk, events)


@pytest.mark.parametrize("order", ORDERS)
def test_one_person_when_all_comes_in_one_batch(desk: Desk, order: tuple[str, ...]) -> None:
    events = told_as(*order)

    desk.tell(*events)

    check_is_one_person(desk, events)


def test_two_contacts_that_turn_out_to_be_one_become_one_with_all_their_messages(desk: Desk) -> None:
    desk.tell(text("By number", peer=BOB_BY_NUMBER, at=NOON), text("By LID", peer=BOB_BY_LID, at=NOON + 1))
    assert Chat.objects.count() == 2

    desk.tell(text("Both", at=NOON - 1))

    assert desk.bodies() == ["Both", "By number", "By LID"]
    assert (desk.chat().unread_count, desk.chat().last_message_text) == (3, "By LID")


def test_a_message_that_stands_in_both_chats_is_kept_once(desk: Desk) -> None:
    desk.tell(text("Twice", peer=BOB_BY_NUMBER), text("Twice", peer=BOB_BY_LID), text("Once", peer=BOB_BY_LID))

    desk.tell(text("Now we know", at=NOON + 9))

    assert sorted(desk.bodies()) == ["Now we know", "Once", "Twice"]
    assert desk.chat().unread_count == 3


def test_of_two_copies_the_one_that_could_be_read_is_kept(desk: Desk) -> None:
    desk.tell(unreadable("A", peer=BOB_BY_NUMBER), text("Readable", wa_id="A", peer=BOB_BY_LID))

    desk.tell(text("Now we know"))

    assert sorted(desk.bodies()) == ["Now we know", "Readable"]
    assert not Message.objects.filter(status=MessageStatus.UNREADABLE).exists()


def test_what_was_read_in_one_chat_stays_read_in_the_common_one(desk: Desk) -> None:
    desk.tell(text("Read", peer=BOB_BY_NUMBER), text("Unread", peer=BOB_BY_LID))
    Message.objects.filter(body="Read").update(is_read=True)

    desk.tell(text("Now we know"))

    assert desk.chat().unread_count == 2


def test_our_own_messages_in_both_chats_come_together(desk: Desk) -> None:
    ours = [text("Ours", peer=peer, from_me=True) for peer in (BOB_BY_NUMBER, BOB_BY_LID)]
    desk.tell(*ours, text("Theirs", wa_id="IN-Ours", peer=BOB_BY_LID))

    desk.tell(text("Now we know"))

    assert sorted(desk.bodies()) == ["Now we know", "Ours", "Theirs"]


def test_a_member_of_a_group_under_two_names_becomes_one_sender(desk: Desk) -> None:
    twice = [text("Twice", group=GROUP, sender=sender) for sender in (BOB_BY_NUMBER, BOB_BY_LID)]
    desk.tell(*twice, text("Eve's", group=GROUP, sender=EVE))

    desk.tell(text("Bob's own chat"))

    group = Chat.objects.get(group_jid=GROUP)
    assert sorted(group.messages.values_list("body", "sender__push_name")) == [("Eve's", "Eve"), ("Twice", "Bob")]
    assert group.unread_count == 2


def test_a_chat_that_only_one_of_the_two_had_stays_the_same_chat(desk: Desk) -> None:
    desk.tell(text("By LID", peer=BOB_BY_LID), text("In a group", group=GROUP, sender=BOB_BY_NUMBER))
    before = Chat.objects.get(contact__lid=BOB.lid)

    desk.tell(text("Both"))

    assert Chat.objects.get(contact__phone_number=BOB.pn).pk == before.pk


def test_whoever_changes_their_number_stays_the_same_person_and_is_written_to_there(desk: Desk) -> None:
    new = Person(pn="4915550000077", lid=BOB.lid, name="Bob")
    desk.tell(text("Old number"))

    desk.tell(text("New number", peer=new))

    assert desk.chat().jid == f"{new.pn}@s.whatsapp.net"
    assert sorted(desk.bodies()) == ["New number", "Old number"]


def test_two_people_stay_two(desk: Desk) -> None:
    desk.tell(text("Bob's"), text("Eve's", peer=EVE))

    assert sorted(Chat.objects.values_list("contact__push_name", "last_message_text")) == [
        ("Bob", "Bob's"),
        ("Eve", "Eve's"),
    ]


def test_a_name_is_kept_until_there_is_a_newer_one(desk: Desk) -> None:
    desk.tell(text("One"), text("Two", peer=Person(pn=BOB.pn)))
    assert Contact.objects.get().push_name == "Bob"

    desk.tell(text("Three", peer=Person(pn=BOB.pn, name="Robert" * 40)))

    assert Contact.objects.get().push_name == ("Robert" * 40)[:120]


def test_nobody_in_particular_is_no_contact(desk: Desk) -> None:
    account = desk.session.account
    assert account is not None

    assert resolve(account, [Identity(name="Nobody")]) == {}
    assert not Contact.objects.exists()
