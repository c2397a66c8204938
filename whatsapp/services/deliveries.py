"""What a dispatcher reads and writes of its endpoints: how far they have come, what is next, what became of it.

Nothing is written for an event that is delivered but the cursor, and a line of the delivery log; both now and then, in
one transaction (`record`). A process that is killed has delivered more than it has written, and its successor delivers
that again: at least once, in the same order, with the same ids.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from fleet import dispatching
from fleet.dispatching import EndpointLease
from tenants.models import Company
from wharf import seals
from wharf.ids import new_id
from wharf.sql import together
from whatsapp import shapes
from whatsapp.models import DeadLetter, Delivery, Event, WebhookEndpoint, WebhookLane
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import batches, feed, news
from whatsapp.services.batches import Batching

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
    """An event as it leaves, or a batch of them, which has its last one's place."""

    position: int
    id: str
    kind: str
    session_id: str
    body: bytes
    chat_id: str = ""
    #: It does not leave as it is: others may belong to it.
    is_held: bool = False
    #: Not of what only a dead letter still has.
    recorded_at: datetime | None = None
    happened_at: datetime | None = None


@dataclass(frozen=True)
class Wanted:
    """What an endpoint is told of, empty means all; and whether messages of one chat are put together."""

    kinds: Sequence[str] = ()
    session_ids: Sequence[str] = ()
    batching: Batching | None = None

    def of(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        rows = rows.filter(kind__in=self.kinds) if self.kinds else rows
        return rows.filter(session_id__in=self.session_ids) if self.session_ids else rows


@dataclass
class LaneState:
    """A lane's row, as its dispatcher knows it. `until` is None of what ends where it has caught up."""

    key: str
    session_id: str
    cursor: int
    chat_id: str | None = None
    is_replay: bool = False
    event_ids: list[str] = field(default_factory=list)
    until: int | None = None
    attempts: int = 0
    failing_since: datetime | None = None
    next_at: datetime | None = None

    @property
    def stream(self) -> str:
        """Whose events these are: a chat's or a session's."""
        return self.chat_id or self.session_id


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
    """Events in order, up to which position they are all, and whether there are more at once.

    `wait`: seconds after which a batch that may still grow is complete; None when there is none.
    """

    events: list[Outgoing]
    next: int
    has_more: bool
    wait: float | None = None


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


_LANE: Final = tuple(one.name for one in fields(LaneState))


# -- reading ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def load(lease: EndpointLease) -> Track | None:
    """None when it is gone or switched off. Raises SealBroken, LeaseLost."""
    dispatching.hold(lease)
    row = WebhookEndpoint.objects.filter(pk=lease.endpoint_id, is_active=True).first()
    if row is None:
        return None
    _part_with_old_lanes(row)
    lanes = [LaneState(**lane) for lane in row.lanes.order_by("created_at").values(*_LANE)]
    wanted = Wanted(row.kinds, row.session_ids, batching_of(row))
    return Track(receiver_of(row), wanted, row.cursor, row.failures, row.failing_since, row.open_until, lanes)


def batching_of(row: WebhookEndpoint) -> Batching | None:
    """None where each message is sent by itself."""
    quiet = timedelta(seconds=row.batch_quiet_seconds)
    return Batching(quiet, row.batch_max_messages) if quiet else None


def _part_with_old_lanes(row: WebhookEndpoint) -> None:
    """After batches were switched on or off: lanes were a session's and are a chat's now, or the other way round.

    What is left of them up to the endpoint's cursor goes beside what is new.
    """
    old = row.lanes.filter(is_replay=False, until=None, chat_id__isnull=batching_of(row) is not None)
    for key in list(old.values_list("key", flat=True)):
        row.lanes.filter(key=key).update(key=f"{row.pk}.rest.{new_id()}", until=row.cursor)


def receiver_of(row: WebhookEndpoint) -> Receiver:
    """Raises SealBroken."""
    secret = seals.unseal(bytes(row.sealed_secret), purpose=SECRET, about=row.pk)
    headers = seals.unseal(bytes(row.sealed_headers), purpose=HEADERS, about=row.pk) if row.sealed_headers else b"{}"
    receiver = Receiver(row.url, json.loads(headers), secret)
    if not row.sealed_previous_secret:
        return receiver
    previous = seals.unseal(bytes(row.sealed_previous_secret), purpose=SECRET, about=row.pk)
    return replace(receiver, previous_secret=previous, previous_until=row.previous_secret_until)


_NEXT: Final = """
SELECT * FROM whatsapp_event
WHERE position > %s AND (%s OR kind = ANY(%s)) AND (%s OR session_id = ANY(%s)) ORDER BY position LIMIT %s
"""


def read(company: Company, wanted: Wanted, *, after: int, limit: int) -> Page:
    """The next events of all sessions, in one trip: it is on the way of each that is to be fast."""
    kinds, sessions = list(wanted.kinds), list(wanted.session_ids)
    with together() as ask:
        top = ask(feed.TOP, [])
        rows = ask(_NEXT, [after, not kinds, kinds, not sessions, sessions, limit])
    last = max((value for (value,) in top.rows()), default=0)
    # What was committed between the two is for the next page: it says up to where it has everything.
    return _page_of(company, wanted, [row for row in rows.load(Event) if row.position <= last], last, limit)


def read_lane(company: Company, wanted: Wanted, lane: LaneState, *, limit: int) -> Page:
    """The next events of one lane."""
    if lane.until is None and lane.chat_id and wanted.batching is not None:
        return _batched_page(company, wanted, wanted.batching, lane, limit)
    last = feed.top() if lane.until is None else lane.until
    rows = Event.objects.filter(position__gt=lane.cursor, position__lte=last)
    if not lane.is_replay:
        return _page(company, wanted, wanted.of(_of_stream(rows, lane)), last, limit)
    if not lane.event_ids:
        return _page(company, wanted, wanted.of(rows), last, limit)
    # Named ones are sent whatever the endpoint is told of by itself, and whatever the log has forgotten.
    kept = _page(company, wanted, rows.filter(id__in=lane.event_ids), last, limit)
    others = {one.id: one for one in [*_dead(lane), *named_batches(company, lane.event_ids)]}
    rest = [one for one in others.values() if lane.cursor < one.position and one.id not in {e.id for e in kept.events}]
    return Page(sorted([*rest, *kept.events], key=lambda one: one.position), kept.next, kept.has_more)


def _of_stream(rows: QuerySet[Event], lane: LaneState) -> QuerySet[Event]:
    if lane.chat_id:
        return rows.filter(chat_id=lane.chat_id)
    rows = rows.filter(session_id=lane.session_id)
    return rows if lane.chat_id is None else rows.filter(chat_id="")


def _page(company: Company, wanted: Wanted, rows: QuerySet[Event], last: int, limit: int) -> Page:
    return _page_of(company, wanted, list(rows.order_by("position")[:limit]), last, limit)


def _page_of(company: Company, wanted: Wanted, found: Sequence[Event], last: int, limit: int) -> Page:
    is_full = len(found) == limit
    events = [_outgoing(row, company, wanted.batching) for row in found]
    return Page(events, events[-1].position if is_full else last, is_full and events[-1].position < last)


def _batched_page(company: Company, wanted: Wanted, rules: Batching, lane: LaneState, limit: int) -> Page:
    last, now = feed.settled_top()
    rows = Event.objects.filter(position__gt=lane.cursor, position__lte=last)
    found = list(wanted.of(_of_stream(rows, lane)).order_by("position")[:limit])
    gathered = batches.gather(found, rules, now=now)
    events = [_whole(group, company) for group in gathered.closed]
    has_more = len(found) == limit and found[-1].position < last
    if not gathered.held:
        return Page(events, found[-1].position if has_more else last, has_more)
    return Page(events, gathered.held[0].position - 1, has_more, None if has_more else gathered.seconds)


def _whole(group: Sequence[Event], company: Company) -> Outgoing:
    return _batch(group, company) if batches.is_message(group[0]) else _outgoing(group[0], company)


def named_batches(company: Company, ids: Iterable[str]) -> list[Outgoing]:
    """Those of the named batches that the log has whole."""
    groups = [batches.find(one) for one in ids if "-" in one]
    return [_batch(group, company) for group in groups if group]


def _dead(lane: LaneState) -> list[Outgoing]:
    endpoint_id = lane.key.partition(".")[0]
    rows = DeadLetter.objects.filter(endpoint=endpoint_id, event_id__in=lane.event_ids)
    letters = [(int(row.body["cursor"]), row) for row in rows]
    return [
        Outgoing(position, row.event_id, row.event_kind, row.session_id, encoded(row.body)) for position, row in letters
    ]


def _outgoing(row: Event, company: Company, batching: Batching | None = None) -> Outgoing:
    if batching is not None and batches.is_message(row):
        # Outside of a lane that puts them together it is a batch of one.
        return replace(_batch([row], company), is_held=True)
    return Outgoing(
        row.position,
        row.id,
        row.kind,
        row.session_id,
        encoded(shapes.event(row, company.pk)),
        chat_id=row.chat_id,
        recorded_at=row.recorded_at,
        happened_at=row.happened_at,
    )


def _batch(group: Sequence[Event], company: Company) -> Outgoing:
    last, batch_id = group[-1], batches.id_of(group)
    body = encoded(shapes.batch(group, batch_id, batches.KIND, company.pk))
    return Outgoing(last.position, batch_id, batches.KIND, last.session_id, body, chat_id=last.chat_id)


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
