"""Who is writing just now: told to those who look, both ways, and kept nowhere."""

from collections.abc import Sequence

from django.db.models import Q
from django.utils import timezone

from accounts.permissions import Actor, Permission
from fleet import hints
from fleet.hints import Hint
from tenants.models import Company
from wharf.moments import moment
from whatsapp import live, shapes
from whatsapp.engine.port import Person, TypingSeen
from whatsapp.errors import SendingDenied
from whatsapp.models import Chat, Contact, Session
from whatsapp.services.access import find_session
from whatsapp.services.chats import find_chat, readable_session


# -- people --------------------------------------------------------------------------------------------------------
def show(*, session_id: str, chat_id: str, is_typing: bool, by: Actor) -> None:
    """Tell the other side that somebody here writes, or has stopped. Said again every few seconds, it goes on.

    While the session is not connected nobody hears of it. Raises SessionNotFound, SendingDenied, ChatNotFound.
    """
    session = find_session(session_id, by=by, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    hints.give(Hint(session.pk, find_chat(session, chat_id).jid, is_typing))


def look(*, session_id: str, chat_id: str, by: Actor) -> None:
    """Somebody looks at a chat: for some twenty seconds WhatsApp tells who writes to the number.

    Raises SessionNotFound, ReadingDenied, ChatNotFound.
    """
    session = readable_session(session_id, by)
    find_chat(session, chat_id)
    hints.give(Hint(session.pk))


# -- the owner -----------------------------------------------------------------------------------------------------
def tell(*, company: Company, session_id: str, events: Sequence[TypingSeen]) -> None:
    """Tell whoever may read the chats. Of a chat that is not here there is nobody to tell."""
    session = Session.objects.filter(pk=session_id).first()
    for event in events:
        chat = _chat(session, event) if session else None
        if session and chat:
            news = _news(session, chat, event)
            live.publish(live.Hint(live.chats_group(company, session.pk), "chat.typing", news))


def _chat(session: Session, event: TypingSeen) -> Chat | None:
    chats = Chat.objects.select_related("contact").filter(account=session.account_id)
    if event.group and session.ignores_groups:
        return None
    if event.group:
        return chats.filter(group_jid=event.group).first()
    contact = _contact(session, event.peer)
    return chats.filter(contact=contact).first() if contact else None


def _contact(session: Session, person: Person) -> Contact | None:
    """By number or by hidden identity, whichever WhatsApp has told."""
    named = Q(phone_number=person.pn) & ~Q(phone_number="") | Q(lid=person.lid) & ~Q(lid="")
    return Contact.objects.filter(named, account=session.account_id).order_by("pk").first()


def _news(session: Session, chat: Chat, event: TypingSeen) -> shapes.Shape:
    """With the keys of the older documentation's `typing-status` (seed 2.4), and who it is."""
    writer = _contact(session, event.sender) if event.group else chat.contact
    return {
        "sessionId": session.pk,
        "chatId": chat.pk,
        "isTyping": event.is_typing,
        "participantId": shapes.seed_jid(writer),
        "name": writer.label if writer else "",
        "timestamp": moment(timezone.now()),
    }
