"""How a company's numbers do: messages a day, how soon they are answered, how soon they arrive here, who was online.

Days that are over are counted once (`DayFigures`); the last few are counted at each look, for what a phone had kept
while it was off comes late.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from accounts.permissions import Actor, Permission
from fleet.states import State
from whatsapp.models import DayFigures, Session
from whatsapp.services import access

#: Seconds; each bucket ends before its bound, and the last has none.
REPLY_BOUNDS: Final = (60, 300, 900, 3_600, 14_400, 86_400)
#: WhatsApp tells time in whole seconds.
LAG_BOUNDS: Final = (2, 5, 30, 300, 3_600)
#: Today and so many days before are counted at each look.
UNSETTLED: Final = 2


@dataclass
class Figures:
    """Of a day, or of many."""

    incoming: int = 0
    outgoing: int = 0
    replies: list[int] = field(default_factory=lambda: [0] * (len(REPLY_BOUNDS) + 1))
    lags: list[int] = field(default_factory=lambda: [0] * (len(LAG_BOUNDS) + 1))

    def add(self, other: "Figures") -> None:
        self.incoming += other.incoming
        self.outgoing += other.outgoing
        self.replies = [mine + theirs for mine, theirs in zip(self.replies, other.replies, strict=True)]
        self.lags = [mine + theirs for mine, theirs in zip(self.lags, other.lags, strict=True)]


Counted = dict[tuple[date, str], Figures]


def days(*, by: Actor, count: int, until: date | None = None) -> dict[date, Figures]:
    """The last `count` days up to `until` (today), oldest first, of the numbers whose chats `by` may read; in the
    current time zone."""
    today = until or timezone.localdate()
    first, settled = today - timedelta(days=count - 1), today - timedelta(days=UNSETTLED)
    _settle(first, settled)
    accounts = _readable_accounts(by)
    told = {first + timedelta(days=number): Figures() for number in range(count)}
    for (day, account_id), figures in [*_stored(first, settled), *_count(max(first, settled), today).items()]:
        if account_id in accounts and day in told:
            told[day].add(figures)
    return told


def total(figures: Iterable[Figures]) -> Figures:
    whole = Figures()
    for each in figures:
        whole.add(each)
    return whole


def _readable_accounts(by: Actor) -> set[str]:
    may = access.permissions_by_session(by)
    rows: list[Session] = list(access.visible_sessions(by))
    return {row.account_id for row in rows if row.account_id and Permission.CHAT_READ in may[row.pk]}


# -- counting --------------------------------------------------------------------------------------------------------
def _stored(first: date, end: date) -> Iterator[tuple[tuple[date, str], Figures]]:
    rows = DayFigures.objects.filter(zone=_zone(), day__gte=first, day__lt=end).exclude(account_id="")
    for row in rows:
        yield (row.day, row.account_id), Figures(row.incoming, row.outgoing, list(row.replies), list(row.lags))


def _settle(first: date, end: date) -> None:
    """Count the days before `end` that nobody has looked at yet."""
    wanted = {first + timedelta(days=number) for number in range((end - first).days)}
    known = DayFigures.objects.filter(zone=_zone(), day__in=wanted, account_id="").values_list("day", flat=True)
    if missing := wanted - set(known):
        _settle_all(missing)


@transaction.atomic
def _settle_all(missing: Collection[date]) -> None:
    counted = _count(min(missing), max(missing))
    found = {key: figures for key, figures in counted.items() if key[0] in missing}
    found |= {(day, ""): Figures() for day in missing}
    rows = [
        DayFigures(zone=_zone(), day=day, account_id=account_id, **vars(figures))
        for (day, account_id), figures in found.items()
    ]
    DayFigures.objects.bulk_create(rows, ignore_conflicts=True)


#: An answer is the first message of ours after one of theirs, and it took as long as the first of theirs that it
#: answers has waited. What never left is no answer; of groups nobody expects one.
_COUNT: Final = """
WITH said AS (
    SELECT m.id, m.account_id, m.chat_id, m.from_me, m.timestamp, m.created_at, c.group_jid <> '' AS is_group
    FROM whatsapp_message m JOIN whatsapp_chat c ON c.id = m.chat_id
    WHERE m.timestamp >= %(first)s - interval '1 day' AND m.timestamp < %(end)s
      AND m.status NOT IN ('queued', 'failed', 'cancelled')
), turns AS (
    SELECT *, coalesce(sum(from_me::int) OVER (
        PARTITION BY chat_id ORDER BY timestamp, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS turn FROM said WHERE NOT is_group
), answered AS (
    SELECT account_id, min(timestamp) FILTER (WHERE NOT from_me) AS asked, min(timestamp) FILTER (WHERE from_me) AS at
    FROM turns GROUP BY account_id, chat_id, turn
)
SELECT (timestamp AT TIME ZONE %(zone)s)::date, account_id, CASE WHEN from_me THEN 'outgoing' ELSE 'incoming' END,
    CASE WHEN from_me THEN 0 ELSE width_bucket(extract(epoch FROM created_at - timestamp), %(lags)s::numeric[]) END,
    count(*)
FROM said WHERE timestamp >= %(first)s GROUP BY 1, 2, 3, 4
UNION ALL
SELECT (at AT TIME ZONE %(zone)s)::date, account_id, 'reply',
    width_bucket(extract(epoch FROM at - asked), %(replies)s::numeric[]), count(*)
FROM answered WHERE at >= %(first)s AND asked <= at GROUP BY 1, 2, 4
"""


def _count(first: date, last: date) -> Counted:
    counted: Counted = {}
    bounds = {"first": _midnight(first), "end": _midnight(last + timedelta(days=1))}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {**bounds, "zone": _zone(), "lags": list(LAG_BOUNDS), "replies": list(REPLY_BOUNDS)})
        for day, account_id, kind, bucket, number in cursor.fetchall():
            _enter(counted.setdefault((day, account_id), Figures()), kind, bucket, number)
    return counted


def _enter(figures: Figures, kind: str, bucket: int, number: int) -> None:
    match kind:
        case "outgoing":
            figures.outgoing += number
        case "incoming":
            figures.incoming += number
            figures.lags[bucket] += number
        case _:
            figures.replies[bucket] += number


def _zone() -> str:
    return timezone.get_current_timezone_name()


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


# -- online ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Stretch:
    """A session was in `state` from `start` to `end`, as parts of the whole span (0 to 1)."""

    state: State
    start: float
    end: float


#: More than can be told apart on a screen.
_MOST_STRETCHES: Final = 400


def stretches(session_ids: Sequence[str], *, since: datetime, until: datetime) -> dict[str, list[Stretch]]:
    """What each session's state was in that time, in order. Of one that was not there yet, less than the whole."""
    span = (until - since).total_seconds()
    told: dict[str, list[Stretch]] = {session_id: [] for session_id in session_ids}
    for session_id, changes in _changes(session_ids, since).items():
        ends = [*(at for at, _ in changes[1:]), until]
        for (at, state), end in zip(changes, ends, strict=True):
            start = max(0.0, (at - since).total_seconds() / span)
            told[session_id].append(Stretch(State(state), start, (end - since).total_seconds() / span))
    return told


_CHANGES: Final = """
(SELECT t.session_id, t.at, t.after FROM unnest(%(ids)s::text[]) AS wanted(id) CROSS JOIN LATERAL (
    SELECT session_id, at, after FROM whatsapp_transition
    WHERE session_id = wanted.id AND at < %(since)s AND before <> after ORDER BY id DESC LIMIT 1
 ) AS t)
UNION ALL
(SELECT t.session_id, t.at, t.after FROM unnest(%(ids)s::text[]) AS wanted(id) CROSS JOIN LATERAL (
    SELECT session_id, at, after FROM whatsapp_transition
    WHERE session_id = wanted.id AND at >= %(since)s AND before <> after ORDER BY id DESC LIMIT %(most)s
 ) AS t)
ORDER BY 1, 2
"""


def _changes(session_ids: Sequence[str], since: datetime) -> dict[str, list[tuple[datetime, str]]]:
    changes: dict[str, list[tuple[datetime, str]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, {"ids": list(session_ids), "since": since, "most": _MOST_STRETCHES})
        for session_id, at, after in cursor.fetchall():
            changes.setdefault(session_id, []).append((at, after))
    return changes
