"""What admins do with webhook endpoints: make, change, test, replay, look into. Who delivers is `whatsapp.webhooks`.

Every change locks the endpoint's placement first, as dispatchers do, and tells its dispatcher.
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, Unpack

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from accounts.errors import AdminsOnly
from accounts.permissions import Actor, Permission, require
from accounts.throttle import WEBHOOK_TESTS_PER_COMPANY, count_request
from audit import recording as audit
from audit.verbs import TargetKind, Verb
from fleet import dispatching
from fleet.models import EndpointPlacement
from tenants.models import Company
from wharf import egress, seals
from wharf.errors import Invalid, sentence
from wharf.ids import new_id
from whatsapp import live, shapes
from whatsapp.catalogue import KINDS
from whatsapp.errors import (
    DeliveryNotFound,
    EndpointNotFound,
    EventNotKept,
    NothingToReplay,
    SecretUnreadable,
    SessionNotFound,
    TooManyEndpoints,
    TooManyReplays,
)
from whatsapp.models import DeadLetter, Delivery, Event, Session, WebhookEndpoint, WebhookLane
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import batches, deliveries, feed, news
from whatsapp.services.deliveries import HEADERS, SECRET, Outgoing, Receiver

MAX_ENDPOINTS: Final = 50
MAX_REPLAYS: Final = 10
MAX_IDS: Final = 1000
MAX_HEADERS: Final = 20
LONGEST_HEADER: Final = 1000
#: An old secret signs beside the new one for so long.
ROTATION: Final = timedelta(hours=24)
#: So that a scanner of secrets knows one when it sees it; Standard Webhooks' own.
PREFIX: Final = "whsec_"
TEST_KIND: Final = "webhook.test"
_SECRET_BYTES: Final = 32
#: RFC 9110's token.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,80}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")
#: What the request itself consists of, or is signed with, is not a receiver's to say.
_OURS: Final = {
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "host",
    "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
}  # fmt: skip
_OURS_BEGIN: Final = ("webhook-", "proxy-")


class Words(TypedDict, total=False):
    """What people say about an endpoint; `headers` replaces all of them."""

    url: str
    description: str
    kinds: Sequence[str]
    session_ids: Sequence[str]
    headers: Mapping[str, str]
    batch_quiet_seconds: int
    batch_max_messages: int
    is_active: bool


# -- looking ---------------------------------------------------------------------------------------------------------
def endpoints_of(*, by: Actor) -> list[WebhookEndpoint]:
    """Raises AdminsOnly."""
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    return list(WebhookEndpoint.objects.prefetch_related("lanes").order_by("id"))


def find(endpoint_id: str, *, by: Actor) -> WebhookEndpoint:
    """Raises AdminsOnly, EndpointNotFound."""
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    row = WebhookEndpoint.objects.prefetch_related("lanes").filter(pk=endpoint_id).first()
    if row is None:
        raise EndpointNotFound
    return row


def header_names(row: WebhookEndpoint) -> list[str]:
    """Without their values; none where they cannot be read any more."""
    try:
        return list(_headers_of(row))
    except seals.SealBroken:
        return []


def _headers_of(row: WebhookEndpoint) -> dict[str, str]:
    sealed = bytes(row.sealed_headers)
    found: dict[str, str] = json.loads(seals.unseal(sealed, purpose=HEADERS, about=row.pk)) if sealed else {}
    return found


# -- making and changing ---------------------------------------------------------------------------------------------
def create(*, company: Company, by: Actor, **words: Unpack[Words]) -> tuple[WebhookEndpoint, str]:
    """The row, and its secret, which nobody can see again; it hears of what is logged from now on.

    Raises AdminsOnly, UrlRefused, Invalid, SessionNotFound, TooManyEndpoints.
    """
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    checked = _checked(words)
    with transaction.atomic():
        # So that of two who take the last place one gets it.
        Company.objects.select_for_update(no_key=True).get(pk=company.pk)
        if WebhookEndpoint.objects.count() >= MAX_ENDPOINTS:
            raise TooManyEndpoints(most=MAX_ENDPOINTS)
        row = WebhookEndpoint(cursor=feed.top(), created_by_id=by.user_id)
        secret = _new_secret(row)
        _apply(row, checked)
        row.save(force_insert=True)
        EndpointPlacement.objects.create(endpoint_id=row.pk, company=company, is_active=row.is_active)
        audit.record(Verb.WEBHOOK_MADE, _target(row), by=by)
        _wake(company)
    return find(row.pk, by=by), secret


@news.writing
def change(*, company: Company, endpoint_id: str, by: Actor, **words: Unpack[Words]) -> WebhookEndpoint:
    """Change what is given and nothing else. Switched on again, it goes on where it stopped.

    Raises AdminsOnly, EndpointNotFound, UrlRefused, Invalid, SessionNotFound, SecretUnreadable.
    """
    find(endpoint_id, by=by)
    checked = _checked(words)
    dispatching.leave_work(endpoint_id)
    row = find(endpoint_id, by=by)
    was_active, before = row.is_active, _told(row)
    _apply(row, checked)
    if row.is_active and not was_active:
        _switch_on(row)
    row.save()
    if was_active and not row.is_active:
        deliveries.switch_off(company, row.pk, DisabledReason.BY_PERSON)
    if told := audit.changed(before, _told(row)):
        audit.record(Verb.WEBHOOK_CHANGED, _target(row), by=by, changes=told)
    _wake(company)
    return find(endpoint_id, by=by)


def _switch_on(row: WebhookEndpoint) -> None:
    try:
        deliveries.receiver_of(row)
    except seals.SealBroken as error:
        raise SecretUnreadable from error
    row.disabled_reason, row.disabled_at = "", None
    row.failures, row.failing_since, row.open_until = 0, None, None
    row.lanes.update(attempts=0, failing_since=None, next_at=None)
    dispatching.leave_work(row.pk, is_active=True)


@transaction.atomic
def delete(*, company: Company, endpoint_id: str, by: Actor) -> None:
    """With its log and its dead letters. Raises AdminsOnly, EndpointNotFound."""
    row = find(endpoint_id, by=by)
    EndpointPlacement.objects.filter(pk=endpoint_id).delete()
    audit.record(Verb.WEBHOOK_REMOVED, _target(row), by=by)
    row.delete()
    _wake(company)


@transaction.atomic
def rotate_secret(*, company: Company, endpoint_id: str, by: Actor) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown only now; the one before signs too for another day. Raises AdminsOnly, EndpointNotFound."""
    find(endpoint_id, by=by)
    dispatching.leave_work(endpoint_id)
    row = find(endpoint_id, by=by)
    previous = bytes(row.sealed_secret)
    secret = _new_secret(row)
    if _is_readable(row, previous):
        row.sealed_previous_secret, row.previous_secret_until = previous, timezone.now() + ROTATION
    else:
        row.sealed_previous_secret, row.previous_secret_until = b"", None
    row.save()
    audit.record(Verb.WEBHOOK_SECRET_ROTATED, _target(row), by=by)
    _wake(company)
    return row, secret


