"""How rows look outside: plain dictionaries with the older systems' camelCase keys (seed contract 1.1), for every
surface. Codes only; `in_words` adds the sentences in the reader's language."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django.utils.translation import gettext

from accounts.models import User
from fleet.reasons import SENTENCES, Reason
from fleet.states import State
from wharf.moments import moment
from whatsapp import qr
from whatsapp.catalogue import SCHEMA_VERSION
from whatsapp.models import (
    Account,
    Chat,
    Contact,
    DeadLetter,
    Delivery,
    Event,
    ManagerAccess,
    Media,
    Message,
    MessageStatus,
    Reaction,
    ReactionStatus,
    Session,
    Transition,
    WebhookEndpoint,
)

Shape = dict[str, Any]


def session(row: Session) -> Shape:
    """The connection as everybody who may see it may see it. Needs `with_placement()`."""
    placement = row.placement
    state = placement.shown_state
    return {
        "id": row.id,
        "companyId": placement.company_id,
        "name": row.name,
        "label": row.label,
        "network": row.network,
        "ignoresGroups": row.ignores_groups,
        "phoneNumber": row.account.phone_number if row.account else "pending",
        "displayName": row.account.push_name or "Unknown" if row.account else None,
        "isActive": row.archived_at is None,
        "isConnected": state == State.CONNECTED,
        "isLinked": placement.is_linked,
        "wanted": placement.wanted,
        "state": state.value,
        "reason": placement.shown_reason.value,
        "since": moment(placement.since),
        "nextRetryAt": moment(placement.next_retry_at),
        "lastSeen": moment(placement.evidence_at),
        "queuePausedAt": moment(row.queue_paused_at),
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def full_session(row: Session, *, may_link: bool) -> Shape:
    """A session with the older systems' whole row (seed W3, 2.3): who made it, and the QR code on show.

    A QR code links a device for whoever has it, so only those who may link see it.
    """
    qr_code = qr.png_data_url(row.current_qr) if may_link and row.current_qr else None
    return session(row) | {
        "qrCode": qr_code,
        "sessionData": None,
        "adminId": row.created_by_id,
        "admin": person(row.created_by),
    }


def listed_session(row: Session, *, may_link: bool) -> Shape:
    """A session as the list has it (seed W3), with counts too. Needs `with_counts()`."""
    counted = vars(row)
    counts = {"chats": counted["chats_total"], "messages": counted["messages_total"]}
    return full_session(row, may_link=may_link) | {"_count": counts}


def person(user: User | None) -> Shape | None:
    """A person's names and e-mail."""
    if user is None:
        return None
    return {"firstName": user.first_name, "lastName": user.last_name, "email": user.email}


def in_words(shape: Shape) -> Shape:
    """`shape` with `reasonText` beside its reason, in the active language."""
    text = SENTENCES[Reason(shape["reason"])]
    return shape | {"reasonText": gettext(text) if text else ""}


def challenge(row: Session) -> Shape:
    """What is on show to link this session, with its expiry; all empty while nothing is. A secret until it expires."""
    return {
        "sessionId": row.id,
        "qr": row.current_qr,
        "qrExpiresAt": moment(row.qr_expires_at) if row.current_qr else None,
        "advice": "pairing_code" if row.is_better_by_code else None,
        "code": row.current_code,
        "codeExpiresAt": moment(row.pairing_code_expires_at) if row.current_code else None,
        "codePhone": row.pairing_phone,
        "codeError": row.pairing_error,
    }


def account(row: Account) -> Shape:
    return {"id": row.id, "phone": row.phone_number, "name": row.push_name}


def place(event_id: str, position: int, seq: int | None) -> Shape:
    """Which event it is, and where the log has it: what live news carries beside its payload."""
    return {"id": event_id, "cursor": str(position), "seq": seq}


