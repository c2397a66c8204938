"""Webhooks: what is logged reaches a receiver, signed, in order, at least once, whatever either side goes through."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.permissions import SYSTEM
from tenants.context import run_in
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.desk import BOB, Desk, text
from tests.whatsapp.dispatching import DispatcherThread, dispatching_as, endpoint, fresh, log_top
from tests.whatsapp.receiver import OK, Heard, ReceiverServer, Reply, receiving, status
from wharf.moments import moment
from wharf.networks import parse_networks
from wharf.version import VERSION
from whatsapp.models import DeadLetter, Delivery, Event, Message, Session, WebhookEndpoint, WebhookLane
from whatsapp.services import sessions, webhooks

pytestmark = pytest.mark.django_db(transaction=True)

LOOPBACK = parse_networks("127.0.0.0/8")


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK


@pytest.fixture
def receiver() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


@pytest.fixture
def dispatcher(live_companies: Any) -> Iterator[DispatcherThread]:
    with dispatching_as() as running:
        yield running


class Shop:
    """Acme with linked sessions, seen from outside of its schema."""

    def __init__(self, company: Company, *names: str) -> None:
        self.company = company
        self.desks = {
            name: run_in(company, partial(Desk.open, company, number=f"49155500002{n:02}", name=name))
            for n, name in enumerate(names)
        }

    def hears(self, name: str, *texts: str) -> None:
        """Each message a transaction of its own."""
        for words in texts:
            run_in(self.company, self.desks[name].tell, text(words))

    def id(self, name: str) -> str:
        return self.desks[name].session_id


@pytest.fixture
def shop(live_companies: tuple[Company, Company]) -> Shop:
    return Shop(live_companies[0], "One", "Two")


def rows(company: Company, model: Any, **filters: Any) -> list[Any]:
    return run_in(company, lambda: list(model.objects.filter(**filters).order_by("pk")))


def written(shop: Shop, made: WebhookEndpoint) -> WebhookEndpoint:
    """Once the endpoint's rows say that everything was delivered."""

    def look() -> WebhookEndpoint | None:
        row = fresh(shop.company, made.pk)
        lanes = rows(shop.company, WebhookLane, endpoint=made.pk)
        # The last lanes may have ended between the two looks, and the row says more now.
        return fresh(shop.company, made.pk) if row.cursor == log_top(shop.company) and not lanes else None

    return eventually(look, what="everything is delivered and written down")


def switched_on(shop: Shop, made: WebhookEndpoint) -> None:
    change = partial(webhooks.change, company=shop.company, endpoint_id=made.pk, by=SYSTEM)
    run_in(shop.company, change, is_active=True)


def switched_off(shop: Shop, made: WebhookEndpoint) -> WebhookEndpoint:
    """Once it is, by the dispatcher."""
    look = partial(fresh, shop.company, made.pk)
    return eventually(lambda: row if not (row := look()).is_active else None, what="it is off")


# -- what arrives ----------------------------------------------------------------------------------------------------
def test_an_event_arrives_as_the_log_has_it(shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread) -> None:
    endpoint(shop.company, receiver.url, kinds=["message.new"], headers={"X-Token": "ours"})
    shop.hears("One", "Hello")

    (request,) = receiver.hears(1)
    (event,) = rows(shop.company, Event, kind="message.new")
    assert (request.id, request.event["id"], request.event["cursor"]) == (event.id, event.id, str(event.position))
    assert request.event["data"] == event.data
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"Wharf/{VERSION}"
    assert request.headers["x-token"] == "ours"


def test_all_that_the_older_queue_said_of_a_message_is_in_the_event(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    endpoint(shop.company, receiver.url, kinds=["message.new"], headers={"X-Company-Id": "962302"})
    shop.hears("One", "Hello")

    (request,) = receiver.hears(1)
    message, sender, chat = (request.event["data"][name] for name in ("message", "sender", "chat"))
    (row,) = rows(shop.company, Message)
    assert (message["fromMe"], chat["isGroup"], message["body"], message["messageType"]) == (
        False,
        False,
        "Hello",
        "text",
    )
    assert (sender["phone"], sender["name"]) == (BOB.pn, BOB.name)
    assert (message["messageId"], message["timestamp"]) == (row.wa_id, moment(row.timestamp))
    assert (request.headers["x-company-id"], request.event["companyId"]) == ("962302", shop.company.pk)


def test_the_signature_is_standard_webhooks(shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread) -> None:
    _, secret = run_in(shop.company, lambda: webhooks.create(company=shop.company, by=SYSTEM, url=receiver.url))
    shop.hears("One", "Hello")

    request = receiver.hears(1)[0]

    assert Webhook(secret).verify(request.raw, request.headers) == request.event
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secret).verify(request.raw + b" ", request.headers)


