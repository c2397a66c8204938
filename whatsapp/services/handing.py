"""Handing texts to the engine: which leave now, in which order, and when to look again.

Only the session's owner calls this, with the lease held.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Min, QuerySet

from tenants.models import Company
from wharf.sql import Answer, Ask, as_arrays, together
from whatsapp.engine.port import SendReaction, SendText
from whatsapp.models import Chat, Contact, Message, MessageStatus, Session
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


@dataclass(frozen=True)
class Waiting:
    """What a session has to send: `texts` leave next if nothing special holds them back."""

    session: Session
    texts: list[Message]
    has_reactions: bool
    has_pacing: bool
    next_send: datetime | None
    next_expiry: datetime | None


class Asked:
    """The question, to be put together with others; `answer` has what came of it."""

    def __init__(self, ask: Ask, session_id: str, *, limit: int, now: datetime) -> None:
        self._session = ask(_LOOK, [now, session_id])
        self._texts = ask(_NEXT, [*_ready_for(session_id, limit, now), limit])

    def answer(self) -> Waiting:
        session = self._session.load(Session)[0]
        known = vars(session)
        return Waiting(
            session,
            _messages(self._texts),
            has_reactions=known["has_reactions"],
            has_pacing=known["has_pacing"],
            next_send=known["next_send"],
            next_expiry=known["next_expiry"],
        )


def hand_over(company: Company, waiting: Waiting, *, limit: int, now: datetime) -> Handed:
    """Hand up to `limit` queued texts to the engine; the commit comes before the send.

    Each gets a secret that the engine stores before the message leaves: whatever happens after this commit,
    `outcomes.recover` can tell whether it did.
    """
    session, next_expiry = waiting.session, waiting.next_expiry
    if next_expiry is not None and next_expiry <= now:
        expire(company, session, now)
        next_expiry = _earliest(Message.objects.filter(session=session), "expires_at")
    if session.queue_paused_at is not None:
        return Handed(again_at=next_expiry)
    pace = standing.pacing_of(session) if waiting.has_pacing else None
    allowed = standing.allowance_for(company, pace, now)
    known, new = _choose(waiting, allowed, limit, now)
    rows = _in_order([*known, *new])[: limit if allowed.room is None else min(limit, allowed.room)]
    orders = _take(company, session, rows, now)
    observing.handed_over(rows, now)
    if pace is not None and rows:
        to_new = [each.pk for each in rows if each in new]
        standing.note_sent(company, pace, sent=len(rows), to_new=to_new, now=now)
        allowed = standing.allowance_for(company, pace, now)
    waits = (wait.until for wait in (allowed.wait, allowed.new_wait) if wait)
    return Handed(
        orders,
        has_more=len(orders) == limit,
        again_at=_first([waiting.next_send, next_expiry, *waits]),
        holds_new=allowed.new_wait is not None,
    )


#: The session, and when something is next due or runs out.
_LOOK: Final = """
SELECT s.*,
    EXISTS (SELECT FROM whatsapp_pacing p WHERE p.session_id = s.id) AS has_pacing,
    EXISTS (SELECT FROM whatsapp_reaction r WHERE r.session_id = s.id AND r.status = 'queued') AS has_reactions,
    (SELECT m.send_at FROM whatsapp_message m WHERE m.session_id = s.id AND m.status = 'queued' AND m.send_at > %s
     ORDER BY m.send_at LIMIT 1) AS next_send,
    (SELECT m.expires_at FROM whatsapp_message m WHERE m.session_id = s.id AND m.status = 'queued'
     AND m.expires_at IS NOT NULL ORDER BY m.expires_at LIMIT 1) AS next_expiry
FROM whatsapp_session s WHERE s.id = %s
"""


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


#: Those messages with whom they go to.
_ADDRESSED: Final = """
SELECT m.*, c.group_jid, c.contact_id, c.has_written, p.phone_number, p.lid
FROM ({ids}) AS next JOIN whatsapp_message m ON m.id = next.id
JOIN whatsapp_chat c ON c.id = m.chat_id LEFT JOIN whatsapp_contact p ON p.id = c.contact_id
ORDER BY m.priority DESC, m.id LIMIT %s
"""
_NEXT: Final = _ADDRESSED.format(ids=_READY.format(kind="TRUE"))
_THESE: Final = _ADDRESSED.format(ids="SELECT unnest(%s::text[]) AS id")


def _choose(waiting: Waiting, allowed: Allowance, limit: int, now: datetime) -> tuple[list[Message], list[Message]]:
    """Candidates: (those that nothing special is known of, those to new people while these are counted)."""
    if allowed.room == 0:
        return [], []
    if allowed.new_room is None:
        return waiting.texts[:limit], []
    session_id = waiting.session.pk
    new = _ready(session_id, _IS_NEW, min(limit, allowed.new_room), now) if allowed.new_room else []
    return _ready(session_id, f"NOT ({_IS_NEW})", limit, now), new


def _ready(session_id: str, kind: str, limit: int, now: datetime) -> list[Message]:
    """In two queries: the planner, given a hard one, no longer minds how the rows are fetched."""
    with connection.cursor() as cursor:
        cursor.execute(_READY.format(kind=kind), _ready_for(session_id, limit, now))
        ids = [row_id for (row_id,) in cursor.fetchall()]
    with together() as ask:
        answer = ask(_THESE, [ids, limit])
    return _messages(answer)


def _ready_for(session_id: str, limit: int, now: datetime) -> list[Any]:
    return [session_id, now, limit, session_id, now, now, limit]


def _messages(answer: Answer) -> list[Message]:
    rows = answer.load(Message)
    for row in rows:
        row.chat = _chat_of(row, vars(row))
    return rows


def _chat_of(row: Message, known: dict[str, Any]) -> Chat:
    """As far as sending needs it."""
    contact = None
    if known["contact_id"]:
        contact = Contact(id=known["contact_id"], phone_number=known["phone_number"], lid=known["lid"])
    chat = Chat(id=row.chat_id, account_id=row.account_id, contact=contact)
    chat.group_jid, chat.has_written = known["group_jid"], known["has_written"]
    return chat


def _in_order(rows: Iterable[Message]) -> list[Message]:
    return sorted(rows, key=lambda row: (-row.priority, row.pk))


# -- taking ------------------------------------------------------------------------------------------------------------
_HAND_OVER: Final = """
UPDATE whatsapp_message AS row SET secret = now.secret, status = %s
FROM unnest(%s::text[], %s::bytea[]) AS now(id, secret) WHERE row.id = now.id
"""


def _take(company: Company, session: Session, rows: list[Message], now: datetime) -> list[SendText]:
    orders = [SendText(row.pk, to=row.chat.jid, text=row.body, secret=os.urandom(32)) for row in rows]
    for row in rows:
        row.status = MessageStatus.SENT
        statuses.tell_status(company, session, row)
        if row.send_at is not None:
            _show_in_list(row, now)
    if orders:
        with connection.cursor() as cursor:
            secrets = as_arrays((each.message_id, each.secret) for each in orders)
            cursor.execute(_HAND_OVER, [MessageStatus.SENT, *secrets])
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
