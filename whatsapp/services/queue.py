"""What waits to leave through a session: looking at it, stopping it, taking texts back, setting its pace.

Whoever writes locks the placement first, as the owner does when it hands texts over: so a text is either taken back or
handed over, and never both.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db.models import BooleanField, Case, Count, F, Q, QuerySet, Value, When
from django.utils import timezone

from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from fleet import leases
from fleet.models import Placement
from fleet.states import State
from tenants.models import Company
from whatsapp.errors import (
    BadGap,
    CancellingDenied,
    MessageLeft,
    MessageNotFound,
    PacingDenied,
    QueueControlDenied,
    ReadingDenied,
)
from whatsapp.models import Account, Chat, Message, MessageStatus, Pacing, Session
from whatsapp.services import inbound, news, standing, statuses, transitions
from whatsapp.services.access import find_session, permissions_on
from whatsapp.services.chats import MAX_LIMIT, Page, find_chat
from whatsapp.services.handing import expire
from whatsapp.services.pacing import Allowance, Hold, Rules, Wait


@dataclass(frozen=True)
class Waiting:
    """A queued text: the how manieth it is to leave, and what it waits for (None: only for those before it)."""

    message: Message
    position: int
    wait: Wait | None


@dataclass(frozen=True)
class Queue:
    """A session's queue as a whole. `wait` is what all of it waits for, `new_wait` what those to new people do."""

    session: Session
    rules: Rules
    wait: Wait | None
    new_wait: Wait | None
    refusals: int
    waiting: int
    scheduled: int
    in_flight: int


# -- looking -----------------------------------------------------------------------------------------------------------
def look(
    *, company: Company, session_id: str, by: Actor, number: int = 1, limit: int = 50
) -> tuple[Queue, list[Waiting], Page]:
    """The queue and one page of it, in the order in which texts leave. Raises SessionNotFound, ReadingDenied."""
    now = timezone.now()
    session = find_session(session_id, by=by, needs=Permission.CHAT_READ, denied=ReadingDenied)
    queue, allowed = _look(company, session, now)
    page = Page(number, min(limit, MAX_LIMIT), queue.waiting + queue.scheduled)
    rows = list(_in_order(session, now)[page.offset : page.offset + page.limit])
    waits = [_wait_of(row, queue.wait, allowed, now) for row in rows]
    listed = [Waiting(row, page.offset + n, wait) for n, (row, wait) in enumerate(zip(rows, waits, strict=True), 1)]
    return queue, listed, page


def wait_for(*, company: Company, row: Message) -> Wait | None:
    """What a queued text waits for; None when it is about to leave, or is not queued. Asks for its chat."""
    if row.status != MessageStatus.QUEUED or row.session_id is None:
        return None
    now = timezone.now()
    queue, allowed = _look(company, Session.objects.with_placement().get(pk=row.session_id), now)
    return _wait_of(row, queue.wait, allowed, now)


def _look(company: Company, session: Session, now: datetime) -> tuple[Queue, Allowance]:
    pacing = Pacing.objects.filter(pk=session.pk).first()
    allowed = standing.allowance_for(company, pacing, now)
    later = Q(status=MessageStatus.QUEUED, send_at__gt=now)
    counted = _outgoing(session).aggregate(
        waiting=Count("id", filter=Q(status=MessageStatus.QUEUED) & ~later),
        scheduled=Count("id", filter=later),
        in_flight=Count("id", filter=Q(status=MessageStatus.SENT)),
    )
    wait = _wait_of_all(session) or allowed.wait
    refusals = pacing.refusals if pacing else 0
    return Queue(session, standing.rules_of(pacing), wait, allowed.new_wait, refusals, **counted), allowed


#: As the partial indexes have them: PostgreSQL joins them only where it is told both halves.
_QUEUED = Q(status=MessageStatus.QUEUED, send_at=None) | Q(status=MessageStatus.QUEUED, send_at__isnull=False)


def _outgoing(session: Session) -> QuerySet[Message]:
    return Message.objects.filter(_QUEUED | Q(status=MessageStatus.SENT), session=session, from_me=True)


def _in_order(session: Session, now: datetime) -> QuerySet[Message]:
    """What may leave now by its priority, then what is for later by its time."""
    rows = Message.objects.filter(_QUEUED, session=session).select_related("chat__contact", "sent_by", "sender")
    is_later = Case(When(send_at__gt=now, then=Value(True)), default=Value(False), output_field=BooleanField())
    due_at = Case(When(send_at__gt=now, then=F("send_at")))
    return rows.alias(is_later=is_later, due_at=due_at).order_by("is_later", "due_at", "-priority", "id")


def _wait_of_all(session: Session) -> Wait | None:
    if session.queue_paused_at is not None:
        return Wait(Hold.PAUSED)
    if session.placement.shown_state != State.CONNECTED:
        return Wait(Hold.NOT_CONNECTED, session.placement.next_retry_at)
    return None


def _wait_of(row: Message, of_all: Wait | None, allowed: Allowance, now: datetime) -> Wait | None:
    if row.send_at is not None and row.send_at > now:
        return Wait(Hold.SCHEDULED, row.send_at)
    return of_all or allowed.wait_of(is_new=row.chat.is_new)


# -- stopping and going on ---------------------------------------------------------------------------------------------
@news.writing
def pause(*, company: Company, session_id: str, by: Actor) -> Session:
    """Nothing leaves any more; the number stays connected and texts are still taken. What is on its way goes on.

    For whoever manages chats there: it is about what customers are told, undone by a word, and touches no connection.
    """
    return _set_paused(company, session_id, by, timezone.now())


@news.writing
def resume(*, company: Company, session_id: str, by: Actor) -> Session:
    """What has waited leaves, in its order and at its pace."""
    return _set_paused(company, session_id, by, None)


