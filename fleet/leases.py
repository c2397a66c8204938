"""Exactly one owner a session: claiming, renewing, giving back, and proving that one still is the owner.

All times are the database's, so workers with wrong clocks agree.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from fleet.models import Placement, Worker
from fleet.states import LIVE, Wanted
from tenants.models import Company
from wharf.errors import Kind, WharfError, sentence
from wharf.logs import connection_name
from wharf.sql import Answer, Ask, together

#: A worker that has not renewed for this long has lost its sessions to whoever claims them. With a beat until somebody
#: looks and a moment to connect, they are online again within fifteen seconds; its own hosts have left by then.
LEASE: Final = timedelta(seconds=10)


@dataclass(frozen=True)
class Lease:
    """The right to write for a session: valid while the placement still shows this owner and fence."""

    session_id: str
    worker_id: str
    fence: int


class LeaseLost(WharfError):
    """Another worker owns the session now; whoever gets this must stop acting for it at once."""

    code, kind = "lease_lost", Kind.CONFLICT
    text = sentence("Another worker owns this session now")


class WorkerGone(WharfError):
    """The worker's own row has disappeared or was marked as stopped."""

    code, kind = "worker_gone", Kind.CONFLICT
    text = sentence("This worker is no longer registered")


def _lease_end() -> CombinedExpression:
    return Now() + LEASE


@transaction.atomic
def register(*, name: str, pid: int, capacity: int, store_id: str, lost_after: int = 0) -> Worker:
    """Enter a new worker. `name` is held by one process at a time (`whatsapp.worker.identity`), so whoever had it
    before is dead, and what it owned is free at once.

    With `lost_after` it promises that its connections end by themselves well before so many seconds of silence.
    """
    for predecessor in Worker.objects.filter(name=name, stopped_at=None):
        retire(predecessor)
    return Worker.objects.create(
        name=name,
        pid=pid,
        capacity=capacity,
        store_id=store_id,
        lease_until=_lease_end(),
        unbroken_since=Now(),
        lost_after=lost_after,
    )


#: The disk of `p` is lost as far as `me` can tell: none of its workers has been heard of for as long as each of them
#: promised to be without connections by then, and `me` was there all that time to hear them. Who came back from the
#: same outage, or out of a restored database, has heard nobody either. There must be a snapshot, and no back-off.
_DISK_IS_LOST: Final = """
me.lost_after > 0 AND me.unbroken_since < statement_timestamp() - make_interval(secs => me.lost_after)
AND p.snapshot_jid = p.device_jid AND coalesce(p.next_retry_at <= statement_timestamp(), true)
AND p.store_id NOT IN (
    SELECT w.store_id FROM fleet_worker w, me WHERE (w.lost_after = 0 AND w.stopped_at IS NULL)
    OR w.lease_until > statement_timestamp() - make_interval(secs => greatest(w.lost_after, me.lost_after))
)
"""
#: Who asks.
_ME: Final = "me AS (SELECT * FROM fleet_worker WHERE id = %s)"
#: `p` wants an owner and has none. A worker's own it has: one that was asleep between two looks must not take its
#: sessions from itself. Of a linked device a worker on its disk has the keys; another has at best a snapshot of them.
_CLAIMABLE: Final = f"""
me CROSS JOIN fleet_placement p LEFT JOIN fleet_worker o ON o.id = p.owner_id
WHERE (p.wanted <> 'stopped' OR p.state IN ({", ".join(f"'{state}'" for state in sorted(LIVE))}))
  AND (p.owner_id IS NULL OR (o.lease_until < statement_timestamp() AND o.id <> me.id))
  AND (p.device_jid = '' OR p.store_id = me.store_id OR ({_DISK_IS_LOST}))
"""
_CLAIM: Final = f"""
WITH {_ME}, free AS MATERIALIZED
(SELECT p.session_id FROM {_CLAIMABLE} ORDER BY p.session_id LIMIT %s FOR NO KEY UPDATE OF p SKIP LOCKED)
UPDATE fleet_placement t SET owner_id = %s, fence = t.fence + 1 FROM free WHERE t.session_id = free.session_id
RETURNING t.session_id
"""  # noqa: S608  # of our own words


def claim(worker: Worker, *, limit: int) -> list[Placement]:
    """Take up to `limit` sessions that want an owner and have none; a second worker never gets the same one."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [worker.pk, limit, worker.pk])
        ids = [session_id for (session_id,) in cursor.fetchall()]
    return owned(worker, ids) if ids else []


def owned(worker: Worker, ids: list[str]) -> list[Placement]:
    """Those of `ids` that the worker owns."""
    return list(Placement.objects.select_related("company").filter(owner=worker, session_id__in=ids))


@dataclass(frozen=True)
class Beat:
    """`mine` is what the worker owns; `has_free` says that there are sessions to claim; `repack_asked_at` is the last
    wish that it merges its hosts."""

    mine: list[Placement]
    has_free: bool
    repack_asked_at: datetime | None = None


_RENEW: Final = """
UPDATE fleet_worker SET lease_until = statement_timestamp() + %s,
    unbroken_since = CASE WHEN lease_until < statement_timestamp() THEN statement_timestamp() ELSE unbroken_since END
