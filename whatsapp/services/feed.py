"""Reading the event log: what somebody may hear of, from where they stopped, in order.

A cursor is a position in the company's log. What was committed is there to its last number, so who has read up to a
cursor has missed nothing before it.
"""

import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from accounts.errors import AdminsOnly
from accounts.permissions import Actor, Permission
from tenants.models import Company
from wharf import ending
from whatsapp.catalogue import KINDS, Audience
from whatsapp.errors import CursorAhead, CursorTooOld, EventNotKept
from whatsapp.live import Ear
from whatsapp.models import Event, EventCounter
from whatsapp.services.access import permissions_by_session

MAX_EVENTS: Final = 1000
#: So often somebody who waits looks without having heard anything, for a hint may be missed: one row by its key.
LOOK_SECONDS: Final = 2.0
#: Deleted in one statement.
_AT_ONCE: Final = 10_000


#: `top`, for those who ask it together with other things.
TOP: Final = "SELECT value FROM whatsapp_eventcounter WHERE key = ''"
_SETTLED: Final = f"{TOP} FOR SHARE"


@dataclass(frozen=True)
class Wanted:
    """What of the log is asked for; empty means all. `session_id` is one's own word: rights are looked up anyway."""

    kinds: Collection[str] = ()
    session_id: str = ""


@dataclass(frozen=True)
class Stretch:
    """Events in order, the cursor for the next call, and whether there are more at once."""

    events: list[Event]
    next: int
    has_more: bool


def top() -> int:
    """The last position that was given and committed."""
    return EventCounter.objects.filter(key="").values_list("value", flat=True).first() or 0


def settled_top() -> tuple[int, datetime]:
    """`top`, and a moment of the database's clock: whatever is committed later was recorded after it.

    Whoever writes news holds the counter until the commit, and tells the time after it was given numbers. So this
    waits for those who are about to commit.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SETTLED)
        last = (cursor.fetchone() or (0,))[0]
        cursor.execute("SELECT clock_timestamp()")
        return last, cursor.fetchone()[0]


def floor() -> int:
    """The cursor before the oldest event that is kept."""
    oldest: int | None = Event.objects.aggregate(oldest=Min("position"))["oldest"]
    return oldest - 1 if oldest is not None else top()


def read(*, by: Actor, after: int | None = None, wanted: Wanted = Wanted(), limit: int = 100) -> Stretch:
    """What `by` may hear of after the cursor; from the oldest that is kept without one.

    Raises CursorTooOld when events after it are not kept any more, CursorAhead when there was no such position yet.
    """
    last = top()
    after = floor() if after is None else _checked(after, last)
    rows = _only(Event.objects.filter(_allowed(by), position__gt=after, position__lte=last), wanted)
    events = list(rows.order_by("position")[: min(limit, MAX_EVENTS)])
    is_full = len(events) == min(limit, MAX_EVENTS)
    return Stretch(events, events[-1].position if is_full else last, is_full and events[-1].position < last)


def _checked(after: int, last: int) -> int:
    if after > last:
        raise CursorAhead(last=last)
    if after < (oldest := floor()):
        raise CursorTooOld(oldest=oldest)
    return after


def wait_for_news(company: Company, after: int, *, seconds: float) -> None:
    """Until something was committed after `after`, or this process is to end.

    Holds no database connection meanwhile.
    """
    end = time.monotonic() + seconds
    with closing(Ear(company)) as ear:
        while not ending.is_near() and top() <= after and (left := end - time.monotonic()) > 0:
            if not connection.in_atomic_block:
                connection.close()
            ear.wait(min(left, LOOK_SECONDS))


# -- looking back ------------------------------------------------------------------------------------------------------
#: Positions that one look goes back: what is rare is looked for in steps, whatever the log's length.
WINDOW: Final = 100_000
#: What it takes to read all of the log: rights on single sessions are not looked at.
_WHOLE: Final = frozenset({Permission.SESSION_VIEW, Permission.CHAT_READ, Permission.ACCESS_GRANT})


@dataclass(frozen=True)
class Past:
    """Events, the newest first, of everything up to `top`; `before` is the cursor to go on with, None at the end."""

    events: list[Event]
    top: int
    before: int | None


def look_back(
    *, by: Actor, before: int | None = None, after: int = 0, wanted: Wanted = Wanted(), limit: int = 50
) -> Past:
    """The whole log backwards from a cursor, not beyond another one: at most `WINDOW` positions.

    Without an event in that stretch, what is asked for may still be further back. Raises AdminsOnly.
    """
    _require_all(by)
    last = top() if before is None else before - 1
    first = max(after, last - WINDOW)
    rows = _only(Event.objects.filter(position__gt=first, position__lte=last), wanted)
    events = list(rows.order_by("-position")[:limit])
    end = events[-1].position - 1 if len(events) == limit else first
    return Past(events, last, end + 1 if end > max(after, floor()) else None)


def find(event_id: str, *, by: Actor) -> Event:
    """Raises AdminsOnly, EventNotKept."""
    _require_all(by)
    row = Event.objects.filter(id=event_id).first()
    if row is None:
        raise EventNotKept
    return row


def _require_all(by: Actor) -> None:
    if not by.permissions >= _WHOLE:
        raise AdminsOnly


def _only(rows: QuerySet[Event], wanted: Wanted) -> QuerySet[Event]:
    rows = rows.filter(kind__in=wanted.kinds) if wanted.kinds else rows
    return rows.filter(session_id=wanted.session_id) if wanted.session_id else rows


# -- who may -----------------------------------------------------------------------------------------------------------
def _allowed(by: Actor) -> Q:
    permissions = permissions_by_session(by)
    readable = [session_id for session_id, held in permissions.items() if Permission.CHAT_READ in held]
    # Whoever sees all sees also what was archived since.
    sessions = Q() if Permission.SESSION_VIEW in by.permissions else Q(session_id__in=list(permissions))
    chats = Q() if Permission.CHAT_READ in by.permissions else Q(session_id__in=readable)
    people = Q() if Permission.ACCESS_GRANT in by.permissions else Q(user_id=by.user_id or "-")
    allowed = Q(kind__in=_of(Audience.SESSION)) & sessions | Q(kind__in=_of(Audience.CHATS)) & chats
    allowed |= Q(kind__in=_of(Audience.PERSON)) & people
    if Permission.SESSION_VIEW in by.permissions:
        allowed |= Q(kind__in=_of(Audience.ADMINS))
    return allowed


def _of(audience: Audience) -> list[str]:
    return [kind.name for kind in KINDS.values() if kind.audience == audience]


def forget(*, days: int) -> int:
    """Delete what is older than `days`, oldest first; how many. What is kept stays without gaps."""
    cutoff, gone = timezone.now() - timedelta(days=days), 0
    while True:
        oldest = list(Event.objects.order_by("position").values_list("position", "recorded_at")[:_AT_ONCE])
        old = [position for position, recorded_at in oldest if recorded_at < cutoff]
        if old:
            gone += Event.objects.filter(position__lte=old[-1]).delete()[0]
        if len(old) < _AT_ONCE:
            return gone
