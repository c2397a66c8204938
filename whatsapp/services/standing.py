"""The rows behind `services.pacing`: a session's rules and counts, and what WhatsApp's answers change in them.

Only the session's owner writes them, with the lease held; people write the rules, with the placement locked.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from django.db import connection

from tenants.companies import zone_of
from tenants.models import Company
from whatsapp.models import Message, Pacing, Session
from whatsapp.services import pacing
from whatsapp.services.pacing import Allowance, Rules, Standing
from whatsapp.services.refusals import Refusal


def pacing_of(session: Session) -> Pacing | None:
    """The session's row, if it ever needed one; in no query when it was selected with the session."""
    return getattr(session, "pacing", None)


def rules_of(row: Pacing | None) -> Rules:
    return Rules(row.min_gap, row.max_gap, row.daily_limit, row.new_chat_limit) if row else Rules()


def allowance_for(company: Company, row: Pacing | None, now: datetime) -> Allowance:
    """What may leave now."""
    if row is None:
        return Allowance()
    is_today = row.day == _today(company, now)
    standing = Standing(
        next_at=row.next_at,
        sent=row.sent if is_today else 0,
        sent_to_new=row.sent_to_new if is_today else 0,
        refusals=row.refusals,
        new_chats_after=row.new_chats_after,
    )
    return pacing.allowance(rules_of(row), standing, now=now, tomorrow=_tomorrow(company, now))


def _today(company: Company, now: datetime) -> date:
    return now.astimezone(zone_of(company)).date()


def _tomorrow(company: Company, now: datetime) -> datetime:
    day = now.astimezone(zone_of(company)).date() + timedelta(days=1)
    return datetime.combine(day, time(), zone_of(company))


def note_sent(company: Company, row: Pacing, *, sent: int, to_new: Sequence[str], now: datetime) -> None:
    """So many leave now; `to_new` are the ids of those to people who never wrote to us."""
    today = _today(company, now)
    if row.day != today:
        row.day, row.sent, row.sent_to_new = today, 0, 0
    row.sent, row.sent_to_new = row.sent + sent, row.sent_to_new + len(to_new)
    if row.max_gap > 0:
        row.next_at = pacing.next_moment(rules_of(row), now)
    if row.refusals and to_new:
        # One finds out; the others wait for what it is told.
        row.probe_id, row.new_chats_after = to_new[0], now + pacing.PROBE
    row.save()


# -- what WhatsApp says ----------------------------------------------------------------------------------------------
def note_refusal(session: Session, message: Message, refusal: Refusal, now: datetime) -> datetime | None:
    """Hold back what WhatsApp would refuse too; when such a text may be tried again, None where nobody can tell."""
    if refusal.is_too_fast:
        return _slow_down(session, now)
    if refusal.is_about_new_chats and message.chat.is_new:
        return _hold_new_chats(session, message, now)
    return None


def _slow_down(session: Session, now: datetime) -> datetime:
    row = _row(session)
    row.next_at = max(row.next_at or now, now + pacing.SLOW_DOWN)
    row.save(update_fields=["next_at"])
    return row.next_at


def _hold_new_chats(session: Session, message: Message, now: datetime) -> datetime:
    row = _row(session)
    is_held = row.refusals > 0 and row.new_chats_after is not None and now < row.new_chats_after
    # Those that were on their way when the first was refused say nothing new.
    if not is_held or row.probe_id == message.pk:
        row.refusals += 1
        row.new_chats_after = now + pacing.pause_after(row.refusals)
        row.probe_id = ""
        row.save(update_fields=["refusals", "new_chats_after", "probe_id"])
    return row.new_chats_after or now


_SUCCESS: Final = """
UPDATE whatsapp_pacing SET refusals = 0, new_chats_after = NULL, probe_id = ''
WHERE session_id = %s AND probe_id = ANY(%s)
"""


def note_success(session_id: str, message_ids: Sequence[str]) -> None:
    """Texts that went out to find out whether WhatsApp takes those to new people; it did, and they may go."""
    if not message_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SUCCESS, [session_id, list(message_ids)])


def _row(session: Session) -> Pacing:
    row, _ = Pacing.objects.select_for_update().get_or_create(session_id=session.pk)
    return row
