"""A session by the older words of system B: there a company has one line, and its id stands where ours has a session's.

All that is here asks the same services as everything else; only finding the session differs.
"""

from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from accounts.permissions import Actor, Permission
from fleet.states import State
from tenants.models import Company
from whatsapp import phones
from whatsapp.errors import (
    MessageNotFound,
    SendingDenied,
    SessionNotConnected,
    SessionNotFound,
    TooManyReactions,
    TooManyTexts,
)
from whatsapp.models import Chat, Message, Reaction, Session
from whatsapp.services import news, outbound, reacting, sessions
from whatsapp.services.access import find_session, visible_sessions
from whatsapp.services.outbound import Delivery

#: How system B wrote a company's id in some places.
PREFIX: Final = "company_"
#: To one phone number in a minute (seed row 74).
TEXTS_A_MINUTE: Final = 30
#: As many as system B let through (seed 4.2).
REACTIONS_A_MINUTE: Final = 10


def find_line(
    reference: str, *, company: Company, by: Actor, needs: Permission = Permission.SESSION_VIEW
) -> Session | None:
    """The session that `reference` means: its own id, or the company's, then it is the company's line.

    None when the company is meant and `by` sees no session of it. Raises SessionNotFound for anybody else's id, and
    PermissionDenied.
    """
    if not _names(reference, company):
        return find_session(reference, by=by, needs=needs)
    line = _line(by)
    return find_session(line.pk, by=by, needs=needs) if line else None


def need_line(reference: str, *, company: Company, by: Actor, needs: Permission = Permission.SESSION_VIEW) -> Session:
    """As `find_line`; raises SessionNotFound when there is none."""
    line = find_line(reference, company=company, by=by, needs=needs)
    if line is None:
        raise SessionNotFound
    return line


def _names(reference: str, company: Company) -> bool:
    return reference.removeprefix(PREFIX) in (company.pk, company.slug, company.external_id)


def _line(by: Actor) -> Session | None:
    """Of several the one that is linked, else the newest."""
    seen = list(visible_sessions(by))
    return next((session for session in seen if session.placement.is_linked), seen[0] if seen else None)


def initialise(reference: str, *, company: Company, by: Actor) -> Session:
    """Start the line, made if there is none. One that is linked keeps its link, whatever happens (seed row 30)."""
    line = find_line(reference, company=company, by=by)
    if line is None:
        return sessions.create(company=company, by=by)
    return sessions.start(company=company, session_id=line.pk, by=by)


@news.writing
def send_text(
    reference: str, *, company: Company, by: Actor, phone: str, text: str, delivery: Delivery = outbound.AT_ONCE
) -> Message:
    """Queue a text to a phone number; at most 30 a minute to one number. Raises TooManyTexts, SessionNotConnected and
    whatever `outbound.queue_text` raises."""
    line = find_line(reference, company=company, by=by)
    if line is None:
        raise SessionNotConnected
    # Another's rights before anything is said about the number.
    find_session(line.pk, by=by, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    _check_rate(line, phones.normalise(phone))
    return outbound.queue_text(company=company, session_id=line.pk, phone=phone, text=text, by=by, delivery=delivery)


def _check_rate(line: Session, digits: str) -> None:
    """Counted in the rows, so that all processes count the same."""
    minute_ago = timezone.now() - timedelta(minutes=1)
    sent = Message.objects.filter(account=line.account_id, from_me=True, chat__contact__phone_number=digits)
    recent = sent.filter(created_at__gt=minute_ago).order_by("created_at").values_list("created_at", flat=True)
    times = list(recent[: TEXTS_A_MINUTE + 1])
    if len(times) >= TEXTS_A_MINUTE:
        raise TooManyTexts(seconds=(times[0] - minute_ago).total_seconds())


@news.writing
def react(reference: str, *, company: Company, by: Actor, phone: str, message_id: str, emoji: str) -> Reaction:
    """React to a message of the chat with a phone number, by our id or WhatsApp's; at most ten a minute to one number.

    Raises TooManyReactions, SessionNotConnected, MessageNotFound and whatever `reacting.react` raises.
    """
    line = find_line(reference, company=company, by=by)
    if line is None:
        raise SessionNotConnected
    # Another's rights before anything is said about the number.
    find_session(line.pk, by=by, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    chat = Chat.objects.filter(account=line.account_id, contact__phone_number=phones.normalise(phone)).first()
    message = Message.objects.filter(Q(pk=message_id) | Q(wa_id=message_id), chat=chat).first() if chat else None
    if message is None:
        raise MessageNotFound
    _check_reactions(message.chat)
    return reacting.react(company=company, session_id=line.pk, message_id=message.pk, emoji=emoji, by=by)


def _check_reactions(chat: Chat) -> None:
    """One message's last reaction counts once: the row is the last wish."""
    minute_ago = timezone.now() - timedelta(minutes=1)
    recent = Reaction.objects.filter(chat=chat, contact=None, at__gt=minute_ago).exclude(status="").order_by("at")
    times = list(recent.values_list("at", flat=True)[: REACTIONS_A_MINUTE + 1])
    if len(times) >= REACTIONS_A_MINUTE:
        raise TooManyReactions(seconds=(times[0] - minute_ago).total_seconds())


def word_for(line: Session | None) -> str:
    """The state in system B's four words."""
    if line is None:
        return "not_initialized"
    state = line.placement.shown_state
    if state == State.CONNECTED:
        return "connected"
    return "error" if state == State.REFUSED else "disconnected"
