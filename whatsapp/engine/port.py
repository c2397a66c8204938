"""What the worker needs of an engine: hosts that keep sessions connected, commands to them, and what they report.

Plain Python, no Django and no engine library. Addresses are the protocol's JIDs as text (`4917…@s.whatsapp.net` for a
phone number, `1234…@lid` for the hidden identity, `…@g.us` for a group), always without the device part.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, TypeAlias


class EngineError(Exception):
    """The host process cannot be used any more; whatever it was doing has to be looked at afresh."""


# -- what a host is born with ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SessionBirth:
    """One session of a host. `device_jid` is the linked device (`number:device@s.whatsapp.net`), empty to link anew.

    A bequest is never connected: its device is elsewhere by now, and what its journal holds is told, and no more.
    """

    session_id: str
    folder: Path
    device_jid: str = ""
    is_bequest: bool = False


@dataclass(frozen=True)
class NetworkAccess:
    """How to reach the sandbox: proxy address, CA as PEM text, root key as hex (docs/sandbox.md)."""

    proxy: str
    ca: str
    root_key: str


# -- what happens (host to worker) -------------------------------------------------------------------------------
class Ending(StrEnum):
    """Why a connection or a pairing is over for good, in the protocol's terms."""

    LOGGED_OUT = "logged_out"
    MAIN_DEVICE_GONE = "main_device_gone"
    STREAM_REPLACED = "stream_replaced"
    TEMPORARY_BAN = "temporary_ban"
    CLIENT_OUTDATED = "client_outdated"
    CONNECT_FAILURE = "connect_failure"
    PAIRING_ERROR = "pairing_error"
    PAIRING_TIMEOUT = "pairing_timeout"
    STORE_MISSING = "store_missing"


@dataclass(frozen=True)
class ChallengeIssued:
    """A QR text or a pairing code is to be shown; it replaces the one before. `seconds` it stays valid."""

    kind: Literal["qr", "code"]
    text: str
    seconds: float


@dataclass(frozen=True)
class CodeRefused:
    """WhatsApp would not give a pairing code; the QR codes go on. `detail` is the server's text."""

    detail: str


@dataclass(frozen=True)
class Paired:
    """The phone agreed. The connection is not up yet: WhatsApp asks to reconnect first (stream error 515)."""

    device_jid: str
    platform: str = ""
    business_name: str = ""


@dataclass(frozen=True)
class Connected:
    """Logged in and receiving. Who we are, as the device store has it (`lid` and `push_name` may be empty)."""

    device_jid: str
    lid: str = ""
    push_name: str = ""


@dataclass(frozen=True)
class ProfileSeen:
    """The name that the owner gave the number on the phone; it comes a while after a link, and whenever it changes."""

    push_name: str


@dataclass(frozen=True)
class ConnectionLost:
    """Not connected now. With `retrying` the engine reconnects by itself; else a new host is needed."""

    detail: str = ""
    retrying: bool = True


@dataclass(frozen=True)
class Doubtful:
    """The connection seems to be there, and what was asked of it went unanswered. `Alive`, or an end, comes next."""


@dataclass(frozen=True)
class Alive:
    """Evidence of life: it is connected, and nothing was left unanswered; or (`ok` false) that it could not log out."""

    ok: bool = True


@dataclass(frozen=True)
class Ended:
    """It is over until a person acts. `until` is a ban's end (seconds from now), where there is one."""

    ending: Ending
    detail: str = ""
    until_seconds: float | None = None


@dataclass(frozen=True)
class Person:
    """Somebody, by phone number (`pn`) and hidden identity (`lid`), either may be empty.

    Digits, unless WhatsApp gives something that is no number.
    """

    pn: str = ""
    lid: str = ""
    name: str = ""


