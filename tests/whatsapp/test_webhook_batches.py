"""Quick messages of one chat come as one delivery (seed contract 4.2, "Batching"): nothing lost, the same ids again."""

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.permissions import SYSTEM
from tenants.context import run_in
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.desk import BOB, EVE, Desk, text
from tests.whatsapp.dispatching import dispatching_as, endpoint, fresh
from tests.whatsapp.receiver import OK, Heard, ReceiverServer, receiving, status
from tests.whatsapp.test_dispatchers import Process
from wharf.networks import parse_networks
from whatsapp.engine.port import Person
from whatsapp.models import Chat, DeadLetter, Delivery, Event, WebhookEndpoint, WebhookLane
from whatsapp.services import batches, deliveries, feed, outbound, webhooks
from whatsapp.services.batches import Batching, gather

pytestmark = pytest.mark.django_db(transaction=True)

#: Long enough that a machine under load does not end a batch by itself.
LONG = 300
RULES = Batching(timedelta(seconds=9), 3)


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture
def receiver() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


@pytest.fixture
def desk(live_companies: tuple[Company, Company]) -> Desk:
    return run_in(live_companies[0], Desk.open, live_companies[0])


def hears(desk: Desk, *texts: str, peer: Person = BOB) -> None:
    for words in texts:
        run_in(desk.company, desk.tell, text(words, peer=peer))


def asks(desk: Desk, receiver: ReceiverServer, quiet: int = LONG, most: int = 3, **words: Any) -> WebhookEndpoint:
    batching = {"batch_quiet_seconds": quiet, "batch_max_messages": most}
    return endpoint(desk.company, receiver.url, **({"kinds": ["message.new"]} | batching | words))


def times_pass(desk: Desk, seconds: int) -> None:
    """All that was recorded was recorded so much earlier."""
    earlier = F("recorded_at") - timedelta(seconds=seconds)
    run_in(desk.company, lambda: Event.objects.update(recorded_at=earlier))


def told(request: Heard) -> list[str]:
    return [message["data"]["message"]["body"] for message in request.event["data"]["messages"]]


def lanes(desk: Desk) -> list[WebhookLane]:
    return run_in(desk.company, lambda: list(WebhookLane.objects.order_by("key")))


def is_all_written(desk: Desk, made: WebhookEndpoint) -> bool:
    return fresh(desk.company, made.pk).cursor == run_in(desk.company, feed.top) and not lanes(desk)


# -- what belongs together -------------------------------------------------------------------------------------------
def event(second: float, chat: str = "chat", kind: str = "message.new", *, from_me: bool = False) -> Event:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    data = {"message": {"fromMe": from_me}}
    return Event(position=int(second * 10), id=f"E{second}", kind=kind, chat_id=chat, recorded_at=at, data=data)


def gathered(*rows: Event, now: float, rules: Batching = RULES) -> tuple[list[list[float]], list[float], float]:
    moment = event(now).recorded_at
    found = gather(rows, rules, now=moment)
    begin = event(0).recorded_at

    def seconds(group: list[Event]) -> list[float]:
        return [(row.recorded_at - begin).total_seconds() for row in group]

    return [seconds(group) for group in found.closed], seconds(found.held), found.seconds


@pytest.mark.parametrize(
    ("rows", "now", "closed", "held"),
    [
        pytest.param([event(0), event(5)], 8, [], [0, 5], id="more may come"),
        pytest.param([event(0), event(5)], 15, [[0, 5]], [], id="nothing came for nine seconds"),
        pytest.param([event(0), event(9), event(18.5)], 19, [[0, 9]], [18.5], id="too late for the one before"),
        pytest.param([event(0), event(1), event(2)], 2, [[0, 1, 2]], [], id="as many as are asked for"),
        pytest.param([event(n) for n in range(5)], 5, [[0, 1, 2]], [3, 4], id="and more"),
        pytest.param([event(0), event(1, from_me=True), event(2)], 3, [[0], [1]], [2], id="an answer comes between"),
        pytest.param([event(0), event(1, kind="chat.changed")], 1, [[0], [1]], [], id="something else happens"),
        pytest.param([], 1, [], [], id="nothing"),
    ],
)
def test_what_belongs_together(rows: list[Event], now: float, closed: list[list[float]], held: list[float]) -> None:
    assert gathered(*rows, now=now)[:2] == (closed, held)


