"""A session's life: the states, what happens to it, and the one table that says what may follow what.

Everything that affects a state lives in this file; everybody else asks it. Late news that has no arrow is logged by
whoever brings it and changes nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What is. Only the worker that owns the session writes it; a restore does while nobody can own it."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    PAIRING = "pairing"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    UNPAIRED = "unpaired"
    REFUSED = "refused"


class Wanted(StrEnum):
    """What people want. Only people write it, but for `stopped` when a session needs a person anyway."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNLINKED = "unlinked"


class Happening(StrEnum):
    """What can happen to a session."""

    STARTED = "started"
    CHALLENGE_ISSUED = "challenge_issued"
    PAIRED = "paired"
    CONNECTED = "connected"
    DOUBTED = "doubted"
    CONNECTION_LOST = "connection_lost"
    PAIRING_ENDED = "pairing_ended"
    LOGGED_OUT = "logged_out"
    REFUSED = "refused"
    PAUSED = "paused"
    RESTORED = "restored"
    REPACKED = "repacked"


S, H = State, Happening

TRANSITIONS: Final[Mapping[tuple[State, Happening], State]] = {
    (S.STOPPED, H.STARTED): S.CONNECTING,
    (S.UNPAIRED, H.STARTED): S.CONNECTING,
    (S.REFUSED, H.STARTED): S.CONNECTING,
    (S.CONNECTING, H.CHALLENGE_ISSUED): S.PAIRING,
    (S.CONNECTING, H.CONNECTED): S.CONNECTED,
    (S.CONNECTING, H.CONNECTION_LOST): S.CONNECTING,
    (S.CONNECTING, H.PAIRING_ENDED): S.UNPAIRED,
    (S.CONNECTING, H.LOGGED_OUT): S.UNPAIRED,
    (S.CONNECTING, H.REFUSED): S.REFUSED,
    (S.CONNECTING, H.PAUSED): S.STOPPED,
    (S.PAIRING, H.CHALLENGE_ISSUED): S.PAIRING,
    (S.PAIRING, H.PAIRED): S.CONNECTING,
    (S.PAIRING, H.CONNECTED): S.CONNECTED,
    (S.PAIRING, H.CONNECTION_LOST): S.CONNECTING,
    (S.PAIRING, H.PAIRING_ENDED): S.UNPAIRED,
    (S.PAIRING, H.LOGGED_OUT): S.UNPAIRED,
    (S.PAIRING, H.REFUSED): S.REFUSED,
    (S.PAIRING, H.PAUSED): S.STOPPED,
    (S.CONNECTED, H.CONNECTION_LOST): S.CONNECTING,
    # Its owner moves it to another process; it is back in a moment.
    (S.CONNECTED, H.REPACKED): S.CONNECTING,
    (S.CONNECTED, H.PAIRING_ENDED): S.UNPAIRED,
    (S.CONNECTED, H.LOGGED_OUT): S.UNPAIRED,
    (S.CONNECTED, H.REFUSED): S.REFUSED,
    (S.CONNECTED, H.PAUSED): S.STOPPED,
    # It seems to be there, and does not answer: proven within a moment, or made anew.
    (S.CONNECTED, H.DOUBTED): S.DEGRADED,
    (S.DEGRADED, H.CONNECTED): S.CONNECTED,
    (S.DEGRADED, H.CONNECTION_LOST): S.CONNECTING,
    (S.DEGRADED, H.PAIRING_ENDED): S.UNPAIRED,
    (S.DEGRADED, H.LOGGED_OUT): S.UNPAIRED,
    (S.DEGRADED, H.REFUSED): S.REFUSED,
    (S.DEGRADED, H.PAUSED): S.STOPPED,
    (S.STOPPED, H.LOGGED_OUT): S.UNPAIRED,
    (S.REFUSED, H.LOGGED_OUT): S.UNPAIRED,
    (S.REFUSED, H.PAUSED): S.STOPPED,
    # Its disk is lost: a worker of another one has put a snapshot of its keys in place, and brings it up.
    (S.CONNECTING, H.RESTORED): S.CONNECTING,
    (S.PAIRING, H.RESTORED): S.CONNECTING,
    (S.CONNECTED, H.RESTORED): S.CONNECTING,
    (S.DEGRADED, H.RESTORED): S.CONNECTING,
    # Its keys came back out of a backup: linked, and offline until somebody starts it.
    (S.STOPPED, H.RESTORED): S.STOPPED,
    (S.UNPAIRED, H.RESTORED): S.STOPPED,
    (S.REFUSED, H.RESTORED): S.STOPPED,
}

#: States that hold, or try to hold, a connection.
LIVE: Final = frozenset({S.CONNECTING, S.PAIRING, S.CONNECTED, S.DEGRADED})
#: States that say that there is a connection; whoever says so must be heard of.
LINKED_UP: Final = frozenset({S.CONNECTED, S.DEGRADED})
#: States that only a person gets a session out of: nothing retries by itself.
NEEDS_A_PERSON: Final = frozenset({S.UNPAIRED, S.REFUSED})


def next_state(state: State, happening: Happening) -> State | None:
    """The state after `happening`, or None when the news does not fit (it is late, or said twice)."""
    return TRANSITIONS.get((state, happening))


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    arrows = (f"    {before} --> {after}: {happening}" for (before, happening), after in TRANSITIONS.items())
    return "\n".join(["stateDiagram-v2", "    [*] --> unpaired", *arrows])