@dataclass(frozen=True)
class Preview:
    """The small picture that a message carries along: a JPEG of a size in pixels that its header tells."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Media:
    """What a message says of the thing that it brings, as the sender's phone tells it: nothing has been downloaded.

    Empty, zero or None is what it does not say. `size` is in bytes; `width` and `height` are the thing's own, in
    pixels; `is_voice` was spoken into the phone; `is_once` is to be seen once, and has no preview. `title` is a place's
    name or that of a link's page, `description` what the page says; `latitude` and `longitude` are in degrees. `lines`
    are a poll's answers, or the people and numbers of contact cards.
    """

    mimetype: str = ""
    file_name: str = ""
    size: int = 0
    pages: int = 0
    seconds: int = 0
    width: int = 0
    height: int = 0
    is_voice: bool = False
    is_animated: bool = False
    is_once: bool = False
    title: str = ""
    description: str = ""
    address: str = ""
    latitude: float | None = None
    longitude: float | None = None
    lines: tuple[str, ...] = ()
    preview: Preview | None = None


@dataclass(frozen=True)
class MessageReceived:
    """A message in one of the account's chats: from a contact, or written on the account's own phone (`from_me`).

    `group` is the group's JID or empty; `peer` is the other person of a one-to-one chat; `sender` wrote it.
    `at` is WhatsApp's time in seconds since the epoch. `kind` is text, image, video, audio, document, sticker,
    contact, location, poll or other; `text` is the body or the caption; `media` what there is beside it.
    """

    wa_id: str
    at: float
    from_me: bool
    group: str
    peer: Person
    sender: Person
    kind: str
    text: str
    media: Media | None = None

    def __post_init__(self) -> None:
        # What most messages have none of takes no room in their frames: what is not set is not written (`engine.wire`).
        if self.media is None:
            self.__dict__.pop("media", None)


@dataclass(frozen=True)
class ReactionReceived:
    """Somebody put `emoji` on the message `wa_id` of a chat, in place of what they had put there; empty takes it back.

    Where and by whom as in `MessageReceived`; `from_me` was done on the account's own phone.
    """

    wa_id: str
    at: float
    from_me: bool
    group: str
    peer: Person
    sender: Person
    emoji: str


@dataclass(frozen=True)
class MessageUnreadable:
    """A message came that could not be decrypted; WhatsApp has been asked to send it again."""

    wa_id: str
    at: float
    group: str
    peer: Person
    sender: Person
    from_me: bool = False


@dataclass(frozen=True)
class MessageLost:
    """WhatsApp was told that a message had arrived, and the host died before it was kept: its text is gone.

    It came between `after` and `before` (seconds since the epoch); where and by whom as in `MessageReceived`.
    """

    wa_id: str
    after: float
    before: float
    group: str
    peer: Person
    sender: Person
    from_me: bool = False

    @property
    def at(self) -> float:
        return self.after


class ReceiptKind(StrEnum):
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"


@dataclass(frozen=True)
class ReceiptReceived:
    """`wa_ids` of ours reached `peer`; or, `from_me`, our own phone has read theirs."""

    wa_ids: tuple[str, ...]
    kind: ReceiptKind
    at: float
    group: str
    peer: Person
    from_me: bool = False


class SendOutcome(StrEnum):
    """How a send ended. `NOT_SENT` is proof that nothing left; `UNCONFIRMED` that nobody knows."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class SendFinished:
    """The outcome of one `SendText`. `wa_id` is known unless nothing left; `peer` is whom it went to, LID included.

    A host that cannot tell how a failed send ended gives its `secret` (hex), by which `engine.evidence` completes it.
    """

    message_id: str
    outcome: SendOutcome
    wa_id: str = ""
    at: float = 0.0
    peer: Person = Person()
    detail: str = ""
    secret: str = ""

    @property
    def reference(self) -> str:
        return self.message_id


@dataclass(frozen=True)
class ReactionFinished:
    """The outcome of one `SendReaction`."""

    reaction_id: str
    outcome: SendOutcome
    at: float = 0.0
    detail: str = ""

    @property
    def reference(self) -> str:
        return self.reaction_id


@dataclass(frozen=True)
class TypingSeen:
    """Somebody has begun to write in a chat, or has stopped. Nobody has to keep it: it is told, or it is missed.

    Where and by whom as in `MessageReceived`. WhatsApp tells it to those alone who are present (`BePresent`).
    """

    group: str
    peer: Person
    sender: Person
    is_typing: bool


EngineEvent: TypeAlias = (
    ChallengeIssued
    | CodeRefused
    | Paired
    | Connected
    | ProfileSeen
    | ConnectionLost
    | Doubtful
    | Alive
    | Ended
    | MessageReceived
    | ReactionReceived
    | MessageUnreadable
    | MessageLost
    | ReceiptReceived
    | SendFinished
    | ReactionFinished
    | TypingSeen
)


