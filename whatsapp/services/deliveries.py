"""What a dispatcher reads and writes of its endpoints: how far they have come, what is next, what became of it.

Nothing is written for an event that is delivered but the cursor, and a line of the delivery log; both now and then, in
one transaction (`record`). A process that is killed has delivered more than it has written, and its successor delivers
that again: at least once, in the same order, with the same ids.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.db.models import QuerySet
from django.utils import timezone

from fleet import dispatching
from fleet.dispatching import EndpointLease
from tenants.models import Company
from wharf import seals
from wharf.sql import together
from whatsapp import shapes
from whatsapp.models import DeadLetter, Delivery, Event, WebhookEndpoint, WebhookLane
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import feed, news

#: What is sealed, for `wharf.seals`.
SECRET: Final = "webhook secret 1"  # noqa: S105  # what for, not what
HEADERS: Final = "webhook headers 1"
#: Days that the delivery log goes back.
DELIVERIES_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True)
class Receiver:
    """Where to send, and how to sign. `previous_secret` signs too, until its time is over."""

    url: str
    headers: dict[str, str] = field(repr=False)
    secret: bytes = field(repr=False)
    previous_secret: bytes = field(default=b"", repr=False)
    previous_until: datetime | None = None

    def secrets(self, now: datetime) -> list[bytes]:
        is_double = self.previous_until is not None and now < self.previous_until
        return [self.secret, self.previous_secret] if is_double else [self.secret]


@dataclass(frozen=True)
class Outgoing:
    """An event as it leaves."""

    position: int
    id: str
    kind: str
    session_id: str
    body: bytes
    #: Not of what only a dead letter still has.
    recorded_at: datetime | None = None
    happened_at: datetime | None = None


@dataclass(frozen=True)
class Wanted:
    """What an endpoint is told of; empty means all."""

    kinds: Sequence[str] = ()
    session_ids: Sequence[str] = ()

    def of(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        rows = rows.filter(kind__in=self.kinds) if self.kinds else rows
        return rows.filter(session_id__in=self.session_ids) if self.session_ids else rows


@dataclass
class LaneState:
    """A lane's row, as its dispatcher knows it."""

    key: str
    session_id: str
    cursor: int
    is_replay: bool = False
    event_ids: list[str] = field(default_factory=list)
    until: int | None = None
    attempts: int = 0
    failing_since: datetime | None = None
    next_at: datetime | None = None


@dataclass(frozen=True)
class Track:
    """All that a dispatcher has to know to go on where the last one stopped."""

    receiver: Receiver
    wanted: Wanted
    cursor: int
    failures: int
    failing_since: datetime | None
    open_until: datetime | None
    lanes: list[LaneState]


@dataclass(frozen=True)
class Page:
    """Events in order, up to which position they are all, and whether there are more at once."""

    events: list[Outgoing]
    next: int
    has_more: bool


@dataclass(frozen=True)
class Progress:
    """What has happened since it was last written down."""

    cursor: int
    failures: int
    failing_since: datetime | None
    open_until: datetime | None
    lanes: list[LaneState]
    closed: list[str]
    tries: list[dict[str, Any]]
    dead: list[dict[str, Any]]
    #: Events that a replay has delivered: no dead letters any more.
    revived: list[str]
    disabled: DisabledReason | None


# -- reading ---------------------------------------------------------------------------------------------------------
def load(endpoint_id: str) -> Track | None:
    """None when it is gone or switched off. Raises SealBroken."""
    row = WebhookEndpoint.objects.filter(pk=endpoint_id, is_active=True).first()
    if row is None:
        return None
    names = ("key", "session_id", "cursor", "is_replay", "event_ids", "until", "attempts", "failing_since", "next_at")
    lanes = [LaneState(**lane) for lane in row.lanes.order_by("created_at").values(*names)]
    wanted = Wanted(row.kinds, row.session_ids)
    return Track(receiver_of(row), wanted, row.cursor, row.failures, row.failing_since, row.open_until, lanes)


def receiver_of(row: WebhookEndpoint) -> Receiver:
    """Raises SealBroken."""
    secret = seals.unseal(bytes(row.sealed_secret), purpose=SECRET, about=row.pk)
    headers = seals.unseal(bytes(row.sealed_headers), purpose=HEADERS, about=row.pk) if row.sealed_headers else b"{}"
    receiver = Receiver(row.url, json.loads(headers), secret)
    if not row.sealed_previous_secret:
        return receiver
    previous = seals.unseal(bytes(row.sealed_previous_secret), purpose=SECRET, about=row.pk)
    return replace(receiver, previous_secret=previous, previous_until=row.previous_secret_until)


_LAST: Final = "SELECT value FROM whatsapp_eventcounter WHERE key = ''"
_NEXT: Final = """
SELECT * FROM whatsapp_event
WHERE position > %s AND (%s OR kind = ANY(%s)) AND (%s OR session_id = ANY(%s)) ORDER BY position LIMIT %s
"""


