"""Following a link in the making, for whoever waits for its end: what is on show now, and how it ended.

Everything is asked for through `sessions`, as pages and the API do; this only looks at the rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from django.utils import timezone

from accounts.permissions import Actor, Permission
from fleet.models import Placement, Worker
from fleet.reasons import SENTENCES, Reason
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from whatsapp.errors import NoWorker
from whatsapp.models import Session
from whatsapp.services import sessions
from whatsapp.services.access import find_session, visible_sessions


class Outcome(Enum):
    CONNECTED = auto()
    #: WhatsApp or the phone said no, or somebody cancelled.
    REFUSED = auto()
    #: Nobody scanned or typed in time.
    EXPIRED = auto()


@dataclass(frozen=True)
class Step:
    """What somebody at the phone needs now; empty where there is nothing to show. The last one has an outcome."""

    qr: str = ""
    code: str = ""
    expires_at: datetime | None = None
    #: Why WhatsApp gave no code, in its own words.
    code_refused: str = ""
    reason: str = ""
    outcome: Outcome | None = None
    number: str = ""

    @property
    def seconds_left(self) -> int:
        return max(0, round((self.expires_at - timezone.now()).total_seconds())) if self.expires_at else 0


def require_worker() -> None:
    """Raises NoWorker: a link that nobody makes is not worth waiting for."""
    if not Worker.objects.filter(stopped_at=None, lease_until__gt=timezone.now()).exists():
        raise NoWorker


def begin(*, company: Company, session_id: str, by: Actor, phone: str = "") -> datetime:
    """Ask for a link: by pairing code for `phone`, else by QR code; returns when, for `follow`.

    Raises NoWorker, and whatever `sessions.start` and `sessions.request_code` raise.
    """
    began = timezone.now()
    require_worker()
    if phone:
        run_in(company, sessions.request_code, company=company, session_id=session_id, phone=phone, by=by)
    else:
        run_in(company, sessions.start, company=company, session_id=session_id, by=by)
    return began


def follow(
    *, company: Company, session_id: str, by: Actor, with_code: bool, pause: Callable[[], bool]
) -> Iterator[Step]:
    """Each step that differs from the one before, until one has an outcome, or until `pause()` says to stop."""
    last = None
    while True:
        step = run_in(company, _step, session_id, by, with_code)
        if step != last:
            yield step
        if step.outcome is not None or not pause():
            return
        last = step


def _step(session_id: str, by: Actor, with_code: bool) -> Step:
    session = find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    placement, reason = session.placement, SENTENCES[Reason(session.placement.shown_reason)]
    if (outcome := _outcome(placement)) is not None:
        number = placement.device_jid.partition(":")[0]
        return Step(reason=reason, outcome=outcome, number=number)
    if not with_code:
        return Step(qr=session.current_qr, expires_at=session.qr_expires_at, reason=reason)
    if session.pairing_code and not session.current_code and placement.state == State.PAIRING:
        return Step(reason=SENTENCES[Reason.CODES_RAN_OUT], outcome=Outcome.EXPIRED)
    expires_at = session.pairing_code_expires_at if session.current_code else None
    return Step(code=session.current_code, expires_at=expires_at, code_refused=session.pairing_error, reason=reason)


def _outcome(placement: Placement) -> Outcome | None:
    if placement.shown_state == State.CONNECTED:
        return Outcome.CONNECTED
    if placement.wanted == Wanted.RUNNING:
        return None
    return Outcome.EXPIRED if placement.reason == Reason.CODES_RAN_OUT else Outcome.REFUSED


def unlinked_sessions(by: Actor) -> list[Session]:
    """Those that a phone could be linked to, the newest first."""
    return list(visible_sessions(by).filter(placement__device_jid=""))
