"""Sending: a row first, then the engine, then what WhatsApp says; never claiming more than is known."""

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.utils import timezone

from accounts.permissions import Actor, Permission
from fleet import leases
from fleet.states import Wanted
from tenants.models import Company
from whatsapp import phones
from whatsapp.engine import device_store
from whatsapp.engine.port import SendFinished, SendOutcome
from whatsapp.errors import (
    BadExpiry,
    BadPriority,
    BadSendTime,
    ChatNotFound,
    EmptyMessage,
    MessageNotFound,
    MessageTooLong,
    SendingDenied,
    SessionNotConnected,
)
from whatsapp.models import Account, Chat, Message, MessageStatus, Session
from whatsapp.services import inbound, news, standing
from whatsapp.services.access import find_session
from whatsapp.services.contacts import Identity, learn
from whatsapp.services.refusals import refusal_of

#: WhatsApp has it, whatever else is said.
_PROVEN: Final = (MessageStatus.SERVER_ACK, MessageStatus.DELIVERED, MessageStatus.READ)
#: What one message may hold (seed row 73).
MAX_TEXT: Final = 4096
#: What is higher leaves first; a person's own texts have the one in the middle.
PRIORITIES: Final = (-100, 100)
#: So far ahead a text may be scheduled.
MAX_AHEAD: Final = timedelta(days=30)


@dataclass(frozen=True)
class Delivery:
    """When a text may leave: `priority` within `PRIORITIES`, not before `send_at`, not after `expires_at`."""

    priority: int = 0
    send_at: datetime | None = None
    expires_at: datetime | None = None


AT_ONCE: Final = Delivery()


