"""Storing what the engine reports about messages: many at a time, in one transaction, each exactly once.

Only the session's owner calls this (`fleet.leases.hold`). Repeats are harmless: WhatsApp delivers again after a lost
connection, and a journal is read again after a crash.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from tenants.models import Company
from wharf.ids import new_id
from whatsapp import live, shapes
from whatsapp.engine.port import MessageReceived, MessageUnreadable, Person, ReceiptKind, ReceiptReceived
from whatsapp.models import Account, Chat, Contact, EarlyReceipt, Message, MessageStatus, Session
from whatsapp.models.message import CLIMB
from whatsapp.services.contacts import Identity, resolve

Incoming = MessageReceived | MessageUnreadable

PREVIEW: Final = 200
_STATUS_OF: Final = {
    ReceiptKind.DELIVERED: MessageStatus.DELIVERED,
    ReceiptKind.READ: MessageStatus.READ,
    ReceiptKind.PLAYED: MessageStatus.READ,
}


def identity(person: Person) -> Identity:
    return Identity(phone=person.pn, lid=person.lid, name=person.name)


def lock_account(session: Session) -> Account:
    """The session's account, locked: two linked devices of one number store the same messages one after the other."""
    return Account.objects.select_for_update(no_key=True).get(pk=session.account_id)


# -- messages ------------------------------------------------------------------------------------------------------
def record_messages(company: Company, session: Session, account: Account, events: Sequence[Incoming]) -> None:
    """Store messages with their chats and contacts, count what is unread, tell whoever watches."""
    people = resolve(account, (identity(p) for event in events for p in (event.peer, event.sender)))
    chats = _chats(account, events, people)
    known = _known(chats.values(), events)
    fresh: list[Message] = []
    for event in events:
        chat = chats[_chat_key(event, people)]
        row = _row(event, session, account, chat, people.get(identity(event.sender)))
        before = known.get(_message_key(row))
        if before is None:
            known[_message_key(row)] = row
            fresh.append(row)
        elif before.status == MessageStatus.UNREADABLE and row.status != MessageStatus.UNREADABLE:
            _fill_in(before, row)
    Message.objects.bulk_create(fresh)
    _touch_chats(chats.values(), fresh)
    _tell_messages(company, session, account, fresh)


def _row(event: Incoming, session: Session, account: Account, chat: Chat, sender: Contact | None) -> Message:
    row = Message(
        id=new_id(),
        account=account,
        chat=chat,
        session=session,
        wa_id=event.wa_id,
        from_me=False,
        sender=sender,
        kind="other",
        timestamp=datetime.fromtimestamp(event.at, UTC),
        status=MessageStatus.UNREADABLE,
    )
    if isinstance(event, MessageReceived):
        row.kind, row.body, row.status = event.kind, event.text, MessageStatus.RECEIVED
        if event.from_me:
            # Written on the phone, so WhatsApp has it.
            row.from_me, row.sender, row.is_read, row.status = True, None, True, MessageStatus.SERVER_ACK
    return row


def _chat_key(event: Incoming, people: dict[Identity, Contact]) -> str:
    """What makes a chat one within an account: the group, or the contact."""
    return event.group or people[identity(event.peer)].pk


def _chats(account: Account, events: Iterable[Incoming], people: dict[Identity, Contact]) -> dict[str, Chat]:
    groups = {event.group for event in events if event.group}
    contacts = {row.pk: row for event in events if not event.group for row in [people[identity(event.peer)]]}
    rows = Chat.objects.select_related("contact").filter(
        Q(group_jid__in=groups) | Q(contact__in=contacts), account=account
    )
    chats = {row.group_jid or str(row.contact_id): row for row in rows}
    missing = [Chat(id=new_id(), account=account, group_jid=jid) for jid in groups - chats.keys()]
    missing += [Chat(id=new_id(), account=account, contact=row) for pk, row in contacts.items() if pk not in chats]
    Chat.objects.bulk_create(missing)
    return chats | {row.group_jid or str(row.contact_id): row for row in missing}


def _message_key(row: Message) -> tuple[str, str, str | None, bool]:
    return row.chat_id, row.wa_id, row.sender_id, row.from_me


def _known(chats: Iterable[Chat], events: Iterable[Incoming]) -> dict[tuple[str, str, str | None, bool], Message]:
    rows = Message.objects.filter(chat__in=list(chats), wa_id__in={event.wa_id for event in events})
    return {_message_key(row): row for row in rows}


def _fill_in(before: Message, now: Message) -> None:
    """WhatsApp sent again, readable this time, what had come undecryptable."""
    for name in ("kind", "body", "timestamp", "status"):
        setattr(before, name, getattr(now, name))
    before.save(update_fields=["kind", "body", "timestamp", "status"])