def test_nobody_can_hold_a_batch_open_for_ever() -> None:
    steady = [event(8.0 * n) for n in range(100)]
    many = Batching(timedelta(seconds=9), 1000)

    closed, held, seconds = gathered(*steady, now=793, rules=many)

    assert (closed[0][-1], held[0], held[-1]) == (600, 608, 792)
    assert seconds == 8


# -- what arrives ----------------------------------------------------------------------------------------------------
def test_quick_messages_arrive_as_one_delivery_that_is_signed(desk: Desk, receiver: ReceiverServer) -> None:
    words = {"batch_quiet_seconds": LONG, "batch_max_messages": 3}
    made, secret = run_in(
        desk.company,
        lambda: webhooks.create(company=desk.company, by=SYSTEM, url=receiver.url, **words),  # type: ignore[arg-type]
    )
    with dispatching_as():
        hears(desk, "Hello", "I have", "a question")
        eventually(lambda: [r for r in receiver.taken if r.event["type"] == "message.batch"], what="the batch")
    batch = next(r for r in receiver.taken if r.event["type"] == "message.batch")

    events = run_in(desk.company, lambda: list(Event.objects.filter(kind="message.new").order_by("position")))
    assert Webhook(secret).verify(batch.raw, batch.headers) == batch.event
    assert batch.id == batch.event["id"] == f"{events[0].id}-3"
    assert told(batch) == ["Hello", "I have", "a question"]
    inside = batch.event["data"]["messages"]
    assert [(one["id"], one["cursor"], one["data"]) for one in inside] == [
        (row.id, str(row.position), row.data) for row in events
    ]
    assert (batch.event["cursor"], batch.event["chatId"]) == (str(events[-1].position), events[0].chat_id)
    assert not [r for r in receiver.taken if r.event["type"] == "message.new"]
    assert fresh(desk.company, made.pk).cursor > 0


def test_a_batch_waits_for_quiet_and_holds_up_nobody_else(desk: Desk, receiver: ReceiverServer) -> None:
    made = asks(desk, receiver)
    with dispatching_as():
        hears(desk, "one")
        eventually(lambda: lanes(desk), what="its chat has a row that says how far it is")
        hears(desk, *"abc", peer=EVE)
        receiver.hears(1)
        assert told(receiver.heard[0]) == ["a", "b", "c"], "another chat's goes on"
        hears(desk, "two")
        times_pass(desk, LONG)
        hears(desk, "three")
        receiver.hears(2)
        assert told(receiver.heard[1]) == ["one", "two"], "three came too late for them"
        times_pass(desk, LONG)
        # Nothing wakes it but its own clock, which a test cannot wait for: a new run looks at the rows.
        touch(desk, made)
        receiver.hears(3)
        eventually(lambda: is_all_written(desk, made), what="nothing is left to do")
    assert told(receiver.heard[2]) == ["three"]
    assert len(receiver.heard) == 3


def touch(desk: Desk, made: WebhookEndpoint, **words: Any) -> None:
    change = partial(webhooks.change, company=desk.company, endpoint_id=made.pk, by=SYSTEM)
    run_in(desk.company, partial(change, **({"description": "Again"} | words)))


def test_the_quiet_period_ends_by_itself(desk: Desk, receiver: ReceiverServer) -> None:
    asks(desk, receiver, quiet=1, most=10)
    with dispatching_as():
        hears(desk, "Hello")
        receiver.hears(1)

    assert told(receiver.heard[0]) == ["Hello"]


def test_what_happens_in_a_chat_keeps_its_order(desk: Desk, receiver: ReceiverServer) -> None:
    asks(desk, receiver)
    with dispatching_as():
        hears(desk, "Hello")
        run_in(desk.company, _answers, desk)
        receiver.hears(2)

    assert told(receiver.heard[0]) == ["Hello"]
    assert receiver.heard[1].text == "Good morning"


