"""Messages of system A, some thousands in a transaction; those that are here already stay as they are.

An outgoing one is `server_ack`: system A wrote a row only after its library had sent the message, and knows nothing of
delivery. A receipt may still raise it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.db import DatabaseError, connection, transaction
from django.db.models import Count

from whatsapp.engine import port
from whatsapp.engine.jpeg import measure
from whatsapp.imports import parsing
from whatsapp.imports.intake import Intake, TakenChat
from whatsapp.imports.parsing import Address
from whatsapp.imports.report import Cause
from whatsapp.imports.source import BATCH, Row
from whatsapp.models import Account, Chat, Contact, Media, Message, MessageStatus
from whatsapp.services.contacts import Identity, resolve
from whatsapp.services.inbound import preview
from whatsapp.services.media import row_of

WHAT: Final = "messages"
#: So often the import says how far it is.
PROGRESS: Final = 50_000

_INSERT: Final = """
INSERT INTO whatsapp_message ({columns}) SELECT {columns} FROM incoming_message ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True)
class _Draft:
    """A message before its writer is looked up; only groups need that."""

    message: Message
    chat: TakenChat
    writer: Address | None
    media: Media | None


def take_messages(intake: Intake) -> None:
    read = 0
    for rows in _batches(intake.source.messages(intake.company.pk)):
        drafts = [draft for row in rows if (draft := _draft(intake, row))]
        _store(intake, drafts)
        if (read + len(rows)) // PROGRESS > read // PROGRESS:
            intake.say(f"{intake.company.slug}: {read + len(rows)} messages read")
        read += len(rows)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


# -- one row -------------------------------------------------------------------------------------------------------
def _draft(intake: Intake, row: Row) -> _Draft | None:
    chat = intake.chats.get(parsing.kept_id(row["chatId"] or ""))
    at = parsing.moment(row["timestamp"])
    if not row["id"] or chat is None or at is None:
        cause = Cause.NO_ID if not row["id"] else Cause.NO_CHAT if chat is None else Cause.NO_TIME
        intake.report.leave_out(WHAT, cause, row["id"])
        return None
    (wa_id, participant), kind = parsing.whatsapp_id(row["messageId"]), parsing.kind(row["messageType"])
    from_me, session_id = bool(row["fromMe"]), parsing.kept_id(row["sessionId"] or "")
    message = Message(
        id=parsing.kept_id(row["id"]),
        account_id=chat.account_id,
        chat_id=chat.id,
        session_id=session_id if session_id in intake.sessions else None,
        wa_id=wa_id,
        from_me=from_me,
        sender_id=None if from_me else chat.contact_id,
        sent_by_id=intake.people.get(parsing.kept_id(row["managerId"] or "")) if from_me else None,
        kind=kind,
        body=parsing.said(row["body"], kind),
        # Whole seconds, as all of ours: within one the ids decide.
        timestamp=at.replace(microsecond=0),
        status=MessageStatus.SERVER_ACK if from_me else MessageStatus.RECEIVED,
        is_read=from_me or bool(row["isRead"]),
        created_at=parsing.moment(row["createdAt"]) or at,
    )
    is_from_member = not from_me and chat.contact_id is None
    writer = (participant or parsing.address(row["fromNumber"])) if is_from_member else None
    return _Draft(message, chat, writer, _media(message, row))


def _media(message: Message, row: Row) -> Media | None:
    """All that system A knows of it: whether it was spoken, and of some the small picture."""
    jpeg = parsing.thumbnail(row["body"], message.kind)
    size, is_voice = measure(jpeg), parsing.is_voice(row["messageType"])
    media = port.Media(is_voice=is_voice, preview=port.Preview(jpeg, *size) if size else None)
    return row_of(message, media) if is_voice or size else None


# -- many ----------------------------------------------------------------------------------------------------------
def _store(intake: Intake, drafts: Sequence[_Draft]) -> None:
    """All in one transaction; when the database refuses it, halves, until the rows that are to blame are alone."""
    if not drafts:
        return
    try:
        with transaction.atomic():
            new = _insert(drafts)
    except DatabaseError:
        if len(drafts) == 1:
            intake.report.leave_out(WHAT, Cause.REFUSED, drafts[0].message.pk)
            return
        half = len(drafts) // 2
        _store(intake, drafts[:half])
        _store(intake, drafts[half:])
        return
    intake.report.of(WHAT).new += len(new)
    intake.report.of(WHAT).known += len(drafts) - len(new)
    _note(intake, (draft.message for draft in drafts if draft.message.pk in new))