def _is_readable(row: WebhookEndpoint, sealed: bytes) -> bool:
    try:
        seals.unseal(sealed, purpose=SECRET, about=row.pk)
    except seals.SealBroken:
        return False
    return True


def _new_secret(row: WebhookEndpoint) -> str:
    secret = secrets.token_bytes(_SECRET_BYTES)
    row.sealed_secret = seals.seal(secret, purpose=SECRET, about=row.pk)
    return PREFIX + base64.b64encode(secret).decode()


_PLAIN: Final = (
    "url", "description", "kinds", "session_ids", "batch_quiet_seconds", "batch_max_messages", "is_active",
)  # fmt: skip


def _apply(row: WebhookEndpoint, words: Words) -> None:
    for name in _PLAIN:
        if name in words:
            setattr(row, name, words[name])
    if "headers" in words:
        content = json.dumps(dict(words["headers"])).encode()
        row.sealed_headers = seals.seal(content, purpose=HEADERS, about=row.pk) if words["headers"] else b""


def _target(row: WebhookEndpoint) -> audit.Target:
    return audit.Target(TargetKind.WEBHOOK, row.pk, row.description or _without_query(row.url))


def _told(row: WebhookEndpoint) -> dict[str, object]:
    """What may be told of it: queries and headers carry receivers' own secrets."""
    told = {name: getattr(row, name) for name in _PLAIN}
    return told | {"url": _without_query(row.url), "headers": header_names(row)}


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _wake(company: Company) -> None:
    live.publish(live.Hint(live.webhooks_group(company), "webhook.changed", {}))


