"""Reading: the chats of a session's account, their messages by pages, and marking what was read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, F, Q, QuerySet, Sum

from accounts.models import Role
from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from tenants.models import Company
from whatsapp.errors import ChatNotFound, MessageNotFound, PreviewNotFound, ReadingDenied
from whatsapp.models import Account, Chat, Media, Message, Session
from whatsapp.services import inbound, news
from whatsapp.services.access import find_session
from whatsapp.services.media import with_media

#: Who reads a chat is written down so often at most.
OPENED_EVERY: Final = timedelta(hours=1)
MAX_LIMIT: Final = 200
#: Kinds that bring nothing with a name of its own.
_BARE: Final = ("text", "other")


@dataclass(frozen=True)
class Page:
    """One page of `total` rows; `number` counts from 1."""

    number: int
    limit: int
    total: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.limit

    @property
    def pages(self) -> int:
        return -(-self.total // self.limit)

    @property
    def shape(self) -> dict[str, int]:
        """As answers have it (seed contract 1.0)."""
        return {"page": self.number, "limit": self.limit, "total": self.total, "pages": self.pages}


@dataclass(frozen=True)
class ChatFilter:
    """Groups are hidden until asked for, as in the older system; here both of its switches work (seed W9)."""

    include_groups: bool = False
    chat_type: str = "individual"
    search: str = ""
    archived: bool = False
    unread: bool = False

    def apply(self, rows: QuerySet[Chat]) -> QuerySet[Chat]:
        rows = rows.filter(is_archived=self.archived)
        if self.unread:
            rows = rows.filter(unread_count__gt=0)
        if self.chat_type == "group":
            rows = rows.exclude(group_jid="")
        elif self.chat_type != "all" and not self.include_groups:
            rows = rows.filter(group_jid="")
        if self.search:
            rows = rows.filter(
                Q(name__icontains=self.search)
                | Q(contact__push_name__icontains=self.search)
                | Q(contact__phone_number__contains=self.search.lstrip("+"))
                | Q(subject__icontains=self.search)
            )
        return rows


def list_chats(
    *, session_id: str, by: Actor, number: int = 1, limit: int = 50, chat_filter: ChatFilter | None = None
) -> tuple[list[tuple[Chat, int]], Page]:
    """Newest first, each with the number of its messages. Raises SessionNotFound, ReadingDenied."""
    session = readable_session(session_id, by)
    rows = (chat_filter or ChatFilter()).apply(Chat.objects.filter(account_id=session.account_id))
    page = Page(number, min(limit, MAX_LIMIT), rows.count())
    newest = rows.select_related("contact").order_by(F("last_message_at").desc(nulls_last=True), "-id")
    shown = list(newest[page.offset : page.offset + page.limit])
    # Of these alone: what one page costs must not grow with all messages of all chats.
    counted = Message.objects.filter(chat__in=shown).values_list("chat_id").annotate(Count("id"))
    totals = dict(counted.order_by())
    return [(row, totals.get(row.pk, 0)) for row in shown], page


def last_brought(rows: Sequence[Chat]) -> dict[str, Message]:
    """The last message of each chat whose last message is no text; `media_of` has what it brings."""
    ids = [row.pk for row in rows if row.last_message_text]
    shown = {row.pk: row.last_message_text for row in rows}
    newest = Message.objects.filter(chat__in=ids, timestamp=F("chat__last_message_at")).exclude(kind__in=_BARE)
    # Of several in one second, the list shows the text of one.
    return {row.chat_id: row for row in with_media(newest).order_by("id") if inbound.preview(row) == shown[row.chat_id]}


def readable_session(session_id: str, by: Actor) -> Session:
    return find_session(session_id, by=by, needs=Permission.CHAT_READ, denied=ReadingDenied)


def find_chat(session: Session, chat_id: str) -> Chat:
    rows = Chat.objects.select_related("contact", "account")
    chat = rows.filter(pk=chat_id, account_id=session.account_id).first() if session.account_id else None
    if chat is None:
        raise ChatNotFound
    return chat


def list_messages(
    *, company: Company, session_id: str, chat_id: str, by: Actor, number: int = 1, limit: int = 50
) -> tuple[Chat, list[Message], Page]:
    """Page 1 is the newest; inside a page oldest first. A manager who reads has read (W10); an admin only looks."""
    session = readable_session(session_id, by)
    chat = find_chat(session, chat_id)
    audit.record_once(Verb.CHAT_OPENED, audit.chat(chat.pk, chat.label, session_id), by=by, every=OPENED_EVERY)
    rows = Message.objects.filter(chat=chat).select_related("sender", "sent_by")
    page = Page(number, min(limit, MAX_LIMIT), rows.count())
    newest = list(with_media(rows).order_by("-timestamp", "-id")[page.offset : page.offset + page.limit])
    if newest and by.role == Role.MANAGER:
        mark_read(company=company, session_id=session_id, chat_id=chat_id, by=by)
        chat.refresh_from_db(fields=["unread_count"])
    return chat, newest[::-1], page


def preview(*, session_id: str, message_id: str, by: Actor, chat_id: str = "") -> bytes:
    """The small JPEG that came with a message; with `chat_id` only if that is its chat.

    Raises SessionNotFound, ReadingDenied, MessageNotFound, PreviewNotFound.
    """
    session = readable_session(session_id, by)
    rows = Message.objects.filter(pk=message_id, account_id=session.account_id)
    if chat_id:
        rows = rows.filter(chat=chat_id)
    if not rows.exists():
        raise MessageNotFound
    found = Media.objects.filter(message=message_id).values_list("preview", flat=True).first()
    if not found:
        raise PreviewNotFound
    return bytes(found)


@news.writing
def mark_read(*, company: Company, session_id: str, chat_id: str, by: Actor) -> tuple[int, Chat]:
    """(how many were unread, the chat). Everybody who watches sees the count fall."""
    session = readable_session(session_id, by)
    chat = find_chat(session, chat_id)
    # In the order in which the worker locks: the account first, or both could wait for each other.
    Account.objects.select_for_update(no_key=True).get(pk=chat.account_id)
    marked = Message.objects.filter(chat=chat, from_me=False, is_read=False).update(is_read=True)
    if marked:
        inbound.recount(company, session, chat)
        target = audit.chat(chat.pk, chat.label, session_id)
        audit.record(Verb.CHAT_READ, target, by=by, changes={"unread": (marked, 0)})
    return marked, chat


def unread_by_account(account_ids: Iterable[str | None]) -> dict[str, int]:
    """How many messages nobody has read, for accounts whose chats the caller may read."""
    known = {account_id for account_id in account_ids if account_id}
    counted = Chat.objects.filter(account__in=known).values("account_id").annotate(total=Sum("unread_count"))
    return dict(counted.values_list("account_id", "total")) if known else {}
