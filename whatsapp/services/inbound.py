"""Storing what the engine reports about messages: many at a time, in one transaction, each exactly once.

Only the session's owner calls this (`fleet.leases.hold`). Repeats are harmless: WhatsApp delivers again after a lost
connection, and a journal is read again after a crash.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from django.db import connection
from django.db.models import Count, Q

from tenants.models import Company
from wharf.ids import new_id
from whatsapp import shapes
from whatsapp.engine.port import (
    MessageReceived,
    MessageUnreadable,
    Person,
    ReactionReceived,
    ReceiptKind,
    ReceiptReceived,
)
from whatsapp.models import Account, Chat, Contact, Message, MessageStatus, Reaction, Session
from whatsapp.services import news, observing, statuses
from whatsapp.services.contacts import Identity, resolve
from whatsapp.services.reactions import reactions_to

Incoming = MessageReceived | MessageUnreadable
InChat = Incoming | ReactionReceived

PREVIEW: Final = 200
#: What an unreadable message lacks.
_CONTENT: Final = ("kind", "body", "timestamp", "status")
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


_ACCOUNT_OF: Final = """
SELECT account.* FROM whatsapp_account account JOIN whatsapp_session session ON session.account_id = account.id
WHERE session.id = %s FOR NO KEY UPDATE OF account
"""


def lock_account_of(session_id: str) -> Account | None:
    """`lock_account` by the session's id alone, for the way that every message takes; None before the first link."""
    found = list(Account.objects.raw(_ACCOUNT_OF, [session_id]))
    return found[0] if found else None


#: As above: the ORM's own work on these was more than the database's.
_CHATS: Final = """
SELECT *, EXISTS (
    SELECT FROM whatsapp_reaction WHERE chat_id = whatsapp_chat.id AND wa_id = ANY(%s)
) AS has_early_reactions
FROM whatsapp_chat WHERE account_id = %s AND (contact_id = ANY(%s) OR group_jid = ANY(%s))
"""
_MESSAGES: Final = "SELECT * FROM whatsapp_message WHERE chat_id = ANY(%s) AND wa_id = ANY(%s)"


# -- messages ------------------------------------------------------------------------------------------------------
def record_messages(company: Company, session: Session, account: Account, events: Sequence[Incoming]) -> None:
    """Store messages with their chats and contacts, count what is unread, tell whoever watches."""
    people = resolve(account, (identity(p) for event in events for p in (event.peer, event.sender)))
    chats = _chats(account, events, people)
    known = _known(chats.values(), events)
    fresh: list[Message] = []
    filled: list[Message] = []
    for event in events:
        chat = chats[_chat_key(event, people)]
        row = _row(event, session, account, chat, people.get(identity(event.sender)))
        before = known.get(_message_key(row))
        if before is None:
            known[_message_key(row)] = row
            fresh.append(row)
        elif before.status == MessageStatus.UNREADABLE and row.status != MessageStatus.UNREADABLE:
            _fill_in(before, row)
            filled.append(before)
    Message.objects.bulk_create(fresh)
    _save_filled(company, session, [row for row in filled if row not in fresh])
    touch_chats(chats.values(), fresh, filled)
    tell_messages(company, session, account, fresh)
    observing.stored(fresh, filled)


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
        # What was written on the phone, WhatsApp has.
        row.status = MessageStatus.SERVER_ACK if event.from_me else MessageStatus.RECEIVED
        row.kind, row.body = event.kind, event.text
    if event.from_me:
        row.from_me, row.sender, row.is_read = True, None, True
    return row


def _chat_key(event: InChat, people: dict[Identity, Contact]) -> str:
    """What makes a chat one within an account: the group, or the contact."""
    return event.group or people[identity(event.peer)].pk


def _chats(account: Account, events: Sequence[InChat], people: dict[Identity, Contact]) -> dict[str, Chat]:
    contacts = [people[identity(event.peer)] for event in events if not event.group]
    groups = {event.group for event in events if event.group}
    return find_chats(account, contacts, groups=groups, wa_ids=[event.wa_id for event in events])


