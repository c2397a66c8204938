"""Storing what the engine reports about messages: many at a time, in one transaction, each exactly once.

Only the session's owner calls this (`fleet.leases.hold`). Repeats are harmless: WhatsApp delivers again after a lost
connection, and a journal is read again after a crash.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from django.db import connection
from django.db.models import Count, Q

from tenants.models import Company
from wharf.ids import new_id
from wharf.moments import moment
from wharf.sql import Answer, Ask, insert, together
from whatsapp import shapes
from whatsapp.engine.port import (
    MessageLost,
    MessageReceived,
    MessageUnreadable,
    Person,
    ReactionReceived,
    ReceiptKind,
    ReceiptReceived,
)
from whatsapp.models import Account, Chat, Contact, Media, Message, MessageStatus, Reaction, Session
from whatsapp.models.message import LOST
from whatsapp.services import news, observing, statuses
from whatsapp.services.contacts import Identity
from whatsapp.services.media import NOTHING, ByMessage, row_of
from whatsapp.services.places import Lookup, Places, Sought
from whatsapp.services.reactions import reactions_to
from whatsapp.services.statuses import Proof

Incoming = MessageReceived | MessageUnreadable | MessageLost
InChat = Incoming | ReactionReceived

PREVIEW: Final = 200
#: What an unreadable message lacks.
_CONTENT: Final = ("kind", "body", "timestamp", "status", "error_code")
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


def ask_for_account(ask: Ask, session_id: str) -> Answer:
    """`lock_account` by the session's id alone, for the way that every message takes."""
    return ask(_ACCOUNT_OF, [session_id])


def answered_account(answer: Answer) -> Account | None:
    """None before the first link."""
    return next(iter(answer.load(Account)), None)


_MESSAGES: Final = "SELECT * FROM whatsapp_message WHERE account_id = %s AND wa_id = ANY(%s)"


# -- messages ------------------------------------------------------------------------------------------------------
def record_messages(company: Company, session: Session, account: Account, events: Sequence[Incoming]) -> None:
    """Store messages with their chats and contacts, count what is unread, tell whoever watches."""
    known, places = _look_up(account, events)
    fresh: list[Message] = []
    filled: list[Message] = []
    lost: dict[str, MessageLost] = {}
    brought: dict[str, Media] = {}
    for event in events:
        chat = places.chat(identity(event.peer), event.group)
        row = _row(event, session, account, chat, places.people.get(identity(event.sender)))
        before = known.get(_message_key(row))
        if before is None:
            known[_message_key(row)] = row
            fresh.append(row)
        elif _says_more(row, before):
            _fill_in(before, row)
            filled.append(before)
            row = before
        else:
            continue
        if isinstance(event, MessageLost):
            lost[row.pk] = event
        elif isinstance(event, MessageReceived) and event.media:
            brought[row.pk] = row_of(row, event.media)
    with together():
        insert(fresh)
        Media.objects.bulk_create(brought.values())
        touch_chats(places.chats(), fresh, filled)
    _save_filled(company, session, [row for row in filled if row not in fresh])
    tell_messages(company, session, account, fresh, brought)
    for row in (*fresh, *filled):
        if row.error_code == LOST and (event_of_it := lost.pop(row.pk, None)):
            tell_lost(company, session, row, event_of_it)
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
    if isinstance(event, MessageLost):
        row.error_code = LOST
    if event.from_me:
        row.from_me, row.sender, row.is_read = True, None, True
    return row


_Key = tuple[str, str, str | None, bool]


def _look_up(account: Account, events: Sequence[Incoming]) -> tuple[dict[_Key, Message], Places]:
    """What is known of the messages, and where they were said."""
    wa_ids = list({event.wa_id for event in events})
    with together() as ask:
        lookup = Lookup(ask, account, _sought(events))
        answer = ask(_MESSAGES, [account.pk, wa_ids])
    places = lookup.settle()
    if places.has_merged:
        with together() as ask:
            answer = ask(_MESSAGES, [account.pk, wa_ids])
    return {_message_key(row): row for row in answer.load(Message)}, places


def _sought(events: Sequence[InChat]) -> Sought:
    return Sought(
        people=[identity(person) for event in events for person in (event.peer, event.sender)],
        partners=[identity(event.peer) for event in events if not event.group],
        groups={event.group for event in events if event.group},
        wa_ids={event.wa_id for event in events},
    )


def _message_key(row: Message) -> _Key:
    return row.chat_id, row.wa_id, row.sender_id, row.from_me


def _says_more(now: Message, before: Message) -> bool:
    """What was unreadable can be read, or will not be asked for any more."""
    return before.status == MessageStatus.UNREADABLE and (
        now.status != MessageStatus.UNREADABLE or now.error_code > before.error_code
    )


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


def tell_messages(
    company: Company, session: Session, account: Account, fresh: Iterable[Message], media: ByMessage = NOTHING
) -> None:
    """Messages that are new in their chats, whoever wrote them."""
    # A reaction may have come before its message.
    reactions = reactions_to(row for row in fresh if row.chat.has_early_reactions)
    for row in fresh:
        data = {
            "chat": shapes.chat(row.chat, session.pk, company.pk),
            "message": shapes.message(
                row, session.pk, company.pk, account.phone_number, reactions.get(row.pk, []), media.get(row.pk)
            ),
            "account": shapes.account(account),
            "sender": shapes.party(row.sender) if row.sender else None,
        }
        news.tell_of_chat(company, session, row.chat, "message.new", data, happened_at=row.timestamp)


def tell_lost(company: Company, session: Session, row: Message, event: MessageLost) -> None:
    data = {
        "id": row.pk,
        "chatId": row.chat_id,
        "sessionId": session.pk,
        "messageId": row.wa_id,
        "fromMe": row.from_me,
        "sender": shapes.party(row.sender) if row.sender else None,
        "after": moment(datetime.fromtimestamp(event.after, UTC)),
        "before": moment(datetime.fromtimestamp(event.before, UTC)),
    }
    news.tell_of_chat(company, session, row.chat, "message.lost", data, happened_at=row.timestamp)


# -- reactions -----------------------------------------------------------------------------------------------------
def record_reactions(company: Company, session: Session, account: Account, events: Sequence[ReactionReceived]) -> None:
    """Store what people put on messages, each person's last; it need not be known what message that is."""
    with together() as ask:
        lookup = Lookup(ask, account, _sought(events))
    places = lookup.settle()
    for event in events:
        contact = None if event.from_me else places.people.get(identity(event.sender))
        if contact is None and not event.from_me:
            # Nobody's: it must not pass for ours.
            continue
        chat = places.chat(identity(event.peer), event.group)
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
def proofs(events: Sequence[ReceiptReceived]) -> list[Proof]:
    """What the receipts prove of messages of ours."""
    # In a group one member's reading is not everybody's.
    told = [e for e in events if not e.from_me and (e.kind == ReceiptKind.DELIVERED or not e.group)]
    return [(wa_id, _STATUS_OF[event.kind]) for event in told for wa_id in event.wa_ids]


def note_reading(company: Company, session: Session, account: Account, events: Sequence[ReceiptReceived]) -> None:
    """What our own phone has read of others'."""
    for event in events:
        if event.from_me:
            _read_on_phone(company, session, account, event)


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
