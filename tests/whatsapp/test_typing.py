"""Who is writing is told both ways to those who may read, for a moment; a number is online only while it must be."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet import hints
from fleet.hints import Hint
from tenants.models import Company
from tests.conftest import ApiClients
from tests.pages.conftest import at_browser
from tests.people import Person as Somebody
from tests.waiting import eventually
from tests.whatsapp.desk import BOB, BOB_BY_LID, BOB_BY_NUMBER, EVE, GROUP, Desk, text
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import Harbour
from whatsapp import live
from whatsapp.engine.port import BePresent, Person, SendTyping, TypingSeen
from whatsapp.models import Chat, Message
from whatsapp.services import typing
from whatsapp.socketio.events import Teller
from whatsapp.worker import attention, run
from whatsapp.worker.attention import Attention

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was told of typing."""
    news: list[dict[str, Any]] = []

    def publish(*hints: live.Hint) -> None:
        news.extend({**hint.payload, "group": hint.group} for hint in hints if hint.kind == "chat.typing")

    monkeypatch.setattr(live, "publish", publish)
    return news


def tell(desk: Desk, who: Person = BOB, *, group: str = "", is_typing: bool = True) -> None:
    event = TypingSeen(group, Person() if group else who, who, is_typing)
    typing.tell(company=desk.company, session_id=desk.session_id, events=[event])