def find_chats(
    account: Account, people: Iterable[Contact], *, groups: Collection[str] = (), wa_ids: Collection[str] = ()
) -> dict[str, Chat]:
    """The chats with these, by the contact's id or the group's JID; made if there is none. The account must be locked.

    `wa_ids`: `has_early_reactions` tells of these messages.
    """
    contacts = {row.pk: row for row in people}
    chats = {}
    for row in Chat.objects.raw(_CHATS, [list(set(wa_ids)), account.pk, list(contacts), list(groups)]):
        if row.contact_id:
            row.contact = contacts[row.contact_id]
        chats[row.group_jid or str(row.contact_id)] = row
    missing = [Chat(id=new_id(), account=account, group_jid=jid) for jid in set(groups) - chats.keys()]
    missing += [Chat(id=new_id(), account=account, contact=row) for pk, row in contacts.items() if pk not in chats]
    Chat.objects.bulk_create(missing)
    return chats | {row.group_jid or str(row.contact_id): row for row in missing}


def _message_key(row: Message) -> tuple[str, str, str | None, bool]:
    return row.chat_id, row.wa_id, row.sender_id, row.from_me


def _known(chats: Iterable[Chat], events: Iterable[Incoming]) -> dict[tuple[str, str, str | None, bool], Message]:
    ids = [[chat.pk for chat in chats], list({event.wa_id for event in events})]
    return {_message_key(row): row for row in Message.objects.raw(_MESSAGES, ids)}


def _fill_in(before: Message, now: Message) -> None:
    """WhatsApp sent again, readable this time, what had come undecryptable."""
    for name in _CONTENT:
        setattr(before, name, getattr(now, name))


def _save_filled(company: Company, session: Session, rows: Sequence[Message]) -> None:
    for row in rows:
        row.save(update_fields=_CONTENT)
        statuses.tell_status(company, session, row)


def preview(row: Message) -> str:
    """What a list of chats shows of it."""
    return " ".join(row.body.split())[:PREVIEW] or f"[{row.kind}]"


_TOUCH: Final = """
UPDATE whatsapp_chat
SET last_message_at = %s, last_message_text = %s, unread_count = unread_count + %s, updated_at = now(),
    is_archived = is_archived AND %s = 0, has_written = has_written OR %s
WHERE id = %s
"""


def touch_chats(chats: Iterable[Chat], fresh: Sequence[Message], filled: Sequence[Message] = ()) -> None:
    """Show what is new in the list of chats, and count what is unread."""
    touched = []
    for chat in chats:
        rows = [row for row in (*fresh, *filled) if row.chat_id == chat.pk]
        if not rows:
            continue
        # WhatsApp's times are whole seconds: of several in one, the last is the newest, as in the list of messages.
        newest = max(rows, key=lambda row: (row.timestamp, row.pk))
        if chat.last_message_at is None or newest.timestamp >= chat.last_message_at:
            chat.last_message_at, chat.last_message_text = newest.timestamp, preview(newest)
        unread = sum(row.chat_id == chat.pk and not row.from_me for row in fresh)
        chat.unread_count += unread
        # What a customer writes must not stay out of sight.
        chat.is_archived = chat.is_archived and not unread
        touched.append((chat.last_message_at, chat.last_message_text, unread, unread, unread > 0, chat.pk))
    with connection.cursor() as cursor:
        cursor.executemany(_TOUCH, touched)


def tell_messages(company: Company, session: Session, account: Account, fresh: Iterable[Message]) -> None:
    """Messages that are new in their chats, whoever wrote them."""
    # A reaction may have come before its message.
    reactions = reactions_to(row for row in fresh if row.chat.has_early_reactions)
    for row in fresh:
        data = {
            "chat": shapes.chat(row.chat, session.pk, company.pk),
            "message": shapes.message(row, session.pk, company.pk, account.phone_number, reactions.get(row.pk, [])),
            "account": shapes.account(account),
            "sender": shapes.party(row.sender) if row.sender else None,
        }
        news.tell_of_chat(company, session, row.chat, "message.new", data, happened_at=row.timestamp)