# -- people --------------------------------------------------------------------------------------------------------
@news.writing
def queue_text(
    *,
    company: Company,
    session_id: str,
    text: str,
    by: Actor,
    chat_id: str = "",
    phone: str = "",
    delivery: Delivery = AT_ONCE,
) -> Message:
    """Queue a text to a chat, or to a phone number as people write it; it leaves when the session is connected.

    Raises EmptyMessage, MessageTooLong, ChatNotFound, BadPhoneNumber, BadPriority, BadSendTime, BadExpiry,
    SendingDenied, and SessionNotConnected while no phone is linked: what cannot leave is not accepted.
    """
    session = find_session(session_id, by=by, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    text = _checked(text)
    _check_delivery(delivery)
    # The placement before the account, as the worker locks them, or both could wait for each other.
    leases.leave_work(session.pk)
    account = account_to_send_from(session)
    chat = _chat(account, chat_id) if chat_id else chat_with(account, phone)
    row = Message.objects.create(
        account=account,
        chat=chat,
        session=session,
        from_me=True,
        sender=None,
        sent_by_id=by.user_id,
        body=text,
        status=MessageStatus.QUEUED,
        is_read=True,
        priority=delivery.priority,
        send_at=delivery.send_at,
        expires_at=delivery.expires_at,
        timestamp=(delivery.send_at or timezone.now()).replace(microsecond=0),
    )
    if delivery.send_at is None:
        chat.last_message_at, chat.last_message_text = row.timestamp, inbound.preview(row)
        chat.save(update_fields=["last_message_at", "last_message_text", "updated_at"])
    _tell_queued(company, session, account, row)
    return row


def _checked(text: str) -> str:
    # A browser's form ends its lines with CRLF; WhatsApp's own clients with LF.
    text = text.strip().replace("\r\n", "\n")
    if not text:
        raise EmptyMessage
    if len(text) > MAX_TEXT:
        raise MessageTooLong(limit=MAX_TEXT)
    return text


def _check_delivery(delivery: Delivery) -> None:
    if delivery == AT_ONCE:
        return
    now = timezone.now()
    if not PRIORITIES[0] <= delivery.priority <= PRIORITIES[1]:
        raise BadPriority(least=PRIORITIES[0], most=PRIORITIES[1])
    if delivery.send_at is not None and not now < delivery.send_at <= now + MAX_AHEAD:
        raise BadSendTime(days=MAX_AHEAD.days)
    if delivery.expires_at is not None and delivery.expires_at <= max(now, delivery.send_at or now):
        raise BadExpiry


def account_to_send_from(session: Session) -> Account:
    """The session's account, locked. Raises SessionNotConnected: what cannot leave is not accepted."""
    placement = session.placement
    if session.account_id is None or not placement.is_linked or placement.wanted != Wanted.RUNNING:
        raise SessionNotConnected
    return Account.objects.select_for_update(no_key=True).get(pk=session.account_id)


def _chat(account: Account, chat_id: str) -> Chat:
    chat = Chat.objects.select_related("contact").filter(account=account, pk=chat_id).first()
    if chat is None:
        raise ChatNotFound
    return chat


def chat_with(account: Account, phone: str) -> Chat:
    """The chat with a phone number, made if there is none. The account must be locked."""
    contact = learn(account, Identity(phone=phones.normalise(phone)))
    chat, _ = Chat.objects.select_related("contact").get_or_create(account=account, contact=contact)
    return chat


def _tell_queued(company: Company, session: Session, account: Account, row: Message) -> None:
    inbound.tell_messages(company, session, account, [row])


def find_message(message_id: str, *, session_id: str, by: Actor) -> Message:
    """A message of the session's account. Raises SessionNotFound, PermissionDenied, MessageNotFound."""
    session = find_session(session_id, by=by, needs=Permission.CHAT_READ)
    rows = Message.objects.select_related("sent_by", "sender", "account")
    row = rows.filter(pk=message_id, account_id=session.account_id).first()
    if row is None:
        raise MessageNotFound
    return row


# -- the owner -----------------------------------------------------------------------------------------------------
def recover(company: Company, session: Session, folder: Path) -> None:
    """Settle what a host took with it when it died. Call it with the lease held and while no host has the session.

    The device store holds a message's secret from just before it leaves: without it nothing left and the message is
    queued again; with it nobody can know, and it is never sent again by itself.
    """
    rows = Message.objects.filter(session=session, status=MessageStatus.SENT, from_me=True).exclude(secret=None)
    for row in rows.order_by("id"):
        wa_id = device_store.sent_id(folder, bytes(row.secret or b""))
        if wa_id:
            _unconfirmed(company, session, row, wa_id, "the process that sent it ended")
        else:
            row.status = MessageStatus.QUEUED
            row.save(update_fields=["status"])
            inbound.tell_status(company, session, row)


def leave_open(company: Company, session: Session, folder: Path, message_ids: Collection[str]) -> None:
    """No answer came in time, and the host lives: nobody can know yet, whatever the device store holds by now."""
    for row in Message.objects.filter(pk__in=message_ids, status=MessageStatus.SENT):
        # A store that cannot be read now costs the id alone.
        with suppress(sqlite3.Error):
            row.wa_id = device_store.sent_id(folder, bytes(row.secret or b""))
        _unconfirmed(company, session, row, row.wa_id, "no answer in time")


def recover_blindly(company: Company, session: Session) -> None:
    """As `recover`, where the store that could have told is lost: nobody can know of any of them."""
    for row in Message.objects.filter(session=session, status=MessageStatus.SENT, from_me=True).exclude(secret=None):
        _unconfirmed(company, session, row, "", "the store that knew was lost")


def record_finished(company: Company, session: Session, account: Account, events: Sequence[SendFinished]) -> None:
    """Store how sends ended, and what they taught us about their addressees."""
    known = Message.objects.select_related("chat", "sent_by", "sender", "session__pacing")
    rows = known.in_bulk([e.message_id for e in events])
    for event in events:
        if row := rows.get(event.message_id):
            _finish(company, session, account, row, event)


def _finish(company: Company, session: Session, account: Account, row: Message, event: SendFinished) -> None:
    if event.outcome != SendOutcome.ACKNOWLEDGED and row.status in _PROVEN:
        # Said again after a crash, and a receipt knew better meanwhile.
        return
    match event.outcome:
        case SendOutcome.ACKNOWLEDGED:
            _acknowledged(company, session, account, row, event)
        case SendOutcome.UNCONFIRMED:
            _unconfirmed(company, session, row, event.wa_id, event.detail)
        case SendOutcome.NOT_SENT:
            row.status, row.error_code, row.error_detail = MessageStatus.QUEUED, "", ""
            row.save(update_fields=["status", "error_code", "error_detail"])
            inbound.tell_status(company, session, row)
        case SendOutcome.REFUSED:
            _refused(company, session, row, event)


def _refused(company: Company, session: Session, row: Message, event: SendFinished) -> None:
    refusal = refusal_of(event.detail)
    row.status, row.error_code, row.error_detail = MessageStatus.FAILED, refusal.code, event.detail[:200]
    row.wa_id, row.retry_at = event.wa_id, standing.note_refusal(session, row, refusal, timezone.now())
    row.save(update_fields=["status", "error_code", "error_detail", "wa_id", "retry_at"])
    inbound.tell_status(company, session, row)


def _acknowledged(company: Company, session: Session, account: Account, row: Message, event: SendFinished) -> None:
    contact = learn(account, inbound.identity(event.peer))
    if contact and contact.pk != row.chat.contact_id:
        # Two contacts turned out to be one person, and the message has moved to their common chat.
        row.refresh_from_db(fields=["chat"])
    proven = _drop_mirror(row, event.wa_id)
    row.wa_id = event.wa_id
    if event.at:
        # WhatsApp's clock, as of everything else in the chat.
        row.timestamp = datetime.fromtimestamp(event.at, UTC)
    inbound.climb_to(company, session, row, MessageStatus.SERVER_ACK, *proven)
    inbound.apply_early(company, session, row)
    standing.note_success(row)


def _unconfirmed(company: Company, session: Session, row: Message, wa_id: str, detail: str) -> None:
    proven = _drop_mirror(row, wa_id)
    row.status, row.error_code, row.error_detail = MessageStatus.UNCONFIRMED, "no_answer", detail[:200]
    row.wa_id = wa_id
    row.save(update_fields=["status", "error_code", "error_detail", "wa_id"])
    inbound.tell_status(company, session, row)
    if wa_id:
        inbound.climb_to(company, session, row, *proven)
        inbound.apply_early(company, session, row)


def _drop_mirror(row: Message, wa_id: str) -> list[MessageStatus]:
    """Another linked device of the number may have seen our message before we knew its id: it is this one.

    Returns how far that copy had come, for what was proven of it is proven of ours.
    """
    if not wa_id:
        return []
    mirrors = Message.objects.filter(account_id=row.account_id, wa_id=wa_id, from_me=True).exclude(pk=row.pk)
    proven = [MessageStatus(status) for status in mirrors.values_list("status", flat=True)]
    if proven:
        mirrors.delete()
    return proven