WHERE id = %s AND stopped_at IS NULL
RETURNING repack_asked_at
"""
_EVIDENCE: Final = """
UPDATE fleet_placement SET evidence_at = statement_timestamp()
WHERE session_id = ANY(%s) AND owner_id = %s AND state = 'connected'
"""
_MINE: Final = "SELECT * FROM fleet_placement WHERE owner_id = %s"
_COMPANIES: Final = """
SELECT * FROM tenants_company WHERE id IN (SELECT company_id FROM fleet_placement WHERE owner_id = %s)
"""
_HAS_FREE: Final = f"WITH {_ME} SELECT EXISTS (SELECT FROM {_CLAIMABLE})"  # noqa: S608  # of our own words


#: A process that was stopped in the middle of a transaction keeps its locks, and the company's log with them. It is
#: nobody's owner any more by the time that this finds it; when it wakes up, its write has failed. (PostgreSQL's own
#: `idle_in_transaction_session_timeout` does not begin to count after a pipeline.) Commands take their time.
_END_STOPPED: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = ANY(%s) AND datname = current_database() AND usename = current_user
  AND state = 'idle in transaction' AND state_change < statement_timestamp() - %s
"""
_LONG_RUNNING: Final = [connection_name(name) for name in ("web", "runsessions", "runwebhooks", "runjobs")]
STOPPED_AFTER: Final = LEASE * 0.7


def renew(worker: Worker, *, alive: Collection[str] = ()) -> Beat:
    """Beat the heart, which prolongs the lease on everything owned. `alive` are connections seen since the last beat.

    Every few seconds for as long as a worker lives, and whatever comes in meanwhile waits for it: one trip.
    """
    with together() as ask:
        renewed = ask(_RENEW, [LEASE, worker.pk])
        if alive:
            ask(_EVIDENCE, [list(alive), worker.pk])
        mine, companies = ask(_MINE, [worker.pk]), ask(_COMPANIES, [worker.pk])
        free = ask(_HAS_FREE, [worker.pk])
        ask(_END_STOPPED, [_LONG_RUNNING, STOPPED_AFTER])
    if not (row := renewed.rows()):
        raise WorkerGone
    placements = _with_companies(mine.load(Placement), companies.load(Company))
    return Beat(placements, bool(free.rows()[0][0]), repack_asked_at=row[0][0])


def _with_companies(placements: list[Placement], companies: list[Company]) -> list[Placement]:
    known = {company.pk: company for company in companies}
    for placement in placements:
        placement.company = known[placement.company_id]
    return placements


def release(lease: Lease) -> None:
    """Give the session back, so that it can be claimed again at once; harmless when it is already another's.

    A session that was to be unlinked and is not linked is done: nobody has to claim it for that again.
    """
    is_done = When(wanted=Wanted.UNLINKED, device_jid="", then=Value(Wanted.STOPPED))
    Placement.objects.filter(_held(lease)).update(owner=None, wanted=Case(is_done, default=F("wanted")))


def retire(worker: Worker) -> None:
    """The worker is leaving: all it still owns becomes free."""
    Placement.objects.filter(owner=worker).update(owner=None)
    Worker.objects.filter(pk=worker.pk).update(stopped_at=Now(), lease_until=Now())


def _held(lease: Lease) -> Q:
    return Q(session_id=lease.session_id, owner_id=lease.worker_id, fence=lease.fence)


_HOLD: Final = """
SELECT * FROM fleet_placement WHERE session_id = %s AND owner_id = %s AND fence = %s FOR NO KEY UPDATE
"""


def hold(lease: Lease) -> Placement:
    """Lock the placement for the rest of this transaction, or raise LeaseLost.

    Every write of a worker starts here: a worker that was stopped in the middle and wakes up late fails before it
    has written anything. Must be called inside a transaction. Said in SQL: it is the most frequent query of all.
    """
    with together() as ask:
        answer = ask_to_hold(ask, lease)
    return held(answer)


def ask_to_hold(ask: Ask, lease: Lease) -> Answer:
    """`hold`, together with what else is to be known: `held` has the answer."""
    return ask(_HOLD, [lease.session_id, lease.worker_id, lease.fence])


def held(answer: Answer) -> Placement:
    """Raises LeaseLost."""
    if not (found := answer.load(Placement)):
        raise LeaseLost
    return found[0]


def ask_to_repack(worker_id: str) -> None:
    """Let the worker merge its hosts; it hears of it with its next beat. Raises WorkerGone."""
    if not Worker.objects.filter(pk=worker_id, stopped_at=None).update(repack_asked_at=Now()):
        raise WorkerGone


def leave_work(session_id: str) -> None:
    """Tell the owner that there is something new for it, once the surrounding transaction commits."""
    with together() as ask:
        ask_to_leave_work(ask, session_id)


def ask_to_leave_work(ask: Ask, session_id: str) -> None:
    """`leave_work`, together with what else is to be said."""
    ask(_LEAVE_WORK, [session_id, WAKE_CHANNEL])


_LEAVE_WORK: Final = """
WITH left_for AS (UPDATE fleet_placement SET work = work + 1 WHERE session_id = %s RETURNING session_id)
SELECT pg_notify(%s, session_id) FROM left_for
"""


#: The PostgreSQL channel that workers listen on.
WAKE_CHANNEL: Final = "wharf_work"
