"""What happens is counted where it happens, once it is committed, and shown by the process in which it did."""

import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from prometheus_client import generate_latest
from pytest_django import DjangoCaptureOnCommitCallbacks

from fleet.reasons import Reason
from fleet.states import State
from tenants.context import run_in
from tests.waiting import eventually
from tests.whatsapp.desk import NOON, Desk, acknowledged, receipt, text, unreadable
from tests.whatsapp.dispatching import dispatching_as, endpoint
from tests.whatsapp.harbour import Harbour
from tests.whatsapp.receiver import OK, Reply, receiving, status
from wharf.metrics import REGISTRY
from wharf.networks import parse_networks
from whatsapp.engine.port import ConnectionLost, Ended, Ending
from whatsapp.models import MessageStatus
from whatsapp.webhooks import observing as webhook_metrics
from whatsapp.worker import observing as worker_metrics

Grown = Callable[..., float]


@pytest.fixture
def grown() -> Grown:
    """How much a sample has grown since the test began."""
    before = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }

    def since(name: str, **labels: str) -> float:
        was = before.get((name, tuple(sorted(labels.items()))), 0.0)
        return (REGISTRY.get_sample_value(name, labels) or 0.0) - was

    return since


# -- services --------------------------------------------------------------------------------------------------------
def test_a_message_is_counted_once_however_often_it_is_reported(
    desk: Desk, grown: Grown, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        desk.tell(text("Hello"), text("From the phone", from_me=True))
        desk.tell(text("Hello"))

    assert grown("wharf_messages_stored_total", kind="text", author="customer") == 1
    assert grown("wharf_messages_stored_total", kind="text", author="phone") == 1
    assert grown("wharf_inbound_lag_seconds_count") == 2


def test_the_lag_is_from_whatsapps_time(
    desk: Desk, grown: Grown, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        desk.tell(text("Long ago", at=NOON))
        desk.tell(text("A clock that is ahead", at=NOON * 2))

    assert grown("wharf_inbound_lag_seconds_sum") > 86400
    assert grown("wharf_inbound_lag_seconds_bucket", le="0.05") == 1, "never negative"


def test_undecryptable_messages_are_counted_until_they_come_after_all(
    desk: Desk, grown: Grown, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        desk.tell(unreadable("A"), unreadable("B"))
        desk.tell(text("Readable", wa_id="A"))

    assert grown("wharf_messages_unreadable_total") == 2
    assert grown("wharf_messages_recovered_total") == 1


def test_what_is_rolled_back_has_not_happened(desk: Desk, grown: Grown) -> None:
    """The test's own transaction is never committed."""
    desk.tell(text("Hello"))

    assert grown("wharf_messages_stored_total", kind="text", author="customer") == 0


def test_a_texts_way_is_counted_status_by_status(
    desk: Desk, grown: Grown, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        message_id = desk.send()
        desk.tell(acknowledged(message_id))
        desk.tell(receipt("OUT"))

    for name in ("sent", "server_ack", "delivered"):
        assert grown("wharf_message_statuses_total", status=name) == 1, name
    assert grown("wharf_queue_wait_seconds_count") == 1


def test_what_happens_to_sessions_is_counted_with_its_reason(
    desk: Desk, grown: Grown, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        desk.tell(ConnectionLost(retrying=True, detail="gone"))
        desk.tell(Ended(Ending.LOGGED_OUT))

    name = "wharf_session_transitions_total"
    assert grown(name, happening="connection_lost", reason=Reason.CONNECTION_LOST.value) == 1
    assert grown(name, happening="logged_out", reason=Reason.LOGGED_OUT_ON_PHONE.value) == 1


def test_what_is_rare_is_shown_before_it_happens() -> None:
    """Prometheus sees growth only of what it has seen before; alerts are about the first of them too."""
    worker_metrics.show(list, lambda: 0)
    webhook_metrics.show(list)

    rare = [
        ("wharf_session_transitions_total", {"happening": "logged_out", "reason": "logged_out_on_phone"}),
        ("wharf_session_transitions_total", {"happening": "connection_lost", "reason": "host_died"}),
        ("wharf_hosts_ended_total", {"why": "died"}),
        ("wharf_message_statuses_total", {"status": "unconfirmed"}),
        ("wharf_send_answers_total", {"what": "text", "outcome": "refused"}),
        ("wharf_webhook_endpoints_switched_off_total", {"reason": "gone"}),
    ]
    assert [name for name, labels in rare if REGISTRY.get_sample_value(name, labels) is None] == []


# -- the worker ------------------------------------------------------------------------------------------------------
def test_a_worker_shows_what_it_holds_and_how_fast_it_is_answered(harbour: Harbour, grown: Grown) -> None:
    worker = harbour.worker.worker
    assert worker is not None
    worker.show_metrics()
    bob = harbour.phone("Bob")
    session_id = harbour.linked(harbour.phone("Shop"))

    harbour.becomes(harbour.sends(session_id, bob, "Hello"), MessageStatus.DELIVERED)

    eventually(lambda: grown("wharf_ack_latency_seconds_count") == 1, what="the answer is counted")
    assert grown("wharf_send_answers_total", what="text", outcome="acknowledged") == 1
    assert REGISTRY.get_sample_value("wharf_worker_sessions_owned") == 1
    assert REGISTRY.get_sample_value("wharf_worker_sessions_connected") == 1
    assert REGISTRY.get_sample_value("wharf_hosts") == 1
    assert REGISTRY.get_sample_value("wharf_messages_in_flight") == 0
    assert REGISTRY.get_sample_value("wharf_oldest_in_flight_seconds") == 0
    assert bob.number not in generate_latest(REGISTRY).decode()


def test_a_host_that_dies_is_counted(harbour: Harbour, grown: Grown) -> None:
    session_id = harbour.linked(harbour.phone("Shop"))

    os.kill(harbour.worker.host_pids()[session_id], signal.SIGKILL)

    eventually(lambda: grown("wharf_hosts_ended_total", why="died") == 1, what="the death is counted")
    eventually(lambda: grown("wharf_hosts_started_total") >= 2, what="the next one is counted")
    harbour.shows(session_id, State.CONNECTED)


# -- webhooks --------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_requests_to_receivers_are_counted_by_how_they_ended(live_companies: Any, settings: Any, grown: Grown) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")
    acme = live_companies[0]
    desk = run_in(acme, Desk.open, acme)
    replies: list[Reply] = [status(500), OK]
    with receiving() as receiver, dispatching_as() as running:
        receiver.answers = lambda request: replies.pop(0) if replies else OK
        endpoint(acme, receiver.url, kinds=["message.new"])
        run_in(acme, partial(desk.tell, text("Hello")))
        eventually(lambda: len(receiver.taken) == 1, what="it is taken at the second try")
        eventually(lambda: grown("wharf_webhook_attempts_total", outcome="2xx") == 1, what="it is counted")
        assert running

    assert grown("wharf_webhook_attempts_total", outcome="5xx") == 1
    assert grown("wharf_webhook_attempt_seconds_count") == 2
    assert grown("wharf_webhook_lag_seconds_count") == 1
    assert grown("wharf_inbound_webhook_lag_seconds_count") == 1
    assert grown("wharf_inbound_webhook_lag_seconds_sum") > grown("wharf_webhook_lag_seconds_sum") > 0


@pytest.mark.django_db(transaction=True)
def test_a_dispatcher_shows_what_it_serves(live_companies: Any, settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")
    with receiving() as receiver, dispatching_as() as running:
        endpoint(live_companies[0], receiver.url)
        webhook_metrics.show(lambda: running.dispatcher.deliverings())

        eventually(lambda: REGISTRY.get_sample_value("wharf_webhook_endpoints_served") == 1, what="it is served")
        assert REGISTRY.get_sample_value("wharf_webhook_sessions_behind") == 0
        assert REGISTRY.get_sample_value("wharf_webhook_oldest_failure_seconds") == 0
