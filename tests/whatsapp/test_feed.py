"""Reading the event log over REST and the live WebSocket: in order, from a cursor, and only what one may hear of."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import Membership
from accounts.permissions import SYSTEM, Rights
from config.asgi import application
from tenants.context import arun_in, run_in
from tenants.models import Company
from tests.accounts.races import in_its_own_connection
from tests.people import Person, client_for
from tests.product import free_port
from tests.sockets import Socket
from tests.waiting import eventually
from tests.whatsapp.desk import Desk, text
from whatsapp import consumers, live
from whatsapp.catalogue import KINDS, page
from whatsapp.models import Event, ManagerAccess
from whatsapp.services import access, feed
from whatsapp.tasks import forget_events

pytestmark = pytest.mark.django_db

PATH = "/api/whatsapp/events"


def ask(client: APIClient, **query: Any) -> Any:
    return client.get(PATH, query).json()


def kinds(answer: Any) -> list[str]:
    return [event["type"] for event in answer["data"]["events"]]


def bodies(answer: Any) -> list[str]:
    return [event["data"]["message"]["body"] for event in answer["data"]["events"] if event["type"] == "message.new"]


# -- reading -------------------------------------------------------------------------------------------------------
def test_events_are_read_in_order_from_where_one_stopped(desk: Desk, acme_admin: Person) -> None:
    client = client_for(acme_admin)
    desk.tell(text("one"), text("two"))
    cursor = ask(client)["data"]["next"]
    desk.tell(text("three"))

    later = ask(client, after=cursor)

    assert bodies(later) == ["three"]
    assert ask(client, after=later["data"]["next"])["data"]["events"] == []


def test_an_event_says_what_it_is_about(desk: Desk, acme_admin: Person) -> None:
    desk.tell(text("one"))
    event = ask(client_for(acme_admin), types="message.new")["data"]["events"][0]

    assert set(event) == {
        "id", "type", "schemaVersion", "companyId", "sessionId", "seq", "cursor", "accountId", "chatId", "happenedAt",
        "recordedAt", "data",
    }  # fmt: skip
    assert (event["sessionId"], event["chatId"]) == (desk.session_id, desk.chat().pk)
    assert set(event["data"]) == set(KINDS["message.new"].data)


def test_pages_of_events_join_without_a_hole(desk: Desk, acme_admin: Person) -> None:
    client, seen, cursor = client_for(acme_admin), [], "0"
    desk.tell(*(text(f"message {number}") for number in range(10)))
    while True:
        answer = ask(client, after=cursor, limit=3)
        seen += [event["cursor"] for event in answer["data"]["events"]]
        cursor = answer["data"]["next"]
        if not answer["data"]["hasMore"]:
            break

    assert seen == [str(number) for number in range(1, len(seen) + 1)]
    assert len(seen) == Event.objects.count()


def test_kinds_and_sessions_can_be_chosen(acme: Company, desk: Desk, acme_admin: Person) -> None:
    other = Desk.open(acme, number="4915550000002", name="Second")
    desk.tell(text("here"))
    other.tell(text("there"))
    client = client_for(acme_admin)

    assert bodies(ask(client, session=other.session_id)) == ["there"]
    assert set(kinds(ask(client, types="message.new,message.status"))) == {"message.new"}


def test_from_now_on_means_nothing_of_before(desk: Desk, acme_admin: Person) -> None:
    client = client_for(acme_admin)
    desk.tell(text("before"))
    now = ask(client, after="now")["data"]
    desk.tell(text("after"))

    assert now["events"] == []
    assert bodies(ask(client, after=now["next"])) == ["after"]


def test_a_cursor_moves_past_what_one_may_not_hear(acme: Company, desk: Desk, acme_manager: Person) -> None:
    desk.tell(text("not for you"))
    answer = ask(client_for(acme_manager))["data"]

    assert answer["events"] == []
    assert int(answer["next"]) == feed.top()


@pytest.mark.parametrize(
    "query",
    [{"after": "-1"}, {"after": "x"}, {"after": "9" * 30}, {"limit": 0}, {"limit": 1001}, {"wait": 31}, {"types": "x"}],
)
def test_a_question_that_makes_no_sense_is_refused(desk: Desk, acme_admin: Person, query: dict[str, Any]) -> None:
    answer = client_for(acme_admin).get(PATH, query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_cursor_from_elsewhere_is_refused(desk: Desk, acme_admin: Person) -> None:
    answer = client_for(acme_admin).get(PATH, {"after": "1000000"})

    assert (answer.status_code, answer.json()["code"], answer.json()["last"]) == (400, "cursor_ahead", feed.top())


# -- rights --------------------------------------------------------------------------------------------------------
def test_who_may_not_read_chats_hears_of_the_session_alone(acme: Company, desk: Desk, acme_manager: Person) -> None:
    rights: dict[str, Any] = {"session_id": desk.session_id, "manager_id": acme_manager.user.pk, "by": SYSTEM}
    access.grant(company=acme, rights=Rights(can_write=True), **rights)
    desk.tell(text("one"))
    client = client_for(acme_manager)

    assert set(kinds(ask(client))) == {"session.changed", "access.changed"}
    access.grant(company=acme, rights=Rights(can_read=True), **rights)
    assert bodies(ask(client)) == ["one"]
    access.revoke(company=acme, session_id=desk.session_id, manager_id=acme_manager.user.pk, by=SYSTEM)
    assert set(kinds(ask(client))) == {"access.changed"}


def test_another_companys_events_are_not_there(desk: Desk, globex_admin: Person) -> None:
    desk.tell(text("one"))

    assert ask(client_for(globex_admin))["data"]["events"] == []


# -- keeping -------------------------------------------------------------------------------------------------------
def test_what_is_old_goes_and_a_cursor_from_before_is_told_so(
    desk: Desk, acme_admin: Person, settings: Settings
) -> None:
    settings.EVENT_DAYS = 7
    desk.tell(text("old"))
    Event.objects.update(recorded_at=timezone.now() - timedelta(days=8))
    last_old = feed.top()
    desk.tell(text("new"))

    forget_events(0)

    client = client_for(acme_admin)
    assert bodies(ask(client)) == ["new"]
    assert bodies(ask(client, after=last_old)) == ["new"]
    refused = client.get(PATH, {"after": "0"})
    assert (refused.status_code, refused.json()["code"], refused.json()["oldest"]) == (410, "cursor_too_old", last_old)


def test_a_log_that_has_all_gone_still_knows_where_it_stands(desk: Desk, acme_admin: Person) -> None:
    Event.objects.update(recorded_at=timezone.now() - timedelta(days=999))
    last = feed.top()
    forget_events(0)
    client = client_for(acme_admin)

    assert ask(client)["data"] == {"events": [], "next": str(last), "hasMore": False, "keptDays": 30}
    assert ask(client, after="0")["code"] == "cursor_too_old"


# -- as it happens -------------------------------------------------------------------------------------------------
def tell_who_waits(company: Company, person: Person, *, heard: Callable[[], bool] | None = None) -> Any:
    """What somebody is answered who waits while something happens; `heard`: not before that."""
    desk = run_in(company, Desk.open, company)
    client, told = client_for(person), []
    cursor = ask(client, after="now")["data"]["next"]
    waiting = Thread(target=in_its_own_connection, args=[lambda: told.append(ask(client, after=cursor, wait=30))])
    waiting.start()
    if heard:
        eventually(heard, what="somebody waits")
    run_in(company, desk.tell, text("at last"))
    waiting.join(20)
    assert told, "nothing was told before the wait was over"
    return told[0]


def listeners(company: Company) -> int:
    """Of the company's log, in Valkey."""
    with redis.from_url(settings.REDIS_URL) as valkey:
        ((_, count),) = valkey.pubsub_numsub(live.log_channel(company.schema_name))
    return int(count)