def _answers(desk: Desk) -> None:
    chat_id = Chat.objects.get().pk
    outbound.queue_text(
        company=desk.company, session_id=desk.session_id, chat_id=chat_id, text="Good morning", by=SYSTEM
    )


# -- whatever happens ------------------------------------------------------------------------------------------------
def test_a_batch_that_is_refused_comes_again_as_it_was(desk: Desk, receiver: ReceiverServer) -> None:
    made = asks(desk, receiver)
    receiver.answers = lambda _: status(500) if len(receiver.heard) < 2 else OK
    with dispatching_as():
        hears(desk, *"abcd")
        receiver.hears(2)
        eventually(lambda: receiver.taken, what="it is taken")
        (lane,) = lanes(desk)
        times_pass(desk, LONG)
        touch(desk, made)
        eventually(lambda: is_all_written(desk, made), what="all is taken")

    assert [told(request) for request in receiver.taken] == [["a", "b", "c"], ["d"]]
    assert receiver.heard[0].raw == receiver.heard[1].raw
    assert receiver.heard[0].id == receiver.heard[1].id
    assert lane.chat_id


def test_a_dispatcher_that_is_killed_leaves_batches_that_another_sends(
    desk: Desk, receiver: ReceiverServer, tmp_path: Path
) -> None:
    made = asks(desk, receiver)
    first = Process(tmp_path / "first.log")
    hears(desk, "one", "two")
    hears(desk, *"abc", peer=EVE)
    receiver.hears(1, first.log())
    eventually(lambda: len(lanes(desk)) == 1, what="it has written down how far it is")
    first.ends(signal.SIGKILL)
    hears(desk, "three")

    second = Process(tmp_path / "second.log")
    try:
        eventually(lambda: len(receiver.taken) >= 2, what=f"the second one sends\n{second.log()}")
        eventually(lambda: is_all_written(desk, made), what="all is taken")
    finally:
        second.ends(signal.SIGTERM)

    by_id = {request.id: told(request) for request in receiver.taken}
    assert sorted(by_id.values()) == [["a", "b", "c"], ["one", "two", "three"]]


def test_a_successor_that_knows_nothing_yet_forms_the_same_batches(desk: Desk, receiver: ReceiverServer) -> None:
    made = asks(desk, receiver)
    before = fresh(desk.company, made.pk).cursor
    with dispatching_as("first"):
        hears(desk, *"abcd")
        receiver.hears(1)
        times_pass(desk, LONG)
        touch(desk, made)
        receiver.hears(2)
        eventually(lambda: is_all_written(desk, made), what="all is taken")
    sent = [request.id for request in receiver.heard]
    run_in(desk.company, lambda: WebhookEndpoint.objects.filter(pk=made.pk).update(cursor=before))

    with dispatching_as("second"):
        receiver.hears(4)

    assert [request.id for request in receiver.heard] == sent * 2


def test_a_message_that_is_about_to_be_committed_is_waited_for(desk: Desk) -> None:
    """Else it would belong to a batch that has left."""
    hears(desk, "one")
    looked: list[tuple[int, datetime]] = []

    def look() -> None:
        looked.append(run_in(desk.company, feed.settled_top))
        connection.close()

    with transaction.atomic():
        run_in(desk.company, desk.tell, text("two"))
        looking = threading.Thread(target=look)
        looking.start()
        eventually(_somebody_waits, what="it stands in line")
        assert not looked
    looking.join(30)

    top, now = looked[0]
    last = run_in(desk.company, lambda: Event.objects.order_by("-position")[0])
    assert (top, last.kind) == (last.position, "message.new")
    assert last.recorded_at < now


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_batch_that_is_given_up_is_kept_and_can_be_replayed(desk: Desk, receiver: ReceiverServer) -> None:
    made = asks(desk, receiver)
    receiver.answers = lambda request: status(500) if "poison" in told(request) else OK
    with dispatching_as("first"):
        hears(desk, "poison", "b", "c")
        eventually(lambda: [lane for lane in lanes(desk) if lane.attempts], what="it failed")
    run_in(desk.company, _fails_for_days, made)
    with dispatching_as("second"):
        letter = eventually(lambda: run_in(desk.company, DeadLetter.objects.first), what="it is given up")
        receiver.answers = lambda _: OK
        again = {"company": desk.company, "endpoint_id": made.pk, "by": SYSTEM}
        run_in(desk.company, partial(webhooks.replay_events, event_ids=[letter.event_id], **again))  # type: ignore[arg-type]
        eventually(lambda: not run_in(desk.company, DeadLetter.objects.exists), what="it is taken")

    assert told(receiver.taken[-1]) == ["poison", "b", "c"]
    assert receiver.taken[-1].id == letter.event_id