def preview(row: Message) -> str:
    """What a list of chats shows of it."""
    return " ".join(row.body.split())[:PREVIEW] or f"[{row.kind}]"


def _touch_chats(chats: Iterable[Chat], fresh: Sequence[Message]) -> None:
    touched = []
    for chat in chats:
        rows = [row for row in fresh if row.chat_id == chat.pk]
        if not rows:
            continue
        newest = max(rows, key=lambda row: row.timestamp)
        if chat.last_message_at is None or newest.timestamp >= chat.last_message_at:
            chat.last_message_at, chat.last_message_text = newest.timestamp, preview(newest)
        chat.unread_count += sum(not row.from_me for row in rows)
        chat.updated_at = timezone.now()
        touched.append(chat)
    Chat.objects.bulk_update(touched, ["last_message_at", "last_message_text", "unread_count", "updated_at"])


def _tell_messages(company: Company, session: Session, account: Account, fresh: Iterable[Message]) -> None:
    for row in fresh:
        payload = {
            "chat": shapes.chat(row.chat, session.pk, company.pk),
            "message": shapes.message(row, session.pk, company.pk, account.phone_number),
        }
        live.publish(live.session_group(company, session.pk), "message.new", payload)


# -- receipts ------------------------------------------------------------------------------------------------------
def record_receipts(company: Company, session: Session, account: Account, events: Sequence[ReceiptReceived]) -> None:
    """Raise our messages' status as far as the receipts prove; note what our own phone has read."""
    for event in events:
        if event.from_me:
            _read_on_phone(company, session, account, event)
        elif not (event.group and event.kind != ReceiptKind.DELIVERED):
            # In a group one member's reading is not everybody's.
            climb(company, session, account, event.wa_ids, _STATUS_OF[event.kind])


def climb(company: Company, session: Session, account: Account, wa_ids: Sequence[str], status: MessageStatus) -> None:
    """Raise messages of ours to `status`, never down. Ids that nobody knows yet are kept for the send's answer."""
    ours = Message.objects.filter(account=account, from_me=True, wa_id__in=wa_ids)
    rows = list(ours.select_related("sent_by", "sender"))
    _keep_early(account, set(wa_ids) - {row.wa_id for row in rows}, status)
    for row in rows:
        if _is_higher(status, row.status):
            raise_status(company, session, row, status)


def _is_higher(status: MessageStatus, than: str) -> bool:
    return MessageStatus(than) in CLIMB and CLIMB.index(status) > CLIMB.index(MessageStatus(than))


def raise_status(company: Company, session: Session, row: Message, status: MessageStatus) -> None:
    row.status, row.error_code, row.error_detail = status, "", ""
    row.save(update_fields=["status", "error_code", "error_detail", "wa_id", "timestamp"])
    tell_status(company, session, row)


def tell_status(company: Company, session: Session, row: Message) -> None:
    payload = {
        "sessionId": session.pk,
        "id": row.pk,
        "chatId": row.chat_id,
        "messageId": row.wa_id,
        "status": row.status,
        "errorCode": row.error_code or None,
    }
    live.publish(live.session_group(company, session.pk), "message.status", payload)


def _keep_early(account: Account, wa_ids: Iterable[str], status: MessageStatus) -> None:
    rows = [EarlyReceipt(account=account, wa_id=wa_id, status=status) for wa_id in wa_ids]
    EarlyReceipt.objects.bulk_create(rows, ignore_conflicts=True)


def apply_early(company: Company, session: Session, row: Message) -> None:
    """Receipts that came before we knew the message's id. Call it when the id becomes known."""
    early = EarlyReceipt.objects.filter(account_id=row.account_id, wa_id=row.wa_id)
    for receipt in early.order_by("id"):
        status = MessageStatus(receipt.status)
        if _is_higher(status, row.status):
            raise_status(company, session, row, status)
    early.delete()


def _read_on_phone(company: Company, session: Session, account: Account, event: ReceiptReceived) -> None:
    rows = Message.objects.filter(account=account, from_me=False, wa_id__in=event.wa_ids)
    chats = set(rows.values_list("chat_id", flat=True))
    rows.update(is_read=True)
    for chat in Chat.objects.select_related("contact").filter(pk__in=chats):
        recount(company, session, chat)


def recount(company: Company, session: Session, chat: Chat) -> None:
    """Unread is what it is by definition: incoming messages that nobody has read."""
    counted = Message.objects.filter(chat=chat, from_me=False, is_read=False).aggregate(n=Count("id"))
    chat.unread_count = counted["n"]
    chat.save(update_fields=["unread_count", "updated_at"])
    live.publish(live.session_group(company, session.pk), "chat.changed", shapes.chat(chat, session.pk, company.pk))