def _set_paused(company: Company, session_id: str, by: Actor, at: datetime | None) -> Session:
    session = find_session(session_id, by=by, needs=Permission.CHAT_MANAGE, denied=QueueControlDenied)
    _lock(session_id)
    changed = Session.objects.filter(pk=session_id, queue_paused_at__isnull=at is not None).update(queue_paused_at=at)
    if changed:
        verb = Verb.QUEUE_PAUSED if at else Verb.QUEUE_RESUMED
        audit.record(verb, audit.session(session_id, session.label), by=by)
        leases.leave_work(session_id)
        transitions.tell(company, session_id)
    row: Session = Session.objects.with_placement().get(pk=session_id)
    return row


def _lock(session_id: str) -> None:
    Placement.objects.select_for_update(no_key=True).get(pk=session_id)


@news.writing
def set_pace(*, company: Company, session_id: str, rules: Rules, by: Actor) -> Rules:
    """How fast the session may send, from now on; the zero rule sets nothing any limit. Raises BadGap, PacingDenied."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=PacingDenied)
    if rules.min_gap > rules.max_gap:
        raise BadGap
    _lock(session_id)
    # A pause that the old pace chose is not the new one's.
    before = standing.rules_of(Pacing.objects.filter(pk=session_id).first())
    if told := audit.changed(asdict(before), asdict(rules)):
        audit.record(Verb.QUEUE_PACED, audit.session(session_id, session.label), by=by, changes=told)
    asked = {**asdict(rules), "next_at": None}
    Pacing.objects.update_or_create(session_id=session_id, defaults=asked)
    leases.leave_work(session_id)
    return rules


# -- running out -------------------------------------------------------------------------------------------------------
def expire_late(company: Company) -> int:
    """Let fail what may not be sent any more, in all of the company's sessions; how many."""
    now = timezone.now()
    late = Message.objects.filter(status=MessageStatus.QUEUED, expires_at__lte=now).exclude(session=None)
    sessions = Session.objects.filter(pk__in=late.values("session_id")).order_by("pk")
    return sum(_expire(company, session, now) for session in sessions)


@news.writing
def _expire(company: Company, session: Session, now: datetime) -> int:
    _lock(session.pk)
    return expire(company, session, now)


# -- taking back -------------------------------------------------------------------------------------------------------
@news.writing
def cancel(*, company: Company, session_id: str, message_id: str, by: Actor) -> Message:
    """Take a text back that provably has not left; said twice, it is taken back once.

    One's own with the right to write, others' with the right to manage chats. Raises CancellingDenied,
    MessageNotFound, MessageLeft.
    """
    session = find_session(session_id, by=by)
    may = _cancelling(session_id, by)
    _lock(session_id)
    row = _of_ours(session, message_id)
    if Permission.CHAT_MANAGE not in may and (row.sent_by_id is None or row.sent_by_id != by.user_id):
        raise CancellingDenied
    if row.status == MessageStatus.QUEUED:
        _take_back(company, session, row.chat, [row])
        audit.record(Verb.MESSAGE_CANCELLED, audit.message(row.pk, row.chat.label, session_id), by=by)
    if row.status != MessageStatus.CANCELLED:
        raise MessageLeft
    return row


@news.writing
def cancel_chat(*, company: Company, session_id: str, chat_id: str, by: Actor) -> int:
    """Take back all that waits for one chat and that `by` may take back; how many. Rights are those of `cancel`.

    Raises CancellingDenied, ChatNotFound.
    """
    session = find_session(session_id, by=by)
    may = _cancelling(session_id, by)
    chat = find_chat(session, chat_id)
    _lock(session_id)
    rows = Message.objects.filter(_QUEUED, session=session, chat=chat).order_by("id")
    if Permission.CHAT_MANAGE not in may:
        rows = rows.filter(sent_by_id=by.user_id or "")
    waiting = list(rows.select_related("chat__contact", "sent_by", "sender", "account"))
    if waiting:
        _take_back(company, session, chat, waiting)
    for row in waiting:
        audit.record(Verb.MESSAGE_CANCELLED, audit.message(row.pk, row.chat.label, session_id), by=by)
    return len(waiting)


def _cancelling(session_id: str, by: Actor) -> frozenset[Permission]:
    may = permissions_on(session_id, by)
    if not may & {Permission.CHAT_WRITE, Permission.CHAT_MANAGE}:
        raise CancellingDenied
    return may


def _of_ours(session: Session, message_id: str) -> Message:
    rows = Message.objects.select_related("chat__contact", "sent_by", "sender", "account")
    row = rows.filter(pk=message_id, account_id=session.account_id, from_me=True).first()
    if row is None:
        raise MessageNotFound
    if row.session_id != session.pk:
        # Another device of the number sends it, under a lock of its own.
        raise MessageLeft
    return row


def _take_back(company: Company, session: Session, chat: Chat, rows: Sequence[Message]) -> None:
    """Texts of one chat."""
    Account.objects.select_for_update(no_key=True).get(pk=chat.account_id)
    for row in rows:
        row.status = MessageStatus.CANCELLED
    Message.objects.bulk_update(rows, ["status"])
    _show_last(chat)
    for row in rows:
        statuses.tell_status(company, session, row)


def _show_last(chat: Chat) -> None:
    """What was taken back is nobody's news."""
    rows = Message.objects.filter(chat=chat).exclude(status=MessageStatus.CANCELLED)
    last = rows.exclude(status=MessageStatus.QUEUED, send_at__isnull=False).order_by("-timestamp", "-id").first()
    news = (last.timestamp, inbound.preview(last)) if last else (None, "")
    Chat.objects.filter(pk=chat.pk).update(last_message_at=news[0], last_message_text=news[1])
