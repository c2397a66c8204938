"""Reading: chats newest first, messages by pages, and what was read counts as read for everybody."""

from typing import Any

import pytest

from accounts.models import Role
from accounts.permissions import SYSTEM, Actor, Rights
from tenants.context import run_in
from tenants.models import Company
from tests.people import make_person
from tests.whatsapp.desk import BOB, EVE, GROUP, NOON, Desk, text
from whatsapp.engine.port import Person
from whatsapp.errors import ChatNotFound, ReadingDenied, SessionNotFound
from whatsapp.models import Message
from whatsapp.services import access, chats
from whatsapp.services.chats import ChatFilter

pytestmark = pytest.mark.django_db


def reader(desk: Desk, **rights: bool) -> Actor:
    """A manager with a grant on the desk's session."""
    person = make_person(desk.company, Role.MANAGER)
    given = Rights(**{"can_read": True, **rights})
    access.grant(company=desk.company, session_id=desk.session_id, manager_id=person.user.pk, rights=given, by=SYSTEM)
    return person.actor


def labels(desk: Desk, **options: Any) -> list[str]:
    rows, _ = chats.list_chats(session_id=desk.session_id, by=SYSTEM, chat_filter=ChatFilter(**options))
    return [chat.label for chat, _ in rows]


def pages(desk: Desk, by: Actor = SYSTEM, limit: int = 50) -> list[list[str]]:
    """All pages of the only chat."""
    options = {"company": desk.company, "session_id": desk.session_id, "chat_id": desk.chat().pk, "by": by}
    _, _, first = chats.list_messages(limit=limit, **options)  # type: ignore[arg-type]
    numbers = range(1, first.pages + 2)
    listed = (chats.list_messages(number=n, limit=limit, **options)[1] for n in numbers)  # type: ignore[arg-type]
    return [[row.body for row in rows] for rows in listed]


def mark_read(desk: Desk) -> int:
    marked, chat = chats.mark_read(company=desk.company, session_id=desk.session_id, chat_id=desk.chat().pk, by=SYSTEM)
    assert chat.unread_count == 0
    return marked


def test_chats_come_newest_first_with_their_numbers_of_messages(desk: Desk) -> None:
    desk.tell(text("One"), text("Two", at=NOON + 1), text("Eve's", at=NOON + 2, peer=EVE))
    desk.tell(text("Old", at=NOON - 5, peer=Person(pn="4915550000077", name="Old")))

    rows, page = chats.list_chats(session_id=desk.session_id, by=SYSTEM)

    assert [(chat.label, total) for chat, total in rows] == [("Eve", 1), ("Bob", 2), ("Old", 1)]
    assert (page.total, page.pages) == (3, 1)


def test_groups_are_shown_when_they_are_asked_for(desk: Desk) -> None:
    desk.tell(text("Bob's"), text("All's", group=GROUP, sender=EVE, at=NOON + 1))

    assert labels(desk) == ["Bob"]
    assert labels(desk, include_groups=True) == labels(desk, chat_type="all") == [GROUP, "Bob"]
    assert labels(desk, chat_type="group") == [GROUP]


@pytest.mark.parametrize(
    ("search", "found"),
    [("bo", ["Bob"]), ("+49155500000", ["Eve", "Bob"]), (BOB.pn[-4:], ["Bob"]), ("%", []), ("'; --", []), ("x", [])],
)
def test_people_are_found_by_name_and_number(desk: Desk, search: str, found: list[str]) -> None:
    desk.tell(text("Bob's"), text("Eve's", peer=EVE, at=NOON + 1))

    assert labels(desk, search=search) == found


def test_pages_count_from_the_newest_and_read_from_the_oldest(desk: Desk) -> None:
    desk.tell(*(text(str(number), at=NOON + number) for number in range(5)))

    assert pages(desk, limit=2) == [["3", "4"], ["1", "2"], ["0"], []]


def test_messages_of_one_second_keep_their_order_over_pages(desk: Desk) -> None:
    desk.tell(*(text(str(number)) for number in range(6)))

    assert pages(desk, limit=4) == [["2", "3", "4", "5"], ["0", "1"], []]


def test_a_manager_who_reads_has_read_and_an_admin_only_looks(desk: Desk) -> None:
    desk.tell(text("One"), text("Two"))

    pages(desk, by=SYSTEM)
    assert desk.chat().unread_count == 2
    pages(desk, by=reader(desk))

    assert desk.chat().unread_count == 0
    assert not Message.objects.filter(is_read=False).exists()


def test_marking_as_read_counts_what_was_unread_and_is_harmless_twice(desk: Desk) -> None:
    desk.tell(text("One"), text("Two"), text("Ours", from_me=True))

    assert [mark_read(desk), mark_read(desk)] == [2, 0]
    desk.tell(text("Three"))
    assert desk.chat().unread_count == 1


def test_whoever_may_not_read_does_not(desk: Desk, globex: Company) -> None:
    desk.tell(text("Private"))
    stranger = make_person(desk.company, Role.MANAGER).actor
    writer = reader(desk, can_read=False, can_write=True)

    for by in (stranger, writer):
        with pytest.raises(ReadingDenied):
            chats.list_chats(session_id=desk.session_id, by=by)
        with pytest.raises(ReadingDenied):
            pages(desk, by=by)
    with pytest.raises(SessionNotFound):
        run_in(globex, chats.list_chats, session_id=desk.session_id, by=SYSTEM)


def test_a_session_that_was_never_linked_has_no_chats(acme: Company, desk: Desk) -> None:
    desk.tell(text("Bob's"))
    fresh = Desk.unlinked(acme, "Second")

    assert labels(fresh) == []
    with pytest.raises(ChatNotFound):
        chats.mark_read(company=acme, session_id=fresh.session_id, chat_id=desk.chat().pk, by=SYSTEM)