@dataclass(frozen=True)
class Report:
    """One event of one session. `seq` > 0 means that it is journaled: acknowledge it once it is stored."""

    session_id: str
    event: EngineEvent
    seq: int = 0


# -- what the worker asks (worker to host) -----------------------------------------------------------------------
@dataclass(frozen=True)
class SendText:
    """Send `text` to a JID. `secret` (32 bytes) goes into the message, and so into the device store before it leaves:
    after a crash its presence there tells 'maybe sent' from 'never left'."""

    message_id: str
    to: str
    text: str
    secret: bytes

    @property
    def reference(self) -> str:
        return self.message_id


@dataclass(frozen=True)
class SendReaction:
    """Put `emoji` on the message `wa_id` in the chat `to`, in place of what we had put there; empty takes it back.

    `from_me` says whose message it is; in a group `sender` is who wrote it, elsewhere empty. Saying it again is
    harmless: the last one counts.
    """

    reaction_id: str
    to: str
    wa_id: str
    from_me: bool
    sender: str
    emoji: str

    @property
    def reference(self) -> str:
        return self.reaction_id


@dataclass(frozen=True)
class SendTyping:
    """Tell the chat that somebody here writes, or has stopped. It includes `BePresent`, and is dropped when late."""

    to: str
    is_typing: bool


@dataclass(frozen=True)
class BePresent:
    """Somebody looks: count as online for a while, so that WhatsApp tells who writes. Said again, it lasts longer.

    A number that is online all the time has no notifications on its phone (docs/engine.md), so it ends by itself.
    """


@dataclass(frozen=True)
class RequestCode:
    """Ask WhatsApp for a pairing code for this phone number (digits)."""

    phone: str


@dataclass(frozen=True)
class MarkRead:
    """Tell the senders that we have read these (blue ticks)."""

    wa_ids: tuple[str, ...]
    chat: str
    sender: str


@dataclass(frozen=True)
class Disconnect:
    """Close this session's connection; the link is kept. It can come back only in another host."""


@dataclass(frozen=True)
class Logout:
    """Unlink the device at WhatsApp and erase it from the device store; answered by `Ended(LOGGED_OUT)`."""


Command: TypeAlias = SendText | SendReaction | SendTyping | BePresent | RequestCode | MarkRead | Disconnect | Logout


class Host(Protocol):
    """A process that holds a set of sessions, fixed at its birth.

    `reports` yields in the order in which things happened, journaled ones again after a crash until acknowledged, and
    ends when the process has ended, however that came about; it never raises. Commands to an ended host are lost
    quietly: the end is what the worker acts on. `acknowledge` lets go of everything journaled up to `seq`.
    A host whose worker is gone, or stands still for some seconds, leaves by itself and in good order.
    """

    @property
    def sessions(self) -> frozenset[str]: ...

    @property
    def pid(self) -> int: ...

    def reports(self) -> AsyncIterator[Report]: ...

    async def command(self, session_id: str, *commands: Command) -> None:
        """Carried out in this order where their order matters; together they cost little more than one."""

    async def acknowledge(self, session_id: str, seq: int) -> None: ...

    async def keep_on(self, *, until: float) -> None:
        """Leave in good order at that time (`engine.clock`), unless told a later one before; at once if it is past.

        A host that was never told stays as long as its worker lives.
        """

    async def end(self, *, grace: float) -> None:
        """Disconnect everything, let the last events out, exit; killed after `grace` seconds."""

    async def kill(self) -> None: ...

    @property
    def exit_reason(self) -> str:
        """Why it ended, in words: the signal's name, or the exit code. Empty while it runs."""


class Engine(Protocol):
    """Makes hosts. `warm` may be called at any time to have the next host ready sooner."""

    async def start(self, births: Sequence[SessionBirth], network: NetworkAccess | None) -> Host:
        """A host for these sessions, already starting them one after another. Raises EngineError."""

    async def warm(self, network: NetworkAccess | None) -> None: ...

    async def close(self) -> None:
        """Let go of whatever was kept ready."""
