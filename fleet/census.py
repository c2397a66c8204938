"""The fleet as its rows have it, for operators' metrics: a fixed number of queries however many companies there are.

Asked at most every few seconds, whoever scrapes. When the database is away that alone is told: old numbers would be
taken for new ones. Every web process tells the same, so these are not to be summed over processes.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout

from fleet.reasons import Reason
from fleet.states import LINKED_UP, LIVE, State
from tenants.context import run_in_public

log = logging.getLogger("fleet.census")

CACHE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Told:
    """A gauge: its rows are the labels' values and then the number."""

    name: str
    help: str
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Question:
    """A query whose rows begin with the number of the gauge in `told` that they are of."""

    told: Sequence[Told]
    sql: str
    parameters: Sequence[Any] = ()


#: As `Placement.shown_state` and `is_silent` have it: nobody is connected on the word of a worker that went silent.
_SHOWN: Final = """
WITH shown AS (
    SELECT p.network, p.wanted, p.since, p.queued, p.due_since,
        CASE WHEN p.state = ANY(%s) AND away THEN %s ELSE p.state END AS state,
        CASE WHEN p.state = ANY(%s) AND away THEN %s ELSE p.reason END AS reason,
        away AND (p.wanted <> 'stopped' OR p.state = ANY(%s)) AS is_orphan
    FROM fleet_placement p LEFT JOIN fleet_worker w ON w.id = p.owner_id,
        LATERAL (SELECT w.id IS NULL OR w.lease_until < now() AS away) AS owner
), queues AS (
    SELECT connected, queued, due_since FROM (VALUES ('yes'), ('no')) AS both_kinds(connected)
    LEFT JOIN shown ON (state = 'connected') = (connected = 'yes')
)
"""
_SESSIONS: Final = (
    _SHOWN
    + """
SELECT 0, network, state, CASE WHEN reason = ANY(%s) THEN reason ELSE 'other' END, wanted, count(*)
FROM shown GROUP BY 2, 3, 4, 5
UNION ALL
SELECT 1, state, quantile::text, NULL, NULL,
    percentile_cont(quantile) WITHIN GROUP (ORDER BY greatest(extract(epoch FROM now() - since), 0))
FROM shown, unnest(ARRAY[0.5, 0.95, 1]::float8[]) AS quantile GROUP BY state, quantile
UNION ALL
SELECT 2, NULL, NULL, NULL, NULL, count(*) FILTER (WHERE is_orphan) FROM shown
UNION ALL
SELECT 3, connected, NULL, NULL, NULL, coalesce(sum(queued), 0) FROM queues GROUP BY connected
UNION ALL
SELECT 4, connected, NULL, NULL, NULL, greatest(coalesce(extract(epoch FROM now() - min(due_since)), 0), 0)
FROM queues GROUP BY connected
UNION ALL
SELECT 5, NULL, NULL, NULL, NULL, coalesce(max(extract(epoch FROM now() - snapshot_at)), 0)
FROM fleet_placement WHERE device_jid <> '' AND snapshot_jid = device_jid AND state = ANY(%s)
UNION ALL
SELECT 6, NULL, NULL, NULL, NULL, count(*) FROM fleet_placement
WHERE device_jid <> '' AND snapshot_jid <> device_jid AND wanted = 'running'
"""
)
_PROCESSES: Final = """
SELECT 0, 'worker', count(*) FILTER (WHERE lease_until >= now()) FROM fleet_worker WHERE stopped_at IS NULL
UNION ALL
SELECT 0, 'dispatcher', count(*) FILTER (WHERE lease_until >= now()) FROM fleet_dispatcher WHERE stopped_at IS NULL
UNION ALL
SELECT 1, NULL, coalesce(sum(capacity), 0) FROM fleet_worker WHERE stopped_at IS NULL AND lease_until >= now()
UNION ALL
SELECT 2, CASE WHEN d.lease_until >= now() THEN 'yes' ELSE 'no' END, count(*)
FROM fleet_endpointplacement e LEFT JOIN fleet_dispatcher d ON d.id = e.owner_id WHERE e.is_active GROUP BY 2
UNION ALL
SELECT 3, cause, count(*) FROM fleet_trouble WHERE ended_at IS NULL GROUP BY cause
"""
_JOBS: Final = """
WITH waiting AS (
    SELECT coalesce(scheduled_at, (SELECT min(at) FROM procrastinate_events e WHERE e.job_id = j.id)) AS since
    FROM procrastinate_jobs j WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
)
SELECT 0, 'due', count(*)::float8 FROM waiting
UNION ALL
SELECT 0, 'running', count(*) FROM procrastinate_jobs WHERE status = 'doing'
UNION ALL
SELECT 1, NULL, coalesce(extract(epoch FROM now() - min(since)), 0)::float8 FROM waiting
UNION ALL
SELECT 2, coalesce(state, 'other'), count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY 2
UNION ALL
SELECT 3, NULL, current_setting('max_connections')::float8
"""
_UP: Final = [state.value for state in LINKED_UP]
_LIVE: Final = [state.value for state in LIVE]
_SILENT: Final = (_UP, State.CONNECTING.value, _UP, Reason.WORKER_SILENT.value)