# -- checking --------------------------------------------------------------------------------------------------------
def _checked(words: Words) -> Words:
    checked = words.copy()
    if "url" in words:
        checked["url"] = egress.checked_url(words["url"])
        egress.check_host(checked["url"], settings.WEBHOOK_ALLOWED_NETWORKS)
    if set(words.get("kinds", ())) - KINDS.keys():
        raise Invalid(field="types", problem=_NO_SUCH_TYPE)
    sessions = set(words.get("session_ids", ()))
    if Session.objects.filter(pk__in=sessions).count() < len(sessions):
        raise SessionNotFound
    for name in ("kinds", "session_ids"):
        if name in words:
            checked[name] = sorted(set(words[name]))
    _check_headers(words.get("headers", {}))
    return checked


_NO_SUCH_TYPE: Final = sentence("There is no such type of event")


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > MAX_HEADERS:
        raise Invalid(field="headers", problem=sentence("These are too many headers"))
    for name, value in headers.items():
        is_ours = name.lower() in _OURS or name.lower().startswith(_OURS_BEGIN)
        if is_ours or not _HEADER_NAME.fullmatch(name):
            raise Invalid(field="headers", problem=sentence("A header has a name that cannot be given"))
        if len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
            raise Invalid(field="headers", problem=sentence("A header has a value that cannot be sent"))


# -- testing ---------------------------------------------------------------------------------------------------------
def trial(*, company: Company, endpoint_id: str, by: Actor) -> tuple[Receiver, Outgoing]:
    """What a test sends and where to: an event that is in no log.

    Raises AdminsOnly, EndpointNotFound, TooManyRequests, SecretUnreadable.
    """
    row = find(endpoint_id, by=by)
    count_request(WEBHOOK_TESTS_PER_COMPANY, company.pk)
    now = timezone.now()
    event = Event(
        position=0, id=new_id(), kind=TEST_KIND, happened_at=now, recorded_at=now, data={"endpointId": row.pk}
    )
    body = deliveries.encoded(shapes.event(event, company.pk) | {"cursor": None})
    try:
        return deliveries.receiver_of(row), Outgoing(0, event.id, TEST_KIND, "", body)
    except seals.SealBroken as error:
        raise SecretUnreadable from error


# -- again -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Stretch:
    """What a replay sends: everything after a position up to another one, or of that the named ones alone."""

    after: int
    until: int
    count: int
    event_ids: tuple[str, ...] = ()


def replay_between(*, company: Company, endpoint_id: str, begin: datetime, end: datetime, by: Actor) -> int:
    """Send again what was logged in this time, as far as the endpoint is told of it; how many events.

    Raises AdminsOnly, EndpointNotFound, NothingToReplay, TooManyReplays.
    """
    row = find(endpoint_id, by=by)
    return _replay(company, row, _stretch(_logged(row, begin, end)), by)


def count_between(*, endpoint_id: str, begin: datetime, end: datetime, by: Actor) -> int:
    """How many events `replay_between` would send. Raises AdminsOnly, EndpointNotFound."""
    return _logged(find(endpoint_id, by=by), begin, end).count()


