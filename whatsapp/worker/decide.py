"""What to do for a session, from what is wanted and what is. Pure: no database, no processes, no clock of its own."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from fleet.models import Placement
from fleet.states import LIVE, Wanted


class Action(Enum):
    NOTHING = auto()
    START = auto()
    DISCONNECT = auto()
    CANCEL = auto()
    LOG_OUT = auto()
    SETTLE = auto()
    LET_GO = auto()


@dataclass(frozen=True)
class Seen:
    """What the owner itself knows of the session's host."""

    has_host: bool = False
    is_connected: bool = False
    #: The device was told to disconnect or to log out, and has not confirmed.
    was_asked_to_leave: bool = False


def decide(placement: Placement, seen: Seen, now: datetime) -> Action:
    """One step towards what is wanted."""
    if placement.wanted == Wanted.RUNNING:
        return Action.NOTHING if seen.has_host else _start_when_due(placement, now)
    if placement.wanted == Wanted.UNLINKED and placement.is_linked:
        return _towards_unlinked(placement, seen, now)
    return _towards_stopped(placement, seen)


def _start_when_due(placement: Placement, now: datetime) -> Action:
    due = placement.next_retry_at is None or placement.next_retry_at <= now
    return Action.START if due else Action.NOTHING


def _towards_unlinked(placement: Placement, seen: Seen, now: datetime) -> Action:
    """Only a connected device can be logged out; until then it is brought online for it."""
    if not seen.has_host:
        return _start_when_due(placement, now)
    return Action.LOG_OUT if seen.is_connected and not seen.was_asked_to_leave else Action.NOTHING


def _towards_stopped(placement: Placement, seen: Seen) -> Action:
    if seen.has_host:
        if seen.was_asked_to_leave:
            return Action.NOTHING
        return Action.DISCONNECT if placement.is_linked else Action.CANCEL
    return Action.SETTLE if placement.state in LIVE else Action.LET_GO
