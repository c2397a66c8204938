"""What people look into: the log backwards, what an endpoint has before it, and an event as it was sent."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.errors import AdminsOnly
from accounts.permissions import SYSTEM
from tenants.models import Company
from tests.people import Person
from tests.whatsapp.desk import BOB, EVE, Desk, text
from wharf.networks import parse_networks
from whatsapp.errors import EventNotKept
from whatsapp.models import DeadLetter, Event, EventCounter, WebhookEndpoint, WebhookLane
from whatsapp.services import backlogs, batches, feed, webhooks
from whatsapp.services.backlogs import Backlog
from whatsapp.services.feed import Past, Wanted

pytestmark = pytest.mark.django_db

MESSAGES = Wanted(["message.new"])


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")


def bodies(past: Past) -> list[str]:
    return [row.data["message"]["body"] for row in past.events]


# -- the log backwards -------------------------------------------------------------------------------------------------
def test_the_newest_comes_first_and_pages_join_without_a_hole(desk: Desk) -> None:
    for number in range(7):
        desk.tell(text(str(number)))
    seen, before = list[str](), None

    while True:
        past = feed.look_back(by=SYSTEM, before=before, wanted=MESSAGES, limit=3)
        seen, before = seen + bodies(past), past.before
        if before is None:
            break

    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_what_came_after_a_cursor_alone(desk: Desk) -> None:
    desk.tell(text("old"))
    cursor = feed.look_back(by=SYSTEM).top
    desk.tell(text("new"), text("newest"))

    past = feed.look_back(by=SYSTEM, after=cursor, wanted=MESSAGES)

    assert (bodies(past), past.before) == (["newest", "new"], None)
    assert feed.look_back(by=SYSTEM, after=past.top).events == []


def test_what_is_rare_is_looked_for_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the log is, one look goes through so much of it; the next one goes on there."""
    desk.tell(text("long ago"))
    position = Event.objects.get(kind="message.new").position
    EventCounter.objects.filter(key="").update(value=position + 25)
    Event.objects.filter(kind="session.created").delete()
    monkeypatch.setattr(feed, "WINDOW", 10)

    first = feed.look_back(by=SYSTEM, wanted=MESSAGES)
    third = feed.look_back(by=SYSTEM, wanted=MESSAGES, before=position + 6)

    assert (first.events, first.before) == ([], position + 16)
    assert bodies(third) == ["long ago"]


def test_only_whoever_may_read_all_of_the_log_looks_back(desk: Desk, acme_manager: Person, acme_admin: Person) -> None:
    event = Event.objects.all()[0]

    assert feed.find(event.id, by=acme_admin.actor) == event
    assert feed.look_back(by=acme_admin.actor).events
    with pytest.raises(AdminsOnly):
        feed.look_back(by=acme_manager.actor)
    with pytest.raises(AdminsOnly):
        feed.find(event.id, by=acme_manager.actor)
    with pytest.raises(EventNotKept):
        feed.find("nothing", by=acme_admin.actor)


# -- what waits --------------------------------------------------------------------------------------------------------
def make(desk: Desk, **words: Any) -> WebhookEndpoint:
    return webhooks.create(company=desk.company, by=SYSTEM, url="http://127.0.0.1:9999/", **words)[0]


def backlog(row: WebhookEndpoint) -> Backlog:
    return backlogs.backlogs_of([webhooks.find(row.pk, by=SYSTEM)], by=SYSTEM)[row.pk]


def lane(row: WebhookEndpoint, cursor: int, **more: Any) -> None:
    WebhookLane.objects.create(key=f"{row.pk}.test", endpoint=row, cursor=cursor, **more)


def test_what_waits_is_what_the_endpoint_asks_for_and_has_not_taken(desk: Desk) -> None:
    everything, messages, settled = make(desk), make(desk, kinds=["message.new"]), make(desk)
    desk.tell(text("one"), text("two"))
    # A chat is made and changed with its messages.
    logged = Event.objects.filter(position__gt=everything.cursor).count()
    WebhookEndpoint.objects.filter(pk=settled.pk).update(cursor=feed.top())

    assert backlog(everything) == Backlog(logged, False, 0)
    assert backlog(messages) == Backlog(2, False, 0)
    assert backlog(settled) == Backlog(0, False, 0)


@pytest.mark.parametrize("by_chat", [False, True])
def test_what_a_lane_has_behind_it_waits_too_and_others_do_not(desk: Desk, by_chat: bool) -> None:
    row = make(desk, kinds=["message.new"])
    desk.tell(text("Bob's"), text("Eve's", peer=EVE), text("Bob's again"))
    bobs = Event.objects.filter(data__message__body="Bob's").get()
    WebhookEndpoint.objects.filter(pk=row.pk).update(cursor=feed.top())
    where = {"chat_id": bobs.chat_id} if by_chat else {}

    lane(row, row.cursor, session_id=desk.session_id, **where)

    assert backlog(row).waiting == (2 if by_chat else 3)


def test_a_long_backlog_is_not_counted_to_its_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make(desk)
    desk.tell(text("one"), text("two"), text("three"))
    monkeypatch.setattr(backlogs, "WINDOW", 2)

    assert backlog(row) == Backlog(2, True, 0)


def test_what_was_given_up_is_counted(desk: Desk) -> None:
    row, other = make(desk), make(desk)
    DeadLetter.objects.create(endpoint=row, event_id="E", body={}, attempts=9, died_at=timezone.now())

    assert (backlog(row).dead, backlog(other).dead) == (1, 0)


# -- as it was sent ----------------------------------------------------------------------------------------------------
def body(desk: Desk, row: WebhookEndpoint, event_id: str) -> Any:
    return webhooks.body_of(company=desk.company, endpoint_id=row.pk, event_id=event_id, by=SYSTEM)


def test_an_event_a_batch_and_a_dead_letter_are_shown_as_they_are_sent(desk: Desk, acme: Company) -> None:
    row = make(desk)
    desk.tell(text("one", peer=BOB), text("two", peer=BOB))
    events = list(Event.objects.filter(kind="message.new").order_by("position"))
    DeadLetter.objects.create(endpoint=row, event_id="E", body={"id": "E"}, attempts=9, died_at=timezone.now())

    one, both = body(desk, row, events[0].id), body(desk, row, batches.id_of(events))

    assert (one["data"]["message"]["body"], one["companyId"]) == ("one", acme.pk)
    assert [each["data"]["message"]["body"] for each in both["data"]["messages"]] == ["one", "two"]
    assert body(desk, row, "E") == {"id": "E"}
    with pytest.raises(EventNotKept):
        body(desk, make(desk), "E")


def test_a_stretch_of_time_is_counted_as_it_would_be_sent(desk: Desk) -> None:
    begin = timezone.now()
    row = make(desk, kinds=["message.new"])
    desk.tell(text("one"), text("two"))
    asked = {"endpoint_id": row.pk, "begin": begin, "end": timezone.now(), "by": SYSTEM}

    counted = webhooks.count_between(**asked)  # type: ignore[arg-type]

    assert counted == 2 == webhooks.replay_between(company=desk.company, **asked)  # type: ignore[arg-type]
