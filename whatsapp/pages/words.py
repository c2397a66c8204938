"""What people read instead of codes: how a session is, what happened to it, how far a message has come."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext

from fleet.models import Placement
from fleet.reasons import SENTENCES, Reason
from fleet.states import LIVE, Happening, State, Wanted
from wharf.errors import sentence
from whatsapp.models import Message, MessageStatus, Transition
from whatsapp.models.message import LOST
from whatsapp.pages.media import KINDS


@dataclass(frozen=True)
class Face:
    """How a session looks: `tone` is the colour of its dot (good, busy, wait, idle, bad)."""

    tone: str
    title: str
    reason: str


_STATES: Final[dict[State, tuple[str, str]]] = {
    State.STOPPED: ("idle", sentence("Paused")),
    State.CONNECTING: ("busy", sentence("Connecting")),
    State.PAIRING: ("wait", sentence("Waiting for the phone")),
    State.CONNECTED: ("good", sentence("Connected")),
    State.DEGRADED: ("wait", sentence("Not answering")),
    State.UNPAIRED: ("idle", sentence("Not linked")),
    State.REFUSED: ("bad", sentence("Refused by WhatsApp")),
}
#: Ends that nobody here wanted: somebody has to do something.
_ALARMS: Final = frozenset(
    {Reason.LOGGED_OUT_ON_PHONE, Reason.MAIN_DEVICE_GONE, Reason.OTHER_NUMBER, Reason.DEVICE_STORE_MISSING}
)
_UNDER_WAY: Final = frozenset({State.STOPPED, State.UNPAIRED, State.REFUSED})


def face_of(placement: Placement) -> Face:
    """What is and, while it is not yet so, what somebody asked for."""
    state, reason = placement.shown_state, placement.shown_reason
    if placement.wanted == Wanted.UNLINKED:
        return Face("busy", gettext("Unlinking"), "")
    if placement.wanted == Wanted.STOPPED and state in LIVE:
        return Face("busy", gettext("Stopping"), "")
    if placement.wanted == Wanted.RUNNING and state in _UNDER_WAY:
        return Face("busy", gettext("Starting"), "")
    tone, title = _STATES[state]
    return Face("bad" if reason in _ALARMS else tone, gettext(title), reason_text(reason))


def face_of_state(state: State) -> tuple[str, str]:
    """(tone, title) of a state alone, whatever the reason was."""
    tone, title = _STATES[state]
    return tone, gettext(title)


#: What people want of a number.
WISHES: Final[dict[Wanted, str]] = {
    Wanted.RUNNING: sentence("to be online"),
    Wanted.STOPPED: sentence("to be paused"),
    Wanted.UNLINKED: sentence("to be unlinked"),
}


def reason_text(reason: str) -> str:
    text = SENTENCES[Reason(reason)]
    return gettext(text) if text else ""


_HAPPENINGS: Final[dict[str, str]] = {
    "imported": sentence("Taken over"),
    Happening.STARTED: sentence("Starting"),
    Happening.CHALLENGE_ISSUED: sentence("Codes are on show"),
    Happening.PAIRED: sentence("The phone has agreed"),
    Happening.CONNECTED: sentence("Connected"),
    Happening.DOUBTED: sentence("Does not answer"),
    Happening.CONNECTION_LOST: sentence("Connection lost"),
    Happening.PAIRING_ENDED: sentence("Linking ended"),
    Happening.LOGGED_OUT: sentence("Unlinked"),
    Happening.REFUSED: sentence("Refused by WhatsApp"),
    Happening.PAUSED: sentence("Paused"),
    Happening.RESTORED: sentence("Restored from a backup"),
    f"wanted_{Wanted.RUNNING}": sentence("Asked to start"),
    f"wanted_{Wanted.STOPPED}": sentence("Asked to pause"),
    f"wanted_{Wanted.UNLINKED}": sentence("Asked to unlink"),
}


#: Reasons that the title of their row says already.
_SAID: Final = frozenset({Reason.STARTING, Reason.FINISHING_LINK})


@dataclass(frozen=True)
class Line:
    """A row of history; `by` names the person who asked for it."""

    key: str
    at: str
    title: str
    reason: str
    detail: str
    by: str
    tone: str


def line_of(row: Transition, at: str) -> Line:
    """Needs the person selected. What a person asked for has a reason of before, which would mislead."""
    asked = row.happening.startswith("wanted_")
    tone = "asked" if asked else _STATES[State(row.after)][0]
    title = _HAPPENINGS.get(row.happening)
    return Line(
        key=str(row.pk),
        at=at,
        title=gettext(title) if title else row.happening,
        reason="" if asked or row.reason in _SAID else reason_text(row.reason),
        detail=row.detail,
        by=row.by_user.full_name if row.by_user else "",
        tone=tone,
    )


#: Each status of a message of ours with the mark that stands for it.
_STATUSES: Final[dict[str, tuple[str, str]]] = {
    MessageStatus.QUEUED: ("clock", sentence("Waiting to be sent")),
    MessageStatus.SENT: ("clock", sentence("On its way; WhatsApp has not answered yet")),
    MessageStatus.SERVER_ACK: ("tick", sentence("WhatsApp has it")),
    MessageStatus.DELIVERED: ("ticks", sentence("Delivered")),
    MessageStatus.READ: ("ticks", sentence("Read")),
    MessageStatus.FAILED: ("alert", sentence("Not sent")),
    MessageStatus.UNCONFIRMED: ("doubt", sentence("Not confirmed")),
    MessageStatus.CANCELLED: ("alert", sentence("Taken back")),
}


def mark_of(status: str) -> tuple[str, str]:
    """The mark and the words of a status; both empty for contacts' messages."""
    mark, text = _STATUSES.get(status, ("", ""))
    return mark, gettext(text) if text else ""


def _lost(row: Message) -> str:
    if row.sender is None:
        return gettext("A message written on the phone could not be received.")
    name = row.sender.label
    return gettext("A message of %(name)s could not be received. Ask to send it again.") % {"name": name}


def instead_of_text(row: Message) -> str:
    """What stands in the place of a message that cannot be shown; of other kinds see `whatsapp.pages.media`."""
    if row.status == MessageStatus.UNREADABLE and row.error_code == LOST:
        return _lost(row)
    if row.status == MessageStatus.UNREADABLE:
        return gettext("This message could not be read yet. WhatsApp is asked to send it again.")
    return "" if row.body or row.kind in KINDS else gettext("A message of a kind that is not shown here")
