"""Handing texts to the engine: which leave now, in which order, and when to look again.

Only the session's owner calls this, with the lease held.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.utils import timezone

from tenants.models import Company
from whatsapp.engine.port import SendReaction, SendText
from whatsapp.models import Chat, Message, MessageStatus, Session
from whatsapp.services import inbound, observing, standing, statuses
from whatsapp.services.pacing import Allowance

#: Why a text failed that was not sent in time.
EXPIRED: Final = "expired"


@dataclass(frozen=True)
class Handed:
    """What leaves now. `has_more`: ask again when there is room. `again_at`: at the latest then.

    `holds_new` says that texts to people who never wrote to us wait; one who writes may be answered at once.
    """

    orders: Sequence[SendText | SendReaction] = ()
    has_more: bool = False
    again_at: datetime | None = None
    holds_new: bool = False


def hand_over(company: Company, session_id: str, *, limit: int) -> Handed:
    """Hand up to `limit` queued texts to the engine; the commit comes before the send.

    Each gets a secret that the engine stores before the message leaves: whatever happens after this commit,
    `outbound.recover` can tell whether it did.
    """
    now = timezone.now()
    session = _look(session_id, now)
    moments = vars(session)
    if moments["next_expiry"] is not None and moments["next_expiry"] <= now:
        expire(company, session, now)
        moments["next_expiry"] = _earliest(Message.objects.filter(session=session), "expires_at")
    if session.queue_paused_at is not None:
        return Handed(again_at=moments["next_expiry"])
    row = standing.pacing_of(session)
    allowed = standing.allowance_for(company, row, now)
    known, new = _choose(session, allowed, limit, now)
    rows = _in_order([*known, *new])[: limit if allowed.room is None else min(limit, allowed.room)]
    orders = _take(company, session, rows, now)
    observing.handed_over(rows, now)
    if row is not None and rows:
        to_new = [each.pk for each in rows if each in new]
        standing.note_sent(company, row, sent=len(rows), to_new=to_new, now=now)
        allowed = standing.allowance_for(company, row, now)
    waits = (wait.until for wait in (allowed.wait, allowed.new_wait) if wait)
    return Handed(
        orders,
        has_more=len(orders) == limit,
        again_at=_first([moments["next_send"], moments["next_expiry"], *waits]),
        holds_new=allowed.new_wait is not None,
    )


def _look(session_id: str, now: datetime) -> Session:
    """The session with its pace, and when something is next due or runs out; one query."""
    queued = Message.objects.filter(session=OuterRef("pk"), status=MessageStatus.QUEUED).order_by()
    row: Session = (
        Session.objects.select_related("pacing")
        .annotate(
            next_send=_least(queued.filter(send_at__gt=now), "send_at"),
            next_expiry=_least(queued.filter(expires_at__isnull=False), "expires_at"),
        )
        .get(pk=session_id)
    )
    return row


def _least(rows: QuerySet[Message], name: str) -> Subquery:
    return Subquery(rows.order_by(name).values(name)[:1])


def _earliest(rows: QuerySet[Message], name: str) -> datetime | None:
    found: datetime | None = rows.filter(status=MessageStatus.QUEUED).aggregate(at=Min(name))["at"]
    return found


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


# -- which -------------------------------------------------------------------------------------------------------------
#: To somebody who never wrote to us (`Chat.is_new`).
_IS_NEW: Final = "(SELECT c.group_jid = '' AND NOT c.has_written FROM whatsapp_chat c WHERE c.id = m.chat_id)"
#: Two halves, each out of an index of its own, so that what is scheduled for later costs nothing now.
_READY: Final = """
(SELECT m.id FROM whatsapp_message m WHERE m.session_id = %s AND m.status = 'queued' AND m.send_at IS NULL
 AND (m.expires_at IS NULL OR m.expires_at > %s) AND {kind} ORDER BY m.priority DESC, m.id LIMIT %s)
UNION ALL
(SELECT m.id FROM whatsapp_message m WHERE m.session_id = %s AND m.status = 'queued' AND m.send_at <= %s
 AND (m.expires_at IS NULL OR m.expires_at > %s) AND {kind} ORDER BY m.priority DESC, m.id LIMIT %s)
"""


def _choose(session: Session, allowed: Allowance, limit: int, now: datetime) -> tuple[list[Message], list[Message]]:
    """Candidates: (those that nothing special is known of, those to new people while these are counted)."""
    if allowed.room == 0:
        return [], []
    if allowed.new_room is None:
        return _ready(session, "TRUE", limit, now), []
    new = _ready(session, _IS_NEW, min(limit, allowed.new_room), now) if allowed.new_room else []
    return _ready(session, f"NOT ({_IS_NEW})", limit, now), new


def _ready(session: Session, kind: str, limit: int, now: datetime) -> list[Message]:
    sql, params = _READY.format(kind=kind), [session.pk, now, limit, session.pk, now, now, limit]
    # In one query, unless the planner is given a hard one: it then no longer minds how the rows are fetched.
    ids = RawSQL(sql, params) if kind == "TRUE" else _found(sql, params)  # noqa: S611  # `kind` is one of ours
    rows = Message.objects.select_related("chat__contact").filter(pk__in=ids)
    return list(rows.order_by("-priority", "id")[:limit])


def _found(sql: str, params: list[Any]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [row_id for (row_id,) in cursor.fetchall()]


def _in_order(rows: Iterable[Message]) -> list[Message]:
    return sorted(rows, key=lambda row: (-row.priority, row.pk))


# -- taking ------------------------------------------------------------------------------------------------------------
_HAND_OVER: Final = "UPDATE whatsapp_message SET status = %s, secret = %s WHERE id = %s"


def _take(company: Company, session: Session, rows: list[Message], now: datetime) -> list[SendText]:
    orders = [SendText(row.pk, to=row.chat.jid, text=row.body, secret=os.urandom(32)) for row in rows]
    for row in rows:
        row.status = MessageStatus.SENT
        statuses.tell_status(company, session, row)
        if row.send_at is not None:
            _show_in_list(row, now)
    with connection.cursor() as cursor:
        cursor.executemany(_HAND_OVER, [(MessageStatus.SENT, each.secret, each.message_id) for each in orders])
    return orders


def _show_in_list(row: Message, now: datetime) -> None:
    """What was scheduled is its chat's news only now."""
    news = {"last_message_at": now.replace(microsecond=0), "last_message_text": inbound.preview(row)}
    Chat.objects.filter(pk=row.chat_id).update(**news)


def expire(company: Company, session: Session, now: datetime) -> int:
    """What may not be sent any more has failed; how many. Call it with the placement locked."""
    late = Message.objects.filter(session=session, status=MessageStatus.QUEUED, expires_at__lte=now)
    rows = list(late)
    for row in rows:
        row.status, row.error_code = MessageStatus.FAILED, EXPIRED
        row.save(update_fields=["status", "error_code"])
        statuses.tell_status(company, session, row)
    observing.statuses(rows)
    return len(rows)