QUESTIONS: Final = (
    Question(
        (
            Told(
                "wharf_sessions",
                "Sessions by what is, why, and what people want.",
                ("network", "state", "reason", "wanted"),
            ),
            Told(
                "wharf_session_state_age_seconds",
                "For how long sessions have been in their state: the median, the 95th percentile and the longest.",
                ("state", "quantile"),
            ),
            Told("wharf_sessions_without_owner", "Sessions that want a worker and have none that lives."),
            Told(
                "wharf_messages_queued",
                "Texts that wait to leave, by whether their session is connected; counted once a minute.",
                ("connected",),
            ),
            Told(
                "wharf_messages_oldest_due_seconds",
                "For how long the oldest one has waited that might have left: for its connection, its pace or people.",
                ("connected",),
            ),
            Told(
                "wharf_snapshot_age_seconds",
                "Age of the oldest snapshot of a session that is or should be online; quiet ones are not taken again.",
            ),
            Told(
                "wharf_sessions_without_snapshot", "Linked sessions that cannot go on elsewhere if their disk is lost."
            ),
        ),
        _SESSIONS,
        (*_SILENT, _LIVE, [reason.value for reason in Reason], _LIVE),
    ),
    Question(
        (
            Told("wharf_processes_alive", "Workers and dispatchers whose lease holds.", ("role",)),
            Told("wharf_worker_capacity_sessions", "How many sessions the living workers take together."),
            Told("wharf_webhook_endpoints", "Webhook endpoints in use, and whether one serves them.", ("served",)),
            Told("wharf_troubles_open", "What the monitor sees and has not seen end.", ("cause",)),
        ),
        _PROCESSES,
    ),
    Question(
        (
            Told("wharf_jobs", "Background jobs: due ones that wait, and running ones.", ("state",)),
            Told("wharf_jobs_oldest_due_seconds", "For how long the oldest due job has waited."),
            Told("wharf_database_server_connections", "Everybody's connections to the database.", ("state",)),
            Told("wharf_database_server_connections_max", "How many the server takes."),
        ),
        _JOBS,
    ),
)


class Census(Collector):
    def __init__(self, cache_seconds: float = CACHE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = cache_seconds, clock
        self._lock = threading.Lock()
        self._taken_at: float | None = None
        self._taken: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if self._taken_at is None or self._clock() - self._taken_at >= self._seconds:
                self._taken = run_in_public(_take)
                self._taken_at = self._clock()
            yield from self._taken


def _take() -> list[Metric]:
    try:
        families = [family for question in QUESTIONS for family in _answers(question)]
    except (DatabaseError, InterfaceError, PoolTimeout) as error:
        log.warning("the fleet's rows cannot be read (%s)", type(error).__name__)
        families = []
    help_text = "Whether the fleet's rows could be read; without that there are no numbers of it."
    return [*families, GaugeMetricFamily("wharf_census_up", help_text, value=float(bool(families)))]


def _answers(question: Question) -> list[GaugeMetricFamily]:
    families = [GaugeMetricFamily(one.name, one.help, labels=one.labels) for one in question.told]
    with connection.cursor() as cursor:
        cursor.execute(question.sql, list(question.parameters) or None)
        for which, *values in cursor.fetchall():
            labels = values[: len(question.told[which].labels)]
            families[which].add_metric([str(label) for label in labels], float(values[-1]))
    return families


CENSUS: Final = CollectorRegistry()
CENSUS.register(Census())