def _note(intake: Intake, messages: Iterable[Message]) -> None:
    for message in messages:
        if not message.wa_id:
            intake.report.note(WHAT, Cause.WA_ID, message.pk)
        if len(message.body) >= parsing.MAX_TEXT:
            intake.report.note(WHAT, Cause.TEXT, message.pk)


def _insert(drafts: Sequence[_Draft]) -> set[str]:
    """The ids of those that are new. Locks the accounts first, as the worker does before it stores messages."""
    ids = [draft.message.pk for draft in drafts]
    known = set(Message.objects.filter(pk__in=ids).values_list("pk", flat=True))
    fresh = [draft for draft in drafts if draft.message.pk not in known]
    if not fresh:
        return set()
    accounts = Account.objects.select_for_update(no_key=True).order_by("pk")
    _find_writers({row.pk: row for row in accounts.filter(pk__in={draft.chat.account_id for draft in fresh})}, fresh)
    # What another session of the number has brought, or has come here since, is one message.
    stored = _copy([draft.message for draft in fresh])
    new = [draft for draft in fresh if draft.message.pk in stored]
    Media.objects.bulk_create(draft.media for draft in new if draft.media)
    _bring_up_to_date(new)
    return stored


def _copy(messages: Iterable[Message]) -> set[str]:
    """Store those that are not here yet; their ids. By PostgreSQL's COPY, which takes many times what INSERT takes."""
    fields = Message._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    # COPY raises psycopg's own errors.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute("CREATE TEMP TABLE IF NOT EXISTS incoming_message (LIKE whatsapp_message) ON COMMIT DROP")
        cursor.execute("TRUNCATE incoming_message")
        with cursor.copy(f"COPY incoming_message ({columns}) FROM STDIN") as copy:
            for row in messages:
                copy.write_row([each.get_db_prep_save(getattr(row, each.attname), connection) for each in fields])
        cursor.execute(_INSERT.format(columns=columns))
        return {row_id for (row_id,) in cursor.fetchall()}


def _find_writers(accounts: Mapping[str, Account], drafts: Iterable[_Draft]) -> None:
    for account in accounts.values():
        theirs = [(each, each.writer) for each in drafts if each.writer and each.chat.account_id == account.pk]
        people = {place: Identity(phone=place.phone, lid=place.lid) for _, place in theirs if not place.group}
        contacts: Mapping[Identity, Contact] = resolve(account, people.values()) if people else {}
        for draft, place in theirs:
            draft.message.sender = contacts.get(people[place]) if place in people else None


def _bring_up_to_date(drafts: Sequence[_Draft]) -> None:
    """The last message and what is unread, told anew by the rows themselves (system A miscounts a first message)."""
    ids = {draft.chat.id for draft in drafts}
    news = {draft.chat.id for draft in drafts if draft.chat.is_old and not draft.message.is_read}
    messages = Message.objects.filter(chat__in=ids)
    unread = messages.filter(from_me=False, is_read=False).values("chat_id").annotate(total=Count("pk"))
    counts = dict(unread.order_by().values_list("chat_id", "total"))
    wrote = set(messages.filter(from_me=False).order_by().values_list("chat_id", flat=True).distinct())
    newest = {row.chat_id: row for row in messages.order_by("chat_id", "-timestamp", "-id").distinct("chat_id")}
    chats = list(Chat.objects.filter(pk__in=ids))
    for chat in chats:
        last = newest[chat.pk]
        chat.unread_count = counts.get(chat.pk, 0)
        chat.last_message_at, chat.last_message_text = last.timestamp, preview(last)
        # What a customer writes must not stay out of sight; what was archived there with it stays archived.
        chat.is_archived = chat.is_archived and chat.pk not in news
        chat.has_written = chat.has_written or chat.pk in wrote
    changed = ["unread_count", "last_message_at", "last_message_text", "is_archived", "has_written"]
    Chat.objects.bulk_update(chats, changed)
