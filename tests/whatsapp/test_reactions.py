"""What people put on messages is kept by whoever put it, shown at its message, and cannot be lost on the way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tenants.context import run_in
from tests.conftest import ApiClients
from tests.engine.events import e2e
from tests.pages.conftest import at_browser
from tests.people import Person as Somebody
from tests.waiting import eventually
from tests.whatsapp.desk import BOB, BOB_BY_LID, BOB_BY_NUMBER, EVE, GROUP, NOON, SHOP, Desk, text
from tests.whatsapp.harbour import Harbour
from whatsapp import live
from whatsapp.engine.port import Person, ReactionReceived
from whatsapp.models import Chat, Message, Reaction
from whatsapp.services.reactions import reactions_to

pytestmark = pytest.mark.django_db


def reacts(
    emoji: str,
    to: str = "IN-Hello",
    *,
    at: float = NOON + 1,
    peer: Person = BOB,
    sender: Person | None = None,
    group: str = "",
    from_me: bool = False,
) -> ReactionReceived:
    who = Person(pn=SHOP) if from_me else peer if sender is None else sender
    return ReactionReceived(to, at, from_me, group, Person() if group else peer, who, emoji)


def on_show() -> list[tuple[str, str]]:
    """Each with whose it is, at the only message."""
    found = reactions_to(Message.objects.all())
    return [(each.emoji, each.contact.label if each.contact else "ours") for rows in found.values() for each in rows]


def test_a_reaction_stands_at_its_message_and_is_no_message(desk: Desk) -> None:
    desk.tell(text("Hello"), reacts("👍"), reacts("🎉", from_me=True, at=NOON + 2))

    assert on_show() == [("👍", "Bob"), ("🎉", "ours")]
    assert (Message.objects.count(), desk.chat().unread_count) == (1, 1)
    assert Reaction.objects.get(emoji="👍").at == datetime.fromtimestamp(NOON + 1, UTC)


def test_everybody_has_one_and_may_take_it_back(desk: Desk) -> None:
    desk.tell(text("Hello"), reacts("👍"), reacts("😮", at=NOON + 2))
    assert on_show() == [("😮", "Bob")]

    desk.tell(reacts("", at=NOON + 3))

    assert on_show() == []


def test_what_is_told_again_later_changes_nothing(desk: Desk) -> None:
    """WhatsApp delivers again after a lost connection, and not always in order."""
    desk.tell(text("Hello"), reacts("👍"), reacts("", at=NOON + 2))

    desk.tell(reacts("👍"))

    assert on_show() == []


def test_a_reaction_may_come_before_its_message(desk: Desk) -> None:
    desk.tell(reacts("👍"))
    assert on_show() == []

    desk.tell(text("Hello"))

    assert on_show() == [("👍", "Bob")]


def test_the_same_id_in_another_chat_is_another_message(desk: Desk) -> None:
    desk.tell(text("Hello"), reacts("👎", peer=EVE))

    assert on_show() == []


def test_in_a_group_each_has_their_own_and_nobodys_is_not_ours(desk: Desk) -> None:
    in_group: dict[str, Any] = {"group": GROUP, "to": "IN-Hello"}
    desk.tell(text("Hello", group=GROUP, sender=BOB), reacts("👍", sender=BOB, **in_group))
    desk.tell(reacts("🎉", sender=EVE, at=NOON + 2, **in_group), reacts("👀", sender=Person(), **in_group))

    assert on_show() == [("👍", "Bob"), ("🎉", "Eve")]


@pytest.mark.parametrize(("first", "second"), [(BOB_BY_LID, BOB_BY_NUMBER), (BOB_BY_NUMBER, BOB_BY_LID)])
def test_two_names_that_turn_out_to_be_one_person_keep_the_newer_of_two(
    desk: Desk, first: Person, second: Person
) -> None:
    for peer, emoji, at in ((first, "👍", 1), (second, "😮", 2)):
        desk.tell(text("Hello", peer=peer), reacts(emoji, peer=peer, at=NOON + at))
        desk.tell(reacts("🎉", peer=peer, from_me=True, at=NOON + at + 2))

    desk.tell(text("It is me", peer=BOB, at=NOON + 9))

    assert Chat.objects.count() == 1
    assert sorted(on_show()) == [("🎉", "ours"), ("😮", "Bob")]


def test_the_api_shows_reactions_with_their_message(desk: Desk, api: ApiClients, acme_admin: Somebody) -> None:
    desk.tell(text("Hello"), reacts("👍"), text("And you?", at=NOON + 2))
    row = Message.objects.get(body="Hello")
    here = f"/api/whatsapp/sessions/{desk.session_id}"

    listed = api(acme_admin).get(f"{here}/chats/{row.chat_id}/messages").json()["data"]["messages"]
    shown = api(acme_admin).get(f"{here}/messages/{row.pk}").json()["data"]

    thumb = {
        "emoji": "👍", "fromMe": False, "name": "Bob", "at": "2026-01-01T12:00:01.000Z",
        "status": None, "errorCode": None,
    }  # fmt: skip
    assert [message["reactions"] for message in listed] == [[thumb], []]
    assert shown["reactions"] == [thumb]


def test_a_conversation_shows_who_reacted_with_what(desk: Desk, acme_admin: Somebody) -> None:
    desk.tell(text("Hello"), reacts("👍"), reacts("🎉", from_me=True, at=NOON + 2))
    row = Message.objects.get()
    here = f"/sessions/{desk.session_id}/chats/{row.chat_id}"

    for path in (here, f"{here}/messages/{row.pk}"):
        page = at_browser(acme_admin).get(path).content.decode()
        assert '<li title="Bob">👍<span class="unseen"> Bob</span></li>' in page
        assert '<li title="You">🎉<span class="unseen"> You</span></li>' in page


def test_those_who_look_are_told_how_the_message_stands(desk: Desk, hints: list[live.Hint]) -> None:
    desk.tell(text("Hello"), reacts("👍"), reacts("👍"), reacts("", at=NOON + 2))

    news = [hint.payload for hint in hints if hint.kind == "message.reaction"]
    assert [[each["emoji"] for each in payload["reactions"]] for payload in news] == [["👍"], []]
    assert {payload["id"] for payload in news} == {Message.objects.get().pk}


@pytest.mark.django_db(transaction=True)
def test_real_phones_react_and_a_restart_loses_nothing(harbour: Harbour) -> None:
    def put(who: Any, on: Any, emoji: str) -> None:
        key = {"ID": message.wa_id, "fromMe": False}
        content = e2e.Message(reactionMessage={"key": key, "text": emoji})
        harbour.wa.send_message(who, on, content, stanza_type="reaction")

    def shown() -> list[str]:
        rows = harbour.run(lambda: list(Reaction.objects.exclude(emoji="").order_by("at", "pk")))
        return [row.emoji for row in rows]

    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    harbour.linked(shop)
    harbour.wa.send_text(bob, shop, "Are you open?")
    message = harbour.received("Are you open?")

    put(bob, shop, "👍")
    eventually(lambda: shown() == ["👍"], what="the reaction is stored")
    harbour.restart_worker()
    put(shop, bob, "🎉")
    put(bob, shop, "")

    eventually(lambda: shown() == ["🎉"], what="one more from the own phone, and one taken back")
    assert run_in(harbour.company, Message.objects.count) == 1
