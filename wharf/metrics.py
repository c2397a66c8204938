"""What a process counts and measures, by Prometheus' conventions: made here, observed where it happens.

Every process has its own numbers from its start on. No label has unbounded values: no company, session or number. What
is so in all of the fleet comes out of its rows (`fleet.census`).
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db import connections, transaction
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry(auto_describe=False)
ProcessCollector(registry=REGISTRY)

#: From what is felt to what is an outage, in seconds.
_LAGS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400)
_ANSWERS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 75, 300)
_WHOLE_SECONDS: Final = "WhatsApp's times are whole seconds, so up to one second of it is rounding."

# -- in --------------------------------------------------------------------------------------------------------------
MESSAGES_STORED: Final = Counter(
    "wharf_messages_stored_total",
    "Messages stored for the first time; author is customer, or phone for what was written on the linked phone.",
    ["kind", "author"],
    registry=REGISTRY,
)
MESSAGES_UNREADABLE: Final = Counter(
    "wharf_messages_unreadable_total", "Messages that came undecryptable; WhatsApp is asked again.", registry=REGISTRY
)
MESSAGES_RECOVERED: Final = Counter(
    "wharf_messages_recovered_total", "Of these, those that came readable after all.", registry=REGISTRY
)
INBOUND_LAG: Final = Histogram(
    "wharf_inbound_lag_seconds",
    f"From WhatsApp's time of a message to its commit. {_WHOLE_SECONDS}",
    buckets=_LAGS,
    registry=REGISTRY,
)

# -- out -------------------------------------------------------------------------------------------------------------
MESSAGE_STATUSES: Final = Counter(
    "wharf_message_statuses_total", "Messages of ours that came to this status.", ["status"], registry=REGISTRY
)
QUEUE_WAIT: Final = Histogram(
    "wharf_queue_wait_seconds",
    "How long a text had waited when it was handed to the engine, from the moment at which it was due.",
    buckets=_LAGS,
    registry=REGISTRY,
)
SEND_ANSWERS: Final = Counter(
    "wharf_send_answers_total", "The engine's answers to texts and reactions.", ["what", "outcome"], registry=REGISTRY
)
ACK_LATENCY: Final = Histogram(
    "wharf_ack_latency_seconds",
    "From handing a text to the engine to the worker's storing of WhatsApp's acknowledgement.",
    buckets=_ANSWERS,
    registry=REGISTRY,
)
IN_FLIGHT: Final = Gauge(
    "wharf_messages_in_flight", "Texts and reactions that the engine has and has not answered.", registry=REGISTRY
)
OLDEST_IN_FLIGHT: Final = Gauge(
    "wharf_oldest_in_flight_seconds", "For how long the oldest of them has had no answer.", registry=REGISTRY
)
BACKLOGGED: Final = Gauge(
    "wharf_sessions_backlogged",
    "Connected sessions of this worker with more to send than the engine takes at once.",
    registry=REGISTRY,
)

# -- sessions --------------------------------------------------------------------------------------------------------
TRANSITIONS: Final = Counter(
    "wharf_session_transitions_total",
    "What happened to sessions, and why; happening=connection_lost is what leads to a reconnect.",
    ["happening", "reason"],
    registry=REGISTRY,
)
SESSIONS_OWNED: Final = Gauge("wharf_worker_sessions_owned", "Sessions of this worker.", registry=REGISTRY)
SESSIONS_CONNECTED: Final = Gauge("wharf_worker_sessions_connected", "Those that are connected.", registry=REGISTRY)
HOSTS: Final = Gauge("wharf_hosts", "Host processes of this worker that hold sessions.", registry=REGISTRY)
HOSTS_STARTED: Final = Counter("wharf_hosts_started_total", "Hosts that were given sessions.", registry=REGISTRY)
HOSTS_ENDED: Final = Counter(
    "wharf_hosts_ended_total", "Hosts that ended: told_to, died, or not_started.", ["why"], registry=REGISTRY
)

SNAPSHOTS: Final = Counter(
    "wharf_snapshots_total",
    "Snapshots of device stores: written, unchanged (touched, and the same), or failed.",
    ["outcome"],
    registry=REGISTRY,
)

# -- webhooks --------------------------------------------------------------------------------------------------------
WEBHOOK_ATTEMPTS: Final = Counter(
    "wharf_webhook_attempts_total",
    "Requests to receivers, by the class of the answer (2xx) or by what went wrong (timeout, name, address, ...).",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOK_DURATION: Final = Histogram(
    "wharf_webhook_attempt_seconds", "How long one request took.", buckets=_ANSWERS, registry=REGISTRY
)
WEBHOOK_LAG: Final = Histogram(
    "wharf_webhook_lag_seconds",
    "From an event's place in the log to its receiver's 2xx; replays are left out.",
    buckets=_LAGS,
    registry=REGISTRY,
)
INBOUND_WEBHOOK_LAG: Final = Histogram(
    "wharf_inbound_webhook_lag_seconds",
    f"From WhatsApp's time of a message to its receiver's 2xx; replays are left out. {_WHOLE_SECONDS}",
    buckets=_LAGS,
    registry=REGISTRY,
)
WEBHOOK_GIVEN_UP: Final = Counter(
    "wharf_webhook_events_given_up_total", "Events that became dead letters.", registry=REGISTRY
)
WEBHOOK_SWITCHED_OFF: Final = Counter(
    "wharf_webhook_endpoints_switched_off_total", "Endpoints that we switched off.", ["reason"], registry=REGISTRY
)
ENDPOINTS_SERVED: Final = Gauge("wharf_webhook_endpoints_served", "Endpoints of this process.", registry=REGISTRY)
ENDPOINTS_FAILING: Final = Gauge(
    "wharf_webhook_endpoints_failing", "Those that are spared because they take nothing.", registry=REGISTRY
)
WEBHOOK_IN_HAND: Final = Gauge(
    "wharf_webhook_events_in_hand", "Events read and not yet delivered, lanes left out.", registry=REGISTRY
)
WEBHOOK_BEHIND: Final = Gauge(
    "wharf_webhook_sessions_behind", "Sessions whose events fail and are tried again.", registry=REGISTRY
)
WEBHOOK_OLDEST_FAILURE: Final = Gauge(
    "wharf_webhook_oldest_failure_seconds", "For how long the oldest of these has failed.", registry=REGISTRY
)

# -- the database ----------------------------------------------------------------------------------------------------
DATABASE_RETRIES: Final = Counter(
    "wharf_database_retries_total", "Calls that were said again because the database was away.", registry=REGISTRY
)


class PoolNumbers(Collector):
    """This process's connections to PostgreSQL, as its pool counts them."""

    def describe(self) -> Iterator[Metric]:
        yield from self._families({})

    def collect(self) -> Iterator[Metric]:
        pool = connections["default"].pool  # type: ignore[attr-defined]
        yield from self._families(pool.get_stats() if pool is not None else {})

    @staticmethod
    def _families(stats: dict[str, int]) -> Iterator[Metric]:
        size = stats.get("pool_size", 0)
        connected = GaugeMetricFamily("wharf_database_connections", "This process's connections.", labels=["state"])
        connected.add_metric(["in_use"], size - stats.get("pool_available", 0))
        connected.add_metric(["idle"], stats.get("pool_available", 0))
        yield connected
        most, waiting = stats.get("pool_max", 0), stats.get("requests_waiting", 0)
        yield GaugeMetricFamily("wharf_database_connections_max", "Connections it may have at most.", value=most)
        yield GaugeMetricFamily("wharf_database_waiting", "Threads that wait for a connection.", value=waiting)
        errors = stats.get("requests_errors", 0)
        yield CounterMetricFamily("wharf_database_no_connection", "Threads that got none in time.", value=errors)


REGISTRY.register(PoolNumbers())


# -- observing -------------------------------------------------------------------------------------------------------
def after_commit(observe: Callable[..., None], *about: object) -> None:
    """Call it once what it is about is committed; never, if it is not. What fails in it harms nothing."""

    def call() -> None:
        observe(*about)

    # Not a partial: Django asks it for its name when it logs.
    transaction.on_commit(call, robust=True)


def seconds_since(moment: datetime, now: datetime | None = None) -> float:
    """Never negative: two clocks are compared."""
    return max(0.0, ((now or timezone.now()) - moment).total_seconds())


def begin_at_zero(counter: Counter, labels: Iterable[tuple[str, ...]]) -> None:
    """Show these from now on: the first of something rare is no growth to Prometheus if nothing was there before."""
    for each in labels:
        counter.labels(*each)


def count_all(counter: Counter, labels: Iterable[tuple[str, ...]]) -> None:
    """One for each."""
    for each in labels:
        counter.labels(*each).inc()