def test_both_secrets_sign_during_a_rotation_and_then_the_new_one_alone(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    whose = {"company": shop.company, "by": SYSTEM}
    row, old = run_in(shop.company, lambda: webhooks.create(url=receiver.url, **whose))  # type: ignore[arg-type]
    _, new = run_in(shop.company, lambda: webhooks.rotate_secret(endpoint_id=row.pk, **whose))  # type: ignore[arg-type]
    shop.hears("One", "During")
    request = receiver.hears(1)[0]
    for secret in (old, new):
        Webhook(secret).verify(request.raw, request.headers)
    written(shop, row)

    over = {"previous_secret_until": timezone.now() - timedelta(seconds=1)}
    run_in(shop.company, lambda: WebhookEndpoint.objects.filter(pk=row.pk).update(**over))
    run_in(shop.company, lambda: webhooks.change(endpoint_id=row.pk, description="Reload", **whose))  # type: ignore[arg-type]

    def signed_once() -> Heard | None:
        heard = len(receiver.heard)
        shop.hears("One", f"After {heard}")
        request = receiver.hears(heard + 1)[heard]
        return request if len(request.headers["webhook-signature"].split(" ")) == 1 else None

    # What was on its way when the endpoint was changed is still signed as before.
    request = eventually(signed_once, what="one secret is left")
    Webhook(new).verify(request.raw, request.headers)


def test_only_what_an_endpoint_asks_for_arrives(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    made = endpoint(shop.company, receiver.url, kinds=["message.new"], session_ids=[shop.id("Two")])
    shop.hears("One", "Not for them")
    shop.hears("Two", "For them")

    receiver.takes("For them")
    written(shop, made)
    assert len(receiver.heard) == 1


def test_another_companys_events_never_arrive(
    live_companies: tuple[Company, Company], shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    made = endpoint(shop.company, receiver.url)
    other = Shop(live_companies[1], "Globex")
    other.hears("Globex", "Not for acme")
    shop.hears("One", "For acme")

    written(shop, made)
    assert {request.event["companyId"] for request in receiver.heard} == {shop.company.pk}


# -- order ------------------------------------------------------------------------------------------------------------
def test_a_sessions_events_keep_their_order_through_failures(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    tries: Counter[str] = Counter()

    def moody(request: Heard) -> Reply:
        tries[request.id] += 1
        return OK if tries[request.id] > 1 or not request.text.endswith(("3", "7")) else status(500)

    receiver.answers = moody
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", *(f"one {n}" for n in range(10)))
    shop.hears("Two", *(f"two {n}" for n in range(10)))

    written(shop, made)
    for name in ("one", "two"):
        mine = [words for words in receiver.texts() if words.startswith(name)]
        assert mine == [f"{name} {n}" for n in range(10)]
    assert tries.total() == 24


def test_a_session_that_fails_holds_up_no_other(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    receiver.answers = lambda request: status(500) if request.text == "poison" else OK
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", "poison", "behind it")
    receiver.hears(1)
    shop.hears("Two", "first", "second")

    receiver.takes("first", "second")
    lane = eventually(lambda: next(iter(rows(shop.company, WebhookLane, endpoint=made.pk)), None))
    assert (lane.session_id, lane.is_replay) == (shop.id("One"), False)
    receiver.answers = lambda _: OK
    receiver.takes("first", "second", "poison", "behind it")
    written(shop, made)


# -- receivers that are away -----------------------------------------------------------------------------------------
def test_a_receiver_that_was_down_gets_everything_once_it_is_back(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    receiver.stop()
    shop.hears("One", *(f"one {n}" for n in range(5)))
    shop.hears("Two", *(f"two {n}" for n in range(5)))
    eventually(lambda: fresh(shop.company, made.pk).failures >= 5, what="the circuit opens")
    assert fresh(shop.company, made.pk).open_until is not None

    receiver.start()

    row = written(shop, made)
    for name in ("one", "two"):
        mine = [words for words in receiver.texts() if words.startswith(name)]
        assert mine == [f"{name} {n}" for n in range(5)]
    assert (row.failures, row.failing_since, row.open_until) == (0, None, None)


def test_a_dead_or_slow_receiver_delays_nobody_else(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    gate = threading.Event()

    def slow(_: Heard) -> Reply:
        gate.wait(60)
        return OK

    with receiving(slow) as slow_one, receiving(lambda _: None) as dead_one:
        for server in (slow_one, dead_one, receiver):
            endpoint(shop.company, server.url, kinds=["message.new"])
        shop.hears("One", *(f"message {n}" for n in range(20)))

        receiver.takes(*(f"message {n}" for n in range(20)))
        assert len(slow_one.heard) <= 1, "the slow one still has its first"
        gate.set()
        slow_one.takes(*(f"message {n}" for n in range(20)))


def test_retry_after_is_honoured(shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread) -> None:
    receiver.answers = lambda _: status(429, Retry_After="1800")
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", "Hello")

    row = eventually(
        lambda: row if (row := fresh(shop.company, made.pk)).open_until else None, what="the receiver is spared"
    )
    assert row.open_until is not None
    assert timedelta(minutes=25) < row.open_until - timezone.now() < timedelta(minutes=31)
    assert len(receiver.heard) == 1


def test_410_switches_an_endpoint_off_and_tells_the_company(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    receiver.answers = lambda _: status(410)
    made = endpoint(shop.company, receiver.url, kinds=["message.new"], description="Old one")
    shop.hears("One", "Hello")

    row = switched_off(shop, made)
    assert row.disabled_reason == "gone"
    (told,) = rows(shop.company, Event, kind="webhook.disabled")
    assert told.data == {"id": made.pk, "description": "Old one", "reason": "gone"}
    shop.hears("One", "While it is off")

    receiver.answers = lambda _: OK
    switched_on(shop, made)
    receiver.takes("Hello", "While it is off")


# -- giving up -------------------------------------------------------------------------------------------------------
def aged(shop: Shop, made: WebhookEndpoint, *, hours: int, endpoint_too: bool) -> None:
    """As if the lane, and perhaps the whole endpoint, had been failing for so long."""
    since = timezone.now() - timedelta(hours=hours)

    def change() -> None:
        WebhookLane.objects.filter(endpoint=made.pk).update(failing_since=since, next_at=None)
        failing = {"failing_since": since} if endpoint_too else {"failing_since": None, "failures": 0}
        WebhookEndpoint.objects.filter(pk=made.pk).update(open_until=None, **failing)

    run_in(shop.company, change)


def fallen_behind(shop: Shop, made: WebhookEndpoint) -> None:
    eventually(lambda: rows(shop.company, WebhookLane, endpoint=made.pk, attempts__gte=1), what="a lane is behind")


def test_an_event_that_is_refused_for_three_days_becomes_a_dead_letter_and_the_rest_goes_on(
    shop: Shop, receiver: ReceiverServer
) -> None:
    receiver.answers = lambda request: status(422) if request.text == "poison" else OK
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    with dispatching_as("first"):
        shop.hears("One", "poison", "behind it")
        fallen_behind(shop, made)
    aged(shop, made, hours=73, endpoint_too=False)

    with dispatching_as("second"):
        receiver.takes("behind it")
        written(shop, made)
        (letter,) = rows(shop.company, DeadLetter)
        assert (letter.status, letter.body["data"]["message"]["body"]) == (422, "poison")
        assert fresh(shop.company, made.pk).is_active

        receiver.answers = lambda _: OK
        again = partial(webhooks.replay_events, company=shop.company, endpoint_id=made.pk, by=SYSTEM)
        run_in(shop.company, again, event_ids=[letter.event_id])
        receiver.takes("behind it", "poison")
        eventually(lambda: not rows(shop.company, DeadLetter), what="it is no dead letter any more")


def test_an_event_that_fails_for_less_is_kept_trying(shop: Shop, receiver: ReceiverServer) -> None:
    receiver.answers = lambda _: status(500)
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    with dispatching_as("first"):
        shop.hears("One", "poison")
        fallen_behind(shop, made)
    aged(shop, made, hours=71, endpoint_too=True)
    tried = len(receiver.heard)

    with dispatching_as("second"):
        receiver.hears(tried + 1)
        receiver.answers = lambda _: OK
        receiver.takes("poison")
        written(shop, made)
    assert rows(shop.company, DeadLetter) == []


def test_an_endpoint_that_takes_nothing_for_three_days_is_switched_off_and_loses_nothing(
    shop: Shop, receiver: ReceiverServer
) -> None:
    receiver.answers = lambda _: status(500)
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    with dispatching_as("first"):
        shop.hears("One", "first", "second")
        fallen_behind(shop, made)
    aged(shop, made, hours=73, endpoint_too=True)

    with dispatching_as("second"):
        row = switched_off(shop, made)
        assert (row.disabled_reason, rows(shop.company, DeadLetter)) == ("unreachable", [])

        receiver.answers = lambda _: OK
        switched_on(shop, made)
        receiver.takes("first", "second")


# -- again -----------------------------------------------------------------------------------------------------------
def test_a_time_is_replayed_in_order_with_the_same_ids(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", "before")
    begin = timezone.now()
    shop.hears("One", "one", "two")
    end = timezone.now()
    shop.hears("One", "after")
    receiver.takes("before", "one", "two", "after")

    whose = {"company": shop.company, "endpoint_id": made.pk, "by": SYSTEM}
    assert run_in(shop.company, lambda: webhooks.replay_between(begin=begin, end=end, **whose)) == 2  # type: ignore[arg-type]

    receiver.takes("before", "one", "two", "after", "one", "two")
    ids = [request.id for request in receiver.heard]
    assert ids[4:] == ids[1:3]
    written(shop, made)


def test_one_delivery_is_sent_again(shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread) -> None:
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", "one", "two")
    receiver.takes("one", "two")
    written(shop, made)
    first = rows(shop.company, Delivery)[0]

    again = partial(webhooks.redeliver, company=shop.company, endpoint_id=made.pk, by=SYSTEM)
    run_in(shop.company, again, delivery_id=first.pk)

    receiver.takes("one", "two", "one")
    assert receiver.heard[2].id == receiver.heard[0].id == first.event_id


def test_the_log_says_what_the_receiver_said(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    tries: Counter[str] = Counter()

    def moody(request: Heard) -> Reply:
        tries[request.id] += 1
        return OK if tries[request.id] > 1 else (503, {}, b"x\0" * 5000)

    receiver.answers = moody
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", "Hello")
    written(shop, made)

    first, second = rows(shop.company, Delivery)
    assert (first.attempt, first.is_delivered, first.status, len(first.response)) == (1, False, 503, 500)
    assert (second.attempt, second.is_delivered, second.status, second.response) == (2, True, 200, "thanks")


# -- life --------------------------------------------------------------------------------------------------------------
def test_a_suspended_company_hears_nothing_and_everything_afterwards(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    Company.objects.filter(pk=shop.company.pk).update(is_active=False)
    endpoint(shop.company, receiver.url, kinds=["message.new"])
    with receiving() as other:
        Company.objects.filter(pk=shop.company.pk).update(is_active=False)
        shop.hears("One", "meanwhile")
        assert other.heard == receiver.heard == []

    Company.objects.filter(pk=shop.company.pk).update(is_active=True)
    receiver.takes("meanwhile")


def test_a_deleted_endpoint_gets_nothing_more(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    made = endpoint(shop.company, receiver.url, kinds=["message.new"])
    shop.hears("One", "first")
    receiver.takes("first")

    run_in(shop.company, lambda: webhooks.delete(company=shop.company, endpoint_id=made.pk, by=SYSTEM))
    with receiving() as other:
        endpoint(shop.company, other.url, kinds=["message.new"])
        shop.hears("One", "second")
        other.takes("second")
    assert receiver.texts() == ["first"]


def test_what_is_about_no_session_arrives_too(
    shop: Shop, receiver: ReceiverServer, dispatcher: DispatcherThread
) -> None:
    endpoint(shop.company, receiver.url, kinds=["session.changed"])
    rename: Callable[..., Session] = sessions.change
    run_in(
        shop.company,
        lambda: rename(company=shop.company, session_id=shop.id("One"), name="Renamed", by=SYSTEM),
    )

    assert receiver.hears(1)[0].event["data"]["name"] == "Renamed"