@pytest.mark.django_db(transaction=True)
def test_who_waits_is_told_as_soon_as_something_happens(
    acme: Company, acme_admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody looks by themselves.
    monkeypatch.setattr(feed, "LOOK_SECONDS", 60.0)

    answer = tell_who_waits(acme, acme_admin, heard=lambda: listeners(acme) == 1)

    assert bodies(answer) == ["at last"]
    eventually(lambda: listeners(acme) == 0, what="who was told listens no more")


@pytest.mark.django_db(transaction=True)
def test_who_waits_is_told_also_while_valkey_is_away(
    acme: Company, acme_admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://127.0.0.1:{free_port()}")

    assert bodies(tell_who_waits(acme, acme_admin)) == ["at last"]


@pytest.mark.django_db(transaction=True)
def test_who_waits_in_vain_is_told_so_in_time(acme: Company, acme_admin: Person) -> None:
    client = client_for(acme_admin)
    cursor = ask(client, after="now")["data"]["next"]

    assert ask(client, after=cursor, wait=0.3)["data"] == {
        "events": [], "next": cursor, "hasMore": False, "keptDays": settings.EVENT_DAYS,
    }  # fmt: skip


async def resumed(socket: Socket) -> list[Any]:
    told = []
    while (message := await socket.receive())["type"] != "resumed":
        told.append(message)
    return [*told, message]


@pytest.mark.django_db(transaction=True)
async def test_a_socket_goes_on_where_it_stopped(acme: Company, acme_admin: Person) -> None:
    desk = await arun_in(acme, Desk.open, acme)
    await arun_in(acme, desk.tell, text("heard"))
    cursor = str(await arun_in(acme, feed.top))
    await arun_in(acme, desk.tell, text("missed"))
    socket = Socket(application, "/ws/whatsapp/")
    await socket.connect()
    await socket.send({"type": "auth", "token": acme_admin.token})
    assert (await socket.receive())["type"] == "snapshot"

    await socket.send({"type": "resume", "after": cursor})
    missed, end = await resumed(socket)
    await arun_in(acme, desk.tell, text("live"))
    live = await socket.receive()

    assert (missed["type"], missed["message"]["body"]) == ("message.new", "missed")
    assert end["next"] == missed["event"]["cursor"]
    assert live["message"]["body"] == "live"
    assert int(live["event"]["cursor"]) == int(end["next"]) + 1
    await socket.disconnect()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["grant", "membership"])
async def test_a_replay_ends_with_the_rights_to_it(
    acme: Company, acme_manager: Person, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Taken away while it lasts, after the first of many pages."""
    desk = await arun_in(acme, Desk.open, acme)
    given: Any = {"company": acme, "session_id": desk.session_id, "manager_id": acme_manager.user.pk, "by": SYSTEM}
    await arun_in(acme, access.grant, rights=Rights(can_read=True), **given)
    before = str(await arun_in(acme, feed.top))
    await arun_in(acme, lambda: [desk.tell(text(f"text {number}")) for number in range(5)])
    monkeypatch.setattr(consumers, "REPLAYED_AT_ONCE", 1)
    read = feed.read

    def read_and_lose(**words: Any) -> feed.Stretch:
        found = read(**words)
        if what == "membership":
            Membership.objects.filter(user=acme_manager.user).delete()
        else:
            ManagerAccess.objects.all().delete()
        return found

    socket = Socket(application, "/ws/whatsapp/")
    await socket.connect()
    await socket.send({"type": "auth", "token": acme_manager.token})
    assert (await socket.receive())["type"] == "snapshot"
    monkeypatch.setattr(feed, "read", read_and_lose)
    await socket.send({"type": "resume", "after": before})

    told = [await socket.receive(), await socket.receive()]
    assert [message["type"] for message in told] == ["message.new", "error" if what == "membership" else "resumed"]
    if what == "membership":
        assert await socket.closed() == 4401
    else:
        await socket.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_a_socket_without_a_cursor_that_makes_sense_is_told_so(acme: Company, acme_admin: Person) -> None:
    socket = Socket(application, "/ws/whatsapp/")
    await socket.connect()
    await socket.send({"type": "auth", "token": acme_admin.token})
    await socket.receive()
    for after, code in ((None, "bad_message"), (-1, "bad_message"), ("x", "bad_message"), ("5000", "cursor_ahead")):
        await socket.send({"type": "resume", "after": after})
        assert (await socket.receive())["code"] == code
    await socket.disconnect()


# -- the page ------------------------------------------------------------------------------------------------------
def test_the_documented_catalogue_is_the_real_one() -> None:
    assert page() in (Path(__file__).parents[2] / "docs" / "events.md").read_text()


def test_every_kind_that_is_told_is_in_the_catalogue() -> None:
    folder = Path(__file__).parents[2] / "whatsapp" / "services"
    code = "".join(path.read_text() for path in folder.glob("*.py"))

    assert [name for name in KINDS if f'"{name}"' not in code] == []