def _logged(row: WebhookEndpoint, begin: datetime, end: datetime) -> QuerySet[Event]:
    rows = deliveries.Wanted(row.kinds, row.session_ids).of(Event.objects.all())
    return rows.filter(recorded_at__gte=begin, recorded_at__lte=end)


def replay_events(*, company: Company, endpoint_id: str, event_ids: Sequence[str], by: Actor) -> int:
    """Send these events and batches again, of the log or of the dead letters; how many are kept.

    Raises as `replay_between`.
    """
    row = find(endpoint_id, by=by)
    names = tuple(sorted(set(event_ids)))
    places = dict(Event.objects.filter(id__in=names).values_list("id", "position"))
    places |= {batch.id: batch.position for batch in deliveries.named_batches(company, names)}
    places |= {letter.event_id: int(letter.body["cursor"]) for letter in row.dead_letters.filter(event_id__in=names)}
    stretch = Stretch(min(places.values(), default=1) - 1, max(places.values(), default=0), len(places), names)
    return _replay(company, row, stretch, by)


def redeliver(*, company: Company, endpoint_id: str, delivery_id: int, by: Actor) -> int:
    """Send the event of one delivery again. Raises as `replay_between`, and DeliveryNotFound."""
    row = find(endpoint_id, by=by)
    delivery = row.deliveries.filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryNotFound
    return replay_events(company=company, endpoint_id=endpoint_id, event_ids=[delivery.event_id], by=by)


def _stretch(rows: QuerySet[Event]) -> Stretch:
    found = rows.aggregate(first=Min("position"), last=Max("position"), count=Count("position"))
    return Stretch((found["first"] or 1) - 1, found["last"] or 0, found["count"])


@transaction.atomic
def _replay(company: Company, row: WebhookEndpoint, stretch: Stretch, by: Actor) -> int:
    if not stretch.count:
        raise NothingToReplay
    dispatching.leave_work(row.pk)
    if row.lanes.filter(is_replay=True).count() >= MAX_REPLAYS:
        raise TooManyReplays(most=MAX_REPLAYS)
    WebhookLane.objects.create(
        key=f"{row.pk}.replay.{new_id()}",
        endpoint=row,
        is_replay=True,
        event_ids=list(stretch.event_ids),
        cursor=stretch.after,
        until=stretch.until,
    )
    audit.record(Verb.WEBHOOK_REPLAYED, _target(row), by=by, changes={"events": (None, stretch.count)})
    _wake(company)
    return stretch.count


# -- what became of it -----------------------------------------------------------------------------------------------
def deliveries_of(
    endpoint_id: str, *, by: Actor, before: int | None = None, limit: int = 50, **filters: Any
) -> list[Delivery]:
    """The newest first. `filters` are of Delivery's fields. Raises AdminsOnly, EndpointNotFound."""
    rows = find(endpoint_id, by=by).deliveries.filter(**filters)
    return list((rows.filter(pk__lt=before) if before else rows).order_by("-id")[:limit])


def dead_letters_of(endpoint_id: str, *, by: Actor, before: str = "", limit: int = 50) -> list[DeadLetter]:
    """The newest first; `before` is an id of one. Raises AdminsOnly, EndpointNotFound."""
    rows = find(endpoint_id, by=by).dead_letters.all()
    return list((rows.filter(pk__lt=before) if before else rows).order_by("-id")[:limit])


def body_of(*, company: Company, endpoint_id: str, event_id: str, by: Actor) -> shapes.Shape:
    """An event or a batch as it is sent, from the log or the dead letters.

    Raises AdminsOnly, EndpointNotFound, EventNotKept.
    """
    row = find(endpoint_id, by=by)
    if event := Event.objects.filter(id=event_id).first():
        return shapes.event(event, company.pk)
    if group := batches.find(event_id):
        return shapes.batch(group, event_id, batches.KIND, company.pk)
    letter = row.dead_letters.filter(event_id=event_id).first()
    if letter is None:
        raise EventNotKept
    body: shapes.Shape = letter.body
    return body