def read(company: Company, wanted: Wanted, *, after: int, limit: int) -> Page:
    """The next events of all sessions, in one trip: it is on the way of each that is to be fast."""
    kinds, sessions = list(wanted.kinds), list(wanted.session_ids)
    with together() as ask:
        top = ask(_LAST, [])
        rows = ask(_NEXT, [after, not kinds, kinds, not sessions, sessions, limit])
    last = max((value for (value,) in top.rows()), default=0)
    # What was committed between the two is for the next page: it says up to where it has everything.
    return _page_of(company, [row for row in rows.load(Event) if row.position <= last], last, limit)


def read_lane(company: Company, wanted: Wanted, lane: LaneState, *, limit: int) -> Page:
    """The next events of one lane."""
    last = feed.top() if lane.until is None else lane.until
    rows = Event.objects.filter(position__gt=lane.cursor, position__lte=last)
    if not lane.is_replay:
        return _page(company, wanted.of(rows.filter(session_id=lane.session_id)), last, limit)
    if not lane.event_ids:
        return _page(company, wanted.of(rows), last, limit)
    # Named ones are sent whatever the endpoint is told of by itself, and whatever the log has forgotten.
    kept = _page(company, rows.filter(id__in=lane.event_ids), last, limit)
    dead = [one for one in _dead(lane) if one.id not in {event.id for event in kept.events}]
    return Page(sorted([*dead, *kept.events], key=lambda one: one.position), kept.next, kept.has_more)


def _page(company: Company, rows: QuerySet[Event], last: int, limit: int) -> Page:
    return _page_of(company, list(rows.order_by("position")[:limit]), last, limit)


def _page_of(company: Company, found: Sequence[Event], last: int, limit: int) -> Page:
    is_full = len(found) == limit
    events = [_outgoing(row, company) for row in found]
    return Page(events, events[-1].position if is_full else last, is_full and events[-1].position < last)


def _dead(lane: LaneState) -> list[Outgoing]:
    endpoint_id = lane.key.partition(".")[0]
    rows = DeadLetter.objects.filter(endpoint=endpoint_id, event_id__in=lane.event_ids)
    letters = [(int(row.body["cursor"]), row) for row in rows]
    return [
        Outgoing(position, row.event_id, row.event_kind, row.session_id, encoded(row.body))
        for position, row in letters
        if position > lane.cursor
    ]


def _outgoing(row: Event, company: Company) -> Outgoing:
    body = encoded(shapes.event(row, company.pk))
    return Outgoing(row.position, row.id, row.kind, row.session_id, body, row.recorded_at, row.happened_at)


def encoded(shape: shapes.Shape) -> bytes:
    return msgspec.json.encode(shape)


# -- writing ---------------------------------------------------------------------------------------------------------
@news.writing
def record(company: Company, lease: EndpointLease, progress: Progress) -> None:
    """Write all of it, or nothing. Raises LeaseLost."""
    dispatching.hold(lease)
    WebhookEndpoint.objects.filter(pk=lease.endpoint_id).update(
        cursor=progress.cursor,
        failures=progress.failures,
        failing_since=progress.failing_since,
        open_until=progress.open_until,
    )
    _write_lanes(lease.endpoint_id, progress)
    Delivery.objects.bulk_create([Delivery(endpoint_id=lease.endpoint_id, **one) for one in progress.tries])
    letters = [DeadLetter(endpoint_id=lease.endpoint_id, died_at=timezone.now(), **one) for one in progress.dead]
    DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)
    if progress.revived:
        DeadLetter.objects.filter(endpoint=lease.endpoint_id, event_id__in=progress.revived).delete()
    if progress.disabled:
        switch_off(company, lease.endpoint_id, progress.disabled)


def _write_lanes(endpoint_id: str, progress: Progress) -> None:
    rows = [WebhookLane(endpoint_id=endpoint_id, **asdict(lane)) for lane in progress.lanes]
    moving = ("cursor", "attempts", "failing_since", "next_at")
    WebhookLane.objects.bulk_create(rows, update_conflicts=True, unique_fields=("key",), update_fields=moving)
    if progress.closed:
        WebhookLane.objects.filter(key__in=progress.closed).delete()


@news.writing
def disable(company: Company, lease: EndpointLease, reason: DisabledReason) -> None:
    """`switch_off` by the endpoint's dispatcher. Raises LeaseLost."""
    dispatching.hold(lease)
    switch_off(company, lease.endpoint_id, reason)


def switch_off(company: Company, endpoint_id: str, reason: DisabledReason) -> None:
    """Inside of a service that is `writing`, which holds the placement. Where it stopped is kept."""
    dispatching.leave_work(endpoint_id, is_active=False)
    row = WebhookEndpoint.objects.get(pk=endpoint_id)
    row.is_active, row.disabled_reason, row.disabled_at = False, reason, timezone.now()
    row.save(update_fields=["is_active", "disabled_reason", "disabled_at", "updated_at"])
    news.tell(company, "webhook.disabled", shapes.disabled_webhook(row))


def forget() -> int:
    """Delete what the delivery log keeps no longer; how many."""
    return Delivery.objects.filter(at__lt=timezone.now() - DELIVERIES_KEPT).delete()[0]