def _fails_for_days(made: WebhookEndpoint) -> None:
    WebhookLane.objects.update(failing_since=timezone.now() - timedelta(hours=73), next_at=None)
    WebhookEndpoint.objects.filter(pk=made.pk).update(open_until=None, failing_since=None, failures=0)


def test_a_delivery_of_a_batch_can_be_sent_again(desk: Desk, receiver: ReceiverServer) -> None:
    made = asks(desk, receiver)
    with dispatching_as():
        hears(desk, *"abc")
        receiver.hears(1)
        delivery = eventually(lambda: run_in(desk.company, _a_delivery), what="it is in the log")
        again = {"company": desk.company, "endpoint_id": made.pk, "by": SYSTEM}
        count = run_in(desk.company, partial(webhooks.redeliver, delivery_id=delivery, **again))  # type: ignore[arg-type]
        receiver.hears(2)

    assert count == 1
    assert receiver.heard[0].raw == receiver.heard[1].raw


def _a_delivery() -> int | None:
    return Delivery.objects.values_list("pk", flat=True).first()


def test_a_replay_of_a_time_brings_each_message_as_a_batch_of_its_own(desk: Desk, receiver: ReceiverServer) -> None:
    made = asks(desk, receiver)
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    with dispatching_as():
        hears(desk, *"abc")
        receiver.hears(1)
        again = {"company": desk.company, "endpoint_id": made.pk, "by": SYSTEM}
        run_in(desk.company, partial(webhooks.replay_between, begin=begin, end=end, **again))  # type: ignore[arg-type]
        receiver.hears(4)

    assert [told(request) for request in receiver.heard[1:]] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(("before", "after"), [(LONG, 0), (0, LONG)])
def test_switching_batches_on_or_off_loses_nothing_of_what_is_behind_and_repeats_nothing(
    desk: Desk, receiver: ReceiverServer, before: int, after: int
) -> None:
    made = asks(desk, receiver, quiet=before)
    receiver.answers = lambda _: status(500)
    with dispatching_as():
        hears(desk, *"abcd")
        receiver.hears(1)
        eventually(lambda: lanes(desk), what="what failed has a lane")
        touch(desk, made, batch_quiet_seconds=after)
        receiver.answers = lambda _: OK
        touch(desk, made, is_active=False)
        touch(desk, made, is_active=True)
        hears(desk, "new one")
        eventually(lambda: {*"abcd"} <= {*heard_texts(receiver)}, what=f"all arrive, not only {heard_texts(receiver)}")
        times_pass(desk, LONG)
        touch(desk, made)
        eventually(lambda: is_all_written(desk, made), what="nothing is left to do")

    assert sorted(heard_texts(receiver)) == [*"abcd", "new one"]


def heard_texts(receiver: ReceiverServer) -> list[str]:
    found: list[str] = []
    for request in receiver.taken:
        found += told(request) if request.event["type"] == batches.KIND else [request.text]
    return found


@pytest.mark.parametrize("name", ["", "nobodys", "nobodys-3", "nobodys-99", "-", "x-²"])
def test_what_is_no_batch_is_not_found(desk: Desk, name: str) -> None:
    assert run_in(desk.company, deliveries.named_batches, desk.company, [name]) == []
