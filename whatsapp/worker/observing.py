"""What a worker tells the metrics: answers as they come, and what it knows in memory whenever somebody asks.

Somebody asks from a thread of its own, so what is looked at is copied first.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from fleet.reasons import Reason
from fleet.states import Happening
from wharf import metrics
from whatsapp.engine import port
from whatsapp.models import MessageStatus
from whatsapp.services import reports
from whatsapp.worker.owned import Owned

#: Why connections are lost.
LOSSES: Final = (
    Reason.CONNECTION_LOST,
    Reason.SERVER_UNREACHABLE,
    Reason.HOST_DIED,
    Reason.NOT_ANSWERING,
    Reason.SPAWN_FAILED,
    Reason.NETWORK_MISSING,
    Reason.WORKER_STOPPED,
    Reason.WORKER_SILENT,
)


def answers(events: Iterable[port.EngineEvent], in_flight: Mapping[str, float]) -> None:
    """Called after the commit. `in_flight` still has them, unless a former host was given them."""
    for event in events:
        if isinstance(event, port.SendFinished):
            metrics.SEND_ANSWERS.labels("text", event.outcome.value).inc()
            since = in_flight.get(event.reference)
            if since is not None and event.outcome == port.SendOutcome.ACKNOWLEDGED:
                metrics.ACK_LATENCY.observe(time.monotonic() - since)
        elif isinstance(event, port.ReactionFinished):
            metrics.SEND_ANSWERS.labels("reaction", event.outcome.value).inc()


def show(owned: Callable[[], Collection[Owned]], hosts: Callable[[], int]) -> None:
    """From now on the gauges of this process tell of these."""
    metrics.SESSIONS_OWNED.set_function(lambda: len(owned()))
    metrics.SESSIONS_CONNECTED.set_function(lambda: sum(one.is_connected for one in owned()))
    metrics.BACKLOGGED.set_function(lambda: sum(one.is_connected and one.has_more for one in owned()))
    metrics.IN_FLIGHT.set_function(lambda: sum(len(one.in_flight) for one in owned()))
    metrics.OLDEST_IN_FLIGHT.set_function(lambda: _oldest(owned()))
    metrics.HOSTS.set_function(hosts)
    _begin()


def _begin() -> None:
    metrics.begin_at_zero(metrics.HOSTS_ENDED, [("told_to",), ("died",), ("not_started",)])
    metrics.begin_at_zero(metrics.SNAPSHOTS, [("written",), ("unchanged",), ("failed",)])
    answers = [(what, outcome.value) for what in ("text", "reaction") for outcome in port.SendOutcome]
    metrics.begin_at_zero(metrics.SEND_ANSWERS, answers)
    metrics.begin_at_zero(metrics.MESSAGE_STATUSES, [(status,) for status in MessageStatus.values])
    endings = {(happening.value, reason.value) for happening, reason in reports.ENDINGS.values()}
    losses = {(Happening.CONNECTION_LOST.value, reason.value) for reason in LOSSES}
    moves = {(Happening.REPACKED.value, Reason.REPACKED.value)}
    metrics.begin_at_zero(metrics.TRANSITIONS, endings | losses | moves)


def _oldest(owned: Iterable[Owned]) -> float:
    sinces = [since for one in owned for since in list(one.in_flight.values())]
    return time.monotonic() - min(sinces) if sinces else 0.0
