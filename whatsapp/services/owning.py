"""What the owner of a session reads and takes over: getting ready to start, messages to send, a code to ask for."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from django.utils import timezone

from fleet import leases
from fleet.leases import Lease
from fleet.states import Wanted
from tenants.models import Company
from wharf.sql import together
from whatsapp.engine import device_store
from whatsapp.models import Session
from whatsapp.services import handing, linking, news, outcomes, reacting, reports
from whatsapp.services.handing import Handed


@dataclass(frozen=True)
class CodeRequest:
    phone: str
    at: datetime


@news.writing
def prepare_start(*, company: Company, lease: Lease, folder: Path) -> bool:
    """Settle what the last host left, and enter the start; False if nobody wants it any more.

    Raises LeaseLost.
    """
    placement = leases.hold(lease)
    if placement.wanted == Wanted.STOPPED:
        return False
    session = Session.objects.get(pk=lease.session_id)
    if not placement.is_linked and (stored := device_store.stored_device(folder)):
        # The phone had agreed, and the news of it was lost together with its host.
        linking.record_device(company, session, placement, stored.jid)
    outcomes.recover(company, session, folder)
    reacting.recover(session)
    reports.record_start(company=company, lease=lease)
    return True


@news.writing
def take_queued(*, company: Company, lease: Lease, limit: int) -> Handed:
    """What to hand to the engine now. Texts count as sent from this commit on, whatever happens next.

    Reactions come first: they are few, and are about what has been said already.
    """
    with together() as ask:
        answer = leases.ask_to_hold(ask, lease)
        asked = handing.Asked(ask, lease.session_id, limit=limit, now=timezone.now())
    leases.held(answer)
    waiting = asked.answer()
    # Not before: we may have waited for the placement, and the pace is counted from here.
    now = timezone.now()
    reactions = reacting.claim_queued(lease.session_id, limit=limit) if waiting.has_reactions else []
    handed = handing.hand_over(company, waiting, limit=limit - len(reactions), now=now)
    return replace(handed, orders=[*reactions, *handed.orders])


@news.writing
def give_up_waiting(*, company: Company, lease: Lease, folder: Path, message_ids: Collection[str]) -> None:
    """The engine says nothing of these: nobody knows of them, until it or a receipt tells. Raises LeaseLost."""
    leases.hold(lease)
    outcomes.leave_open(company, Session.objects.get(pk=lease.session_id), folder, message_ids)


def wanted_code(*, session_id: str) -> CodeRequest | None:
    """The pairing code that somebody waits for."""
    row = Session.objects.filter(pk=session_id).exclude(pairing_phone="").first()
    if row is None or row.pairing_requested_at is None or row.current_code:
        return None
    return CodeRequest(row.pairing_phone, row.pairing_requested_at)
