"""What is the matter with a session, said from its rows alone: looking never connects, sends or changes anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from fleet.reasons import SENTENCES, Reason
from fleet.states import NEEDS_A_PERSON, State, Wanted
from wharf.moments import moment
from whatsapp.models import Session

#: So many failed attempts in a row are an error (seed 4.2).
MANY_ATTEMPTS: Final = 5
#: So long without a sign of life is worth a warning.
QUIET: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Advice:
    """`level` is success, warning or error. English: for operators' tools."""

    level: str
    message: str
    action: str


FINE: Final = Advice("success", "The session is connected", "No action required")


def problem_of(session: Session | None) -> str:
    """Why the session is not connected, in a sentence; empty when it is."""
    if session is None:
        return "No session"
    if session.placement.shown_state == State.CONNECTED:
        return ""
    return SENTENCES[Reason(session.placement.shown_reason)] or "Not connected"


def advice(session: Session | None) -> list[Advice]:
    """What to do, the most pressing first; never empty."""
    if session is None:
        return [Advice("error", "The company has no session", "Create a session and link a phone")]
    found = [a for a in (_needs_a_person(session), _keeps_failing(session), _is_quiet(session), _waits(session)) if a]
    return found or [FINE]


def _needs_a_person(session: Session) -> Advice | None:
    placement = session.placement
    if placement.state not in NEEDS_A_PERSON:
        return None
    action = "Link a phone" if placement.state == State.UNPAIRED else "Read the reason, then start the session again"
    return Advice("error", problem_of(session), action)


def _keeps_failing(session: Session) -> Advice | None:
    attempts = session.placement.attempts
    if attempts <= MANY_ATTEMPTS:
        return None
    return Advice("error", f"{attempts} attempts in a row have failed", "Check the network and the worker's log")


def _is_quiet(session: Session) -> Advice | None:
    evidence = session.placement.evidence_at
    if session.placement.state != State.CONNECTED or (evidence and evidence > timezone.now() - QUIET):
        return None
    return Advice("warning", "No sign of life for ten minutes", "Check that a worker is running")


def _waits(session: Session) -> Advice | None:
    placement = session.placement
    if placement.wanted == Wanted.STOPPED and placement.state == State.STOPPED:
        return Advice("warning", "The session is paused", "Start it")
    if placement.shown_state == State.PAIRING:
        return Advice("warning", problem_of(session), "Scan the QR code, or type the pairing code on the phone")
    if placement.shown_state in (State.CONNECTING, State.DEGRADED):
        return Advice("warning", problem_of(session), "Wait; it is tried again by itself")
    return None


def uptime(session: Session) -> int:
    """Seconds since it has been connected; 0 while it is not."""
    placement = session.placement
    is_connected = placement.shown_state == State.CONNECTED
    return int((timezone.now() - placement.since).total_seconds()) if is_connected else 0


def seconds_until(at: datetime | None) -> int:
    return max(0, round((at - timezone.now()).total_seconds())) if at else 0


def timestamp() -> str | None:
    return moment(timezone.now())