def event(row: Event, company_id: str) -> Shape:
    """One entry of the log, as every surface tells it (docs/events.md)."""
    return {
        **place(row.id, row.position, row.seq),
        "type": row.kind,
        "schemaVersion": SCHEMA_VERSION,
        "companyId": company_id,
        "sessionId": row.session_id or None,
        "accountId": row.account_id or None,
        "chatId": row.chat_id or None,
        "happenedAt": moment(row.happened_at),
        "recordedAt": moment(row.recorded_at),
        "data": row.data,
    }


def batch(rows: Sequence[Event], batch_id: str, kind: str, company_id: str) -> Shape:
    """Messages that are told together: each as it would be told by itself, and the place of the last one."""
    messages = [event(row, company_id) for row in rows]
    return messages[-1] | {"id": batch_id, "type": kind, "data": {"messages": messages}}


def party(row: Contact) -> Shape:
    """Somebody on the other side, with both addresses that WhatsApp knows them by."""
    return {"id": row.id, "phone": row.phone_number, "lid": row.lid, "name": row.label}


def contact(row: Contact) -> Shape:
    return {"id": row.id, "phone": row.phone_number, "lid": row.lid, "name": row.push_name, "label": row.label}


def chat(row: Chat, session_id: str, company_id: str) -> Shape:
    """Needs the contact selected."""
    return {
        "id": row.id,
        "sessionId": session_id,
        "companyId": company_id,
        "chatId": row.jid.replace("@s.whatsapp.net", "@c.us"),
        "chatName": row.label,
        "chatType": "group" if row.is_group else "individual",
        "isGroup": row.is_group,
        "contact": contact(row.contact) if row.contact else None,
        "lastMessageAt": moment(row.last_message_at),
        "lastMessageText": row.last_message_text or None,
        "isArchived": row.is_archived,
        "assigneeId": row.assignee_id,
        "unreadCount": row.unread_count,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


def message(
    row: Message,
    session_id: str,
    company_id: str,
    own_number: str,
    reactions: Iterable[Reaction] = (),
    brought: Media | None = None,
) -> Shape:
    """Needs the sender and the writer selected; `reactions` are those on show. The secret never leaves."""
    return {
        "id": row.id,
        "chatId": row.chat_id,
        "sessionId": session_id,
        "companyId": company_id,
        "messageId": row.wa_id,
        "fromMe": row.from_me,
        "fromNumber": own_number if row.from_me else seed_jid(row.sender),
        "fromName": _writer(row),
        "body": row.body,
        "messageType": row.kind,
        "mediaUrl": None,
        "media": media(brought) if brought else None,
        "timestamp": moment(row.timestamp),
        "status": row.status,
        "errorCode": row.error_code or None,
        "retryAt": moment(row.retry_at) if row.status == MessageStatus.FAILED else None,
        "priority": row.priority,
        "sendAt": moment(row.send_at),
        "expiresAt": moment(row.expires_at),
        "isRead": row.is_read,
        "managerId": row.sent_by_id,
        "manager": person(row.sent_by),
        "reactions": [reaction(each) for each in reactions],
        "createdAt": moment(row.created_at),
    }


def media(row: Media) -> Shape:
    """What the sender's phone says of the thing; null is what it does not. The picture has an address of its own."""
    return {
        "mimetype": row.mimetype or None,
        "fileName": row.file_name or None,
        "size": row.size or None,
        "pages": row.pages or None,
        "seconds": row.seconds or None,
        "width": row.width or None,
        "height": row.height or None,
        "isVoice": row.is_voice,
        "isAnimated": row.is_animated,
        "isViewOnce": row.is_once,
        "title": row.title or None,
        "description": row.description or None,
        "address": row.address or None,
        "latitude": row.latitude,
        "longitude": row.longitude,
        "lines": list(row.lines),
        "hasPreview": row.has_preview,
    }


def reaction(row: Reaction) -> Shape:
    """Needs the contact selected."""
    name = row.contact.label if row.contact else "Me"
    return {
        "emoji": row.emoji,
        "fromMe": row.contact is None,
        "name": name,
        "at": moment(row.at),
        "status": row.status or None,
        "errorCode": row.error_code or None,
    }


def reacted(row: Reaction) -> Shape:
    """What was wished. One that is so without our doing is as good as sent."""
    return {"emoji": row.emoji, "status": row.status or ReactionStatus.SENT.value}


def seed_jid(sender: Contact | None) -> str:
    """As the older systems wrote addresses."""
    return sender.jid.replace("@s.whatsapp.net", "@c.us") if sender else ""


def _writer(row: Message) -> str:
    return "Me" if row.from_me else row.sender.label if row.sender else ""


def transition(row: Transition) -> Shape:
    return {
        "id": row.pk,
        "at": moment(row.at),
        "happening": row.happening,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "detail": row.detail,
        "byUserId": row.by_user_id,
    }


def grant(row: ManagerAccess, company_id: str) -> Shape:
    """Needs the manager selected (seed W6)."""
    return {
        "id": row.id,
        "sessionId": row.session_id,
        "managerId": row.user_id,
        "companyId": company_id,
        "canRead": row.can_read,
        "canWrite": row.can_write,
        "canManageChats": row.can_manage_chats,
        "grantedAt": moment(row.granted_at),
        "grantedBy": row.granted_by_id,
        "manager": person(row.user),
    }


def listed_grant(row: ManagerAccess, company_id: str) -> Shape:
    """As `grant`, with the manager's id and who gave it (seed W7). Needs both selected."""
    named = {"id": row.user_id, **(person(row.user) or {})}
    return grant(row, company_id) | {"manager": named, "grantedByUser": person(row.granted_by)}


def disabled_webhook(row: WebhookEndpoint) -> Shape:
    """Without its address: that may have a secret of the receiver's in it, and other receivers read this."""
    return {"id": row.id, "description": row.description, "reason": row.disabled_reason}


def webhook(row: WebhookEndpoint, header_names: Iterable[str]) -> Shape:
    """An endpoint without any secret; of its headers the names alone. Needs `lanes` prefetched."""
    lanes = row.lanes.all()
    return {
        "id": row.id,
        "url": row.url,
        "description": row.description,
        "types": row.kinds,
        "sessionIds": row.session_ids,
        "batchQuietSeconds": row.batch_quiet_seconds,
        "batchMaxMessages": row.batch_max_messages,
        "headers": sorted(header_names),
        "isActive": row.is_active,
        "disabledReason": row.disabled_reason or None,
        "disabledAt": moment(row.disabled_at),
        "cursor": str(row.cursor),
        "failures": row.failures,
        "failingSince": moment(row.failing_since),
        "nextTryAt": moment(row.open_until),
        "sessionsBehind": sorted({lane.session_id for lane in lanes if not lane.is_replay and lane.attempts}),
        "replays": sum(lane.is_replay for lane in lanes),
        "previousSecretUntil": moment(row.previous_secret_until),
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }


class Tried(Protocol):
    """A request to a receiver that has ended, as it was just answered or as the delivery log has it."""

    @property
    def is_delivered(self) -> bool: ...
    @property
    def status(self) -> int | None: ...
    @property
    def error(self) -> str: ...
    @property
    def duration(self) -> int: ...
    @property
    def response(self) -> str: ...


def attempt(tried: Tried) -> Shape:
    return {
        "delivered": tried.is_delivered,
        "status": tried.status,
        "error": tried.error or None,
        "durationMs": tried.duration,
        "response": tried.response,
    }


def delivery(row: Delivery) -> Shape:
    return {
        "id": str(row.pk),
        "eventId": row.event_id,
        "type": row.event_kind,
        "sessionId": row.session_id or None,
        "attempt": row.attempt,
        "isReplay": row.is_replay,
        **attempt(row),
        "at": moment(row.at),
    }


def dead_letter(row: DeadLetter) -> Shape:
    return {
        "id": row.id,
        "eventId": row.event_id,
        "type": row.event_kind,
        "sessionId": row.session_id or None,
        "attempts": row.attempts,
        "status": row.status,
        "error": row.error or None,
        "diedAt": moment(row.died_at),
        "body": row.body,
    }
