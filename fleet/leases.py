"""Exactly one owner a session: claiming, renewing, giving back, and proving that one still is the owner.

All times are the database's, so workers with wrong clocks agree.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from fleet.models import Placement, Worker
from fleet.states import LIVE, Wanted
from wharf.errors import Kind, WharfError, sentence
from wharf.sql import Answer, Ask, together

#: A worker that has not renewed for this long has lost its sessions to whoever claims them.
LEASE: Final = timedelta(seconds=12)


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
def register(*, name: str, pid: int, capacity: int, store_id: str) -> Worker:
    """Enter a new worker. `name` is held by one process at a time (`whatsapp.worker.identity`), so whoever had it
    before is dead, and what it owned is free at once."""
    for predecessor in Worker.objects.filter(name=name, stopped_at=None):
        retire(predecessor)
    return Worker.objects.create(name=name, pid=pid, capacity=capacity, store_id=store_id, lease_until=_lease_end())


def _claimable(worker: Worker) -> Q:
    # Its own it has: a worker that was asleep between two looks must not take its sessions from itself.
    free = Q(owner=None) | (Q(owner__lease_until__lt=Now()) & ~Q(owner=worker))
    something_to_do = ~Q(wanted=Wanted.STOPPED) | Q(state__in=LIVE)
    reachable = Q(device_jid="") | Q(store_id=worker.store_id)
    return free & something_to_do & reachable


@transaction.atomic
def claim(worker: Worker, *, limit: int) -> list[Placement]:
    """Take up to `limit` sessions that want an owner and have none; a second worker never gets the same one."""
    free = Placement.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    ids = list(free.filter(_claimable(worker)).order_by("session_id").values_list("session_id", flat=True)[:limit])
    if ids:
        Placement.objects.filter(session_id__in=ids).update(owner=worker, fence=F("fence") + 1)
    return owned(worker, ids)


def owned(worker: Worker, ids: list[str] | None = None) -> list[Placement]:
    """What the worker owns, or those of `ids` that it owns."""
    mine = Placement.objects.select_related("company").filter(owner=worker)
    return list(mine if ids is None else mine.filter(session_id__in=ids))


def renew(worker: Worker) -> list[Placement]:
    """Beat the heart, which prolongs the lease on everything owned; returns what that is now."""
    if not Worker.objects.filter(pk=worker.pk, stopped_at=None).update(lease_until=_lease_end()):
        raise WorkerGone
    return owned(worker)


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


def leave_work(session_id: str) -> None:
    """Tell the owner that there is something new for it, once the surrounding transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute(_LEAVE_WORK, [session_id, WAKE_CHANNEL])


_LEAVE_WORK: Final = """
WITH left_for AS (UPDATE fleet_placement SET work = work + 1 WHERE session_id = %s RETURNING session_id)
SELECT pg_notify(%s, session_id) FROM left_for
"""


#: The PostgreSQL channel that workers listen on.
WAKE_CHANNEL: Final = "wharf_work"
