"""Putting a reaction on a message: a row first, then the engine, then what WhatsApp says.

Of what is wished for one message the last counts, here as at WhatsApp: a wish that has not left is replaced, and an
answer about an earlier one says nothing. For the same reason a reaction may be sent twice without harm, and after a
crash it is (a text never is, see `outbound`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from django.db.models import F

from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from tenants.models import Company
from whatsapp.engine.port import ReactionFinished, SendOutcome, SendReaction
from whatsapp.errors import BadReaction, MessageNotFound, MessageNotSentYet, SendingDenied
from whatsapp.models import Account, Message, Reaction, ReactionStatus, Session
from whatsapp.models.message import this_second
from whatsapp.services import inbound, news, outbound
from whatsapp.services.access import find_session
from whatsapp.services.emoji import is_emoji
from whatsapp.services.refusals import refusal_of

#: So often one is sent that nobody answers.
MAX_UNANSWERED: Final = 3
_UNDER_WAY: Final = (ReactionStatus.QUEUED, ReactionStatus.SENDING)


# -- people --------------------------------------------------------------------------------------------------------
@news.writing
def react(*, company: Company, session_id: str, message_id: str, emoji: str, by: Actor) -> Reaction:
    """Put `emoji` on a message in place of what we had put there, or take that back with an empty one.

    It leaves when the session is connected. Returns our reaction as it is now; wishing what is so already does nothing.
    Raises MessageNotFound, MessageNotSentYet, BadReaction, SendingDenied, and SessionNotConnected while no phone is
    linked.
    """
    session = find_session(session_id, by=by, needs=Permission.CHAT_WRITE, denied=SendingDenied)
    rows = Message.objects.select_related("chat__contact")
    message = rows.filter(pk=message_id, account_id=session.account_id).first()
    if message is None:
        raise MessageNotFound
    _check(message, emoji)
    outbound.leave_work(session)
    row = _ours(message)
    if _is_so(row, emoji):
        return row
    _wish(row, emoji)
    row.session, row.sent_by_id = session, by.user_id
    row.save()
    audit.record(Verb.MESSAGE_REACTED, audit.message(message.pk, message.chat.label, session_id), by=by)
    inbound.tell_reactions(company, session, message.chat, message.wa_id)
    return row


def _check(message: Message, emoji: str) -> None:
    if emoji and not is_emoji(emoji):
        raise BadReaction
    if not message.wa_id:
        raise MessageNotSentYet


def _ours(message: Message) -> Reaction:
    """What we have put on it, or an empty one."""
    found = Reaction.objects.filter(chat=message.chat, wa_id=message.wa_id, contact=None).first()
    return found or Reaction(chat=message.chat, wa_id=message.wa_id, contact=None, at=this_second())


def _is_so(row: Reaction, emoji: str) -> bool:
    return row.emoji == emoji and row.status != ReactionStatus.FAILED


def _wish(row: Reaction, emoji: str) -> None:
    if row.status not in (*_UNDER_WAY, ReactionStatus.FAILED):
        row.settled = row.emoji
    row.emoji, row.status, row.error_code = emoji, ReactionStatus.QUEUED, ""
    row.turn, row.unanswered = row.turn + 1, 0
    # WhatsApp's clock may be ahead of ours, and a wish comes after what it replaces.
    row.at = max(row.at, this_second())


# -- the owner -----------------------------------------------------------------------------------------------------
def claim_queued(session_id: str, *, limit: int) -> list[SendReaction]:
    """Hand queued reactions to the engine, oldest first. Call it with the lease held."""
    waiting = Reaction.objects.filter(session=session_id, status=ReactionStatus.QUEUED)
    # Those of a number that the session was linked to before wait until it is again.
    waiting = waiting.filter(chat__account=F("session__account"))
    rows = list(waiting.select_related("chat__contact").order_by("pk")[:limit])
    if not rows:
        return []
    Reaction.objects.filter(pk__in=[row.pk for row in rows]).update(status=ReactionStatus.SENDING)
    messages = _messages(rows)
    return [_order(row, messages.get((row.chat_id, row.wa_id))) for row in rows]


def _messages(rows: Sequence[Reaction]) -> dict[tuple[str, str], Message]:
    """What they are about."""
    chats, wa_ids = {row.chat_id for row in rows}, {row.wa_id for row in rows}
    found = Message.objects.filter(chat__in=chats, wa_id__in=wa_ids).select_related("sender")
    return {(message.chat_id, message.wa_id): message for message in found}


def _order(row: Reaction, message: Message | None) -> SendReaction:
    return SendReaction(
        reaction_id=f"{row.pk}.{row.turn}",
        to=row.chat.jid,
        wa_id=row.wa_id,
        from_me=bool(message and message.from_me),
        sender=_writer(message) if message and row.chat.is_group else "",
        emoji=row.emoji,
    )


def _writer(message: Message) -> str:
    """Groups know their members by hidden identity."""
    sender = message.sender
    return "" if sender is None else f"{sender.lid}@lid" if sender.lid else sender.jid


def recover(session: Session) -> None:
    """Whatever a host took with it when it died is sent again: the last one counts, so twice is once.

    Call it with the lease held and while no host has the session.
    """
    Reaction.objects.filter(session=session, status=ReactionStatus.SENDING).update(status=ReactionStatus.QUEUED)


def record_finished(company: Company, session: Session, account: Account, events: Sequence[ReactionFinished]) -> None:
    """Store how they ended. What was answered about an earlier wish means nothing any more."""
    ids = {event.reaction_id.partition(".")[0]: event for event in events}
    for row in Reaction.objects.filter(pk__in=list(ids), chat__account=account).select_related("chat__contact"):
        event = ids[str(row.pk)]
        if row.status == ReactionStatus.SENDING and event.reaction_id == f"{row.pk}.{row.turn}":
            _finish(row, event)
            row.save()
            inbound.tell_reactions(company, session, row.chat, row.wa_id)


def _finish(row: Reaction, event: ReactionFinished) -> None:
    match event.outcome:
        case SendOutcome.ACKNOWLEDGED:
            row.status = ReactionStatus.SENT
            if event.at:
                row.at = datetime.fromtimestamp(event.at, UTC)
        case SendOutcome.REFUSED:
            _fail(row, refusal_of(event.detail).code)
        case SendOutcome.NOT_SENT:
            row.status = ReactionStatus.QUEUED
        case SendOutcome.UNCONFIRMED:
            row.unanswered += 1
            row.status = ReactionStatus.QUEUED
            if row.unanswered >= MAX_UNANSWERED:
                _fail(row, "no_answer")


def _fail(row: Reaction, code: str) -> None:
    row.status, row.error_code = ReactionStatus.FAILED, code
    # What could not be taken back is still there.
    row.emoji = row.emoji or row.settled