# -- what comes in -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", [BOB, BOB_BY_NUMBER, BOB_BY_LID, Person(lid=BOB.lid)])
def test_a_contact_is_known_by_either_name(
    desk: Desk, told: list[Any], who: Person, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    desk.tell(text("Hello"))

    with django_capture_on_commit_callbacks(execute=True):
        tell(desk, who)
        tell(desk, who, is_typing=False)

    assert [news["isTyping"] for news in told] == [True, False]
    expected = {"sessionId": desk.session_id, "chatId": desk.chat().pk, "name": "Bob"}
    assert {key: told[0][key] for key in expected} == expected
    assert told[0]["participantId"] == f"{BOB.pn}@c.us"
    assert told[0]["group"] == live.chats_group(desk.company, desk.session_id)


def test_in_a_group_it_is_said_who_writes(
    desk: Desk, told: list[Any], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    desk.tell(text("Hello", group=GROUP, sender=BOB))

    with django_capture_on_commit_callbacks(execute=True):
        tell(desk, Person(lid=BOB.lid), group=GROUP)
        tell(desk, EVE, group=GROUP)

    assert [(news["name"], news["participantId"]) for news in told] == [("Bob", f"{BOB.pn}@c.us"), ("", "")]


def test_of_a_chat_that_is_not_here_nobody_is_told_and_nothing_is_kept(
    desk: Desk, told: list[Any], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tell(desk, EVE)
        tell(desk, Person())
        tell(desk, EVE, group=GROUP)

    assert told == []
    assert not Chat.objects.exists()


def test_socket_io_has_it_under_the_older_name_where_it_was_joined(desk: Desk) -> None:
    desk.tell(text("Hello"))
    teller = Teller(aliases=False)
    news = typing._news(desk.session, desk.chat(), TypingSeen("", BOB, BOB, True))

    assert list(teller.tell("chat.typing", news)) == []
    teller.joined.add(desk.session_id)
    ((event, content),) = teller.tell("chat.typing", news)

    assert event == "typing-status"
    assert set(content) == {"sessionId", "chatId", "isTyping", "participantId", "timestamp"}


# -- what goes out -----------------------------------------------------------------------------------------------------
@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    found: list[Hint] = []
    monkeypatch.setattr(hints, "give", found.append)
    return found


def test_the_api_and_the_pages_pass_it_on_with_the_chats_address(
    desk: Desk, given: list[Hint], api: ApiClients, acme_admin: Somebody
) -> None:
    desk.tell(text("Hello"))
    chat, bob = f"sessions/{desk.session_id}/chats/{desk.chat().pk}", f"{BOB.pn}@s.whatsapp.net"
    for is_typing in (True, False):
        answer = api(acme_admin).post(f"/api/whatsapp/{chat}/typing", {"typing": is_typing}, format="json")
        assert answer.json() == {"success": True}
        form = {"typing": "true" if is_typing else "false"}
        assert at_browser(acme_admin).post(f"/{chat}/typing", form).status_code == 302
    assert api(acme_admin).post(f"/api/whatsapp/{chat}/watching").json() == {"success": True}
    assert at_browser(acme_admin).post(f"/{chat}/watching").status_code == 302

    typed = [Hint(desk.session_id, bob, is_typing) for is_typing in (True, True, False, False)]
    assert given == [*typed, *[Hint(desk.session_id)] * 2]
    assert api(acme_admin).post(f"/api/whatsapp/{chat}/typing", {}, format="json").status_code == 400


def test_rubbish_on_the_channel_is_no_hint() -> None:
    assert hints.read('{"session_id": "a", "typing_in": "b", "is_typing": true}') == Hint("a", "b", True)
    for rubbish in ("", "[]", "7", "{}", '{"session_id": "a", "of_tomorrow": 1}'):
        assert hints.read(rubbish) is None


def test_whoever_types_on_is_told_of_now_and_then_and_who_begins_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    of_session, types, stops, looks = Attention(), Hint("s", "bob", True), Hint("s", "bob", False), Hint("s")

    told = [of_session.command_for(each) for each in (types, types, stops, types, looks, looks)]
    clock[0] += attention.AGAIN_SECONDS
    told += [of_session.command_for(types), of_session.command_for(looks)]

    typing_, paused, present = SendTyping("bob", True), SendTyping("bob", False), BePresent()
    assert told == [typing_, None, paused, typing_, present, None, typing_, present]


# -- with a worker -----------------------------------------------------------------------------------------------------
@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


@pytest.mark.django_db(transaction=True)
def test_the_owner_tells_its_engine_and_what_its_engine_hears(dock: Dock, told: list[Any]) -> None:
    dock.work()
    session_id = dock.connected()
    dock.engine.contact_writes(session_id, BOB.pn, "Hello")
    message = dock.received("Hello")
    chat = {"session_id": session_id, "chat_id": message.chat_id, "by": SYSTEM}

    dock.run(typing.show, is_typing=True, **chat)
    eventually(lambda: dock.engine.typed == [SendTyping(f"{BOB.pn}@s.whatsapp.net", True)], what="the chat is told")
    dock.run(typing.look, **chat)
    eventually(lambda: dock.engine.presences == 2, what="somebody is present")
    dock.engine.contact_types(session_id, BOB.pn)

    eventually(lambda: [news["chatId"] for news in told] == [message.chat_id], what="those who look are told")
    assert dock.run(Message.objects.count) == 1


@pytest.mark.django_db(transaction=True)
def test_real_phones_and_people_here_see_each_other_type_and_the_number_goes_offline_by_itself(
    harbour: Harbour, told: list[Any]
) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.wa.send_text(bob, shop, "Are you open?")
    chat = {"session_id": session_id, "chat_id": harbour.received("Are you open?").chat_id, "by": SYSTEM}
    (device,) = shop.companions.values()

    def shown(is_typing: bool) -> bool:
        harbour.run(typing.show, is_typing=is_typing, **chat)
        return bool(bob.typing) == is_typing

    def heard(is_typing: bool) -> bool:
        """Said again until it is heard: presence may not have been told yet."""
        if any(news["isTyping"] == is_typing and news["name"] == "Bob" for news in told):
            return True
        harbour.run(typing.look, **chat)
        harbour.wa.type(bob, shop, is_typing)
        return False

    def both_ways() -> None:
        for is_typing in (True, False):
            told.clear()
            eventually(lambda: shown(is_typing), what=f"the phone sees it: {is_typing}")  # noqa: B023
            eventually(lambda: heard(is_typing), what=f"people here see it: {is_typing}")  # noqa: B023

    assert not device.is_present
    both_ways()
    eventually(lambda: not device.is_present, what="nobody looks any more")
    harbour.restart_worker()
    eventually(lambda: device.is_online, what="back again")
    assert not device.is_present
    both_ways()
    assert harbour.run(Message.objects.count) == 1