# -- reactions -----------------------------------------------------------------------------------------------------
def record_reactions(company: Company, session: Session, account: Account, events: Sequence[ReactionReceived]) -> None:
    """Store what people put on messages, each person's last; it need not be known what message that is."""
    people = resolve(account, (identity(p) for event in events for p in (event.peer, event.sender)))
    chats = _chats(account, events, people)
    for event in events:
        contact = None if event.from_me else people.get(identity(event.sender))
        if contact is None and not event.from_me:
            # Nobody's: it must not pass for ours.
            continue
        chat = chats[_chat_key(event, people)]
        if _react(chat, contact, event):
            tell_reactions(company, session, chat, event.wa_id)


def _react(chat: Chat, contact: Contact | None, event: ReactionReceived) -> bool:
    """Whether anything is different now. What is older than what we know is an echo."""
    at = datetime.fromtimestamp(event.at, UTC)
    told = {"emoji": event.emoji, "at": at}
    row, is_new = Reaction.objects.get_or_create(chat=chat, wa_id=event.wa_id, contact=contact, defaults=told)
    if is_new:
        return bool(event.emoji)
    # One of ours that is under way will be the later one, unless the phone's is.
    if at < row.at or event.emoji == row.emoji or (row.is_under_way and at == row.at):
        return False
    row.emoji, row.at, row.status, row.error_code = event.emoji, at, "", ""
    row.save(update_fields=["emoji", "at", "status", "error_code"])
    return True


def tell_reactions(company: Company, session: Session, chat: Chat, wa_id: str) -> None:
    """How the message stands now; while it is not here there is nobody to tell."""
    rows = list(Message.objects.filter(chat=chat, wa_id=wa_id))
    reactions = reactions_to(rows)
    for row in rows:
        payload = {
            "sessionId": session.pk,
            "id": row.pk,
            "chatId": chat.pk,
            "messageId": wa_id,
            "reactions": [shapes.reaction(each) for each in reactions.get(row.pk, [])],
        }
        news.tell_of_chat(company, session, chat, "message.reaction", payload)


# -- receipts ------------------------------------------------------------------------------------------------------
def record_receipts(company: Company, session: Session, account: Account, events: Sequence[ReceiptReceived]) -> None:
    """Raise our messages' status as far as the receipts prove; note what our own phone has read."""
    for event in events:
        if event.from_me:
            _read_on_phone(company, session, account, event)
    # In a group one member's reading is not everybody's.
    told = [e for e in events if not e.from_me and (e.kind == ReceiptKind.DELIVERED or not e.group)]
    if told:
        proofs = [(wa_id, _STATUS_OF[event.kind]) for event in told for wa_id in event.wa_ids]
        statuses.climb(company, session, account, proofs)


def _read_on_phone(company: Company, session: Session, account: Account, event: ReceiptReceived) -> None:
    rows = Message.objects.filter(account=account, from_me=False, wa_id__in=event.wa_ids)
    chats = set(rows.values_list("chat_id", flat=True))
    rows.update(is_read=True)
    for chat in Chat.objects.select_related("contact").filter(pk__in=chats):
        recount(company, session, chat)


def recount(company: Company, session: Session, chat: Chat) -> None:
    """Unread is what it is by definition: incoming messages that nobody has read."""
    unread = Q(from_me=False, is_read=False)
    counted = Message.objects.filter(chat=chat).aggregate(unread=Count("id", filter=unread), all=Count("id"))
    chat.unread_count = counted["unread"]
    chat.save(update_fields=["unread_count", "updated_at"])
    payload = shapes.chat(chat, session.pk, company.pk) | {"_count": {"messages": counted["all"]}}
    news.tell_of_chat(company, session, chat, "chat.changed", payload)
