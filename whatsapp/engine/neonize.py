"""One linked device on neonize: the only code that calls it. docs/engine.md says how it really behaves, and why this.

Rules that keep a process alive (each broken one ends it with SIGABRT): clients start strictly one after another and
before any other call; a client is never stopped, only disconnected; a jid is passed only when the store has it; the
process leaves by `os._exit`.
"""

import contextlib
import ctypes
import itertools
import logging
import os
import sys
import threading
import time
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from whatsapp.engine import device_store, port, translate
from whatsapp.engine.binding import (
    JID,
    ChatPresence,
    ChatPresenceMedia,
    DeviceProps,
    LogEntry,
    Message,
    NeonizeError,
    Presence,
    ReceiptType,
    SendMessageError,
)
from whatsapp.engine.binding import client as neonize_client
from whatsapp.engine.failures import outcome_of
from whatsapp.engine.journal import Journal
from whatsapp.engine.ledger import Ignored

log = logging.getLogger("whatsapp.engine")

#: Our own entries in the journal, beside neonize's numbers.
OWN_EVENT: Final = 1000
#: WhatsApp's first QR code of six lives a minute, the others 20 s each (whatsmeow qrchan.go).
FIRST_CODE_SECONDS, NEXT_CODE_SECONDS = 60.0, 20.0
PAIRING_CODE_SECONDS: Final = 60.0
#: After these the start of the next session may begin (host rules): the Go side has done its last unlocked map access.
GATES: Final = frozenset(
    {
        translate.CONNECTED,
        translate.LOGGED_OUT,
        translate.STREAM_REPLACED,
        translate.TEMPORARY_BAN,
        translate.CONNECT_FAILURE,
        translate.CLIENT_OUTDATED,
    }
)

#: How long the device counts as online after somebody here has looked or typed. WhatsApp mutes the phone meanwhile.
PRESENT_SECONDS: Final = 20.0

_log_line: Final = neonize_client.log_whatsmeow

Tell = Callable[[port.EngineEvent], None]
OwnEvent = port.SendFinished | port.ReactionFinished | port.MessageLost | port.Ended | port.ConnectionLost


def quieten() -> None:
    """Undo what importing neonize does to logging, and keep its lines to warnings without message contents."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    for name in ("neonize", "whatsmeow", "Whatsmeow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # What the Go side tells at all: `LinkedDevice._logged` reads its warnings.
    neonize_client.log.setLevel(logging.WARNING)
    logging.getLogger("neonize.utils.ffmpeg").setLevel(logging.ERROR)


class _Client(neonize_client.NewClient):  # type: ignore[misc]  # neonize ships no types
    """neonize's client with the login-status hook that it otherwise only prints."""

    def __init__(self, *args: Any, on_login_status: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_login_status = on_login_status

    def _NewClient__onLoginStatus(self, _uuid: int, status: int) -> None:  # neonize's own name
        self._on_login_status(ctypes.string_at(status).decode(errors="replace"))


class LinkedDevice:
    """One session inside a host. `journaled` is called after each append, with whether it is about texts that we sent;
    `tell` with what is not worth keeping."""

    def __init__(self, birth: port.SessionBirth, *, journaled: Callable[[bool], None], tell: Tell) -> None:
        self.session_id = birth.session_id
        self.folder: Path = birth.folder
        self.journal = Journal(birth.folder / device_store.JOURNAL_FILE)
        self.gate = threading.Event()
        self.ended = False
        self._presence = threading.Lock()
        self._present_until: float | None = None
        #: When WhatsApp was last heard (monotonic), and whether something we asked since is unanswered.
        self.heard_at = time.monotonic()
        self.is_doubtful = False
        #: Called with each message that came again, and that the engine will not decrypt twice.
        self.ignored: Callable[[Ignored], None] = lambda _: None
        self._journaled, self._tell = journaled, tell
        self._lifetimes = itertools.chain([FIRST_CODE_SECONDS], itertools.repeat(NEXT_CODE_SECONDS))
        self._client = self._make_client(birth)

    def _make_client(self, birth: port.SessionBirth) -> _Client:
        client = _Client(
            device_store.engine_path(birth.folder),
            jid=_jid(birth.device_jid) if birth.device_jid else None,
            # What the phone's list of linked devices shows.
            props=DeviceProps(os="Wharf", platformType=DeviceProps.CHROME),
            uuid=birth.session_id,
            on_login_status=self._login_status,
        )
        # neonize takes the phone number as the key of its tables where a jid is given, and two sessions may be
        # linked to one number.
        client.uuid = birth.session_id.encode()
        client.event.list_func = dict.fromkeys(translate.SUBSCRIBED, _ignore)
        client.event.execute = self._received
        client.qr(self._qr)
        return client

    # -- called on the engine's threads: one append, nothing else ---------------------------------------------
    def _received(self, _uuid: int, pointer: int, size: int, code: int) -> None:
        if code in translate.PROOFS:
            self._hears()
        if code == translate.KEEPALIVE_TIMEOUT:
            self.is_doubtful = True
        if code in translate.PASSING:
            self._pass_on(code, ctypes.string_at(pointer, size))
        elif code in translate.SUBSCRIBED:
            self.journal.append(code, ctypes.string_at(pointer, size))
            self._journaled(code == translate.RECEIPT)
        if code in GATES:
            self.gate.set()
        if code == translate.CONNECTED:
            # WhatsApp knows nothing of what was said on an earlier connection.
            self._present_until = None

    def _pass_on(self, code: int, payload: bytes) -> None:
        # The same people as in messages, whatever bytes they send: what cannot be understood is nothing to tell.
        with contextlib.suppress(Exception):
            if event := translate.translate(code, payload):
                self._tell(event)

    def _hears(self) -> None:
        self.heard_at = time.monotonic()
        if self.is_doubtful:
            self.is_doubtful = False
            self._tell(port.Alive())

    def _logged(self, pointer: int, size: int) -> None:
        """The engine's own log line, by which alone it tells what it does not pass on."""
        if pointer and size > 0:
            entry = LogEntry.FromString(ctypes.string_at(pointer, size))
            if ignored := translate.ignored(entry.Message):
                self.ignored(ignored)
            else:
                _log_line(pointer, size)

    def _qr(self, _client: object, data: bytes) -> None:
        self.gate.set()
        self._tell(port.ChallengeIssued("qr", data.decode(), seconds=next(self._lifetimes)))

    def _login_status(self, status: str) -> None:
        """The only sign that neonize gives of a pairing that failed or of codes that ran out."""
        if status == "timeout":
            self.note(port.Ended(port.Ending.PAIRING_TIMEOUT))
        elif status != "success":
            self.note(port.Ended(port.Ending.PAIRING_ERROR, detail=status))

    # -- called by the host ------------------------------------------------------------------------------------
    def note(self, event: OwnEvent) -> None:
        """Journal something that we know ourselves, in order with what the engine reports."""
        self.journal.append(OWN_EVENT, msgspec.json.encode((type(event).__name__, event)))
        self._journaled(isinstance(event, port.SendFinished))

    def connect(self) -> None:
        """Start connecting; `gate` is set when another session may be started. Returns at once."""
        threading.Thread(target=self._connect, name=f"connect-{self.session_id}", daemon=True).start()

    def _connect(self) -> None:
        try:
            # It is looked up in there, at once; starts come one after another.
            neonize_client.log_whatsmeow = self._logged
            self._client.connect()
            self.note(port.ConnectionLost("the engine gave up", retrying=False))
        except NeonizeError as error:
            self.note(port.ConnectionLost(str(error), retrying=False))
        finally:
            self.ended = True
            self.gate.set()

    @property
    def is_connected(self) -> bool:
        return bool(not self.ended and self._client.is_connected)

    def doubt(self) -> None:
        """A probe is unanswered."""
        if not self.is_doubtful:
            self.is_doubtful = True
            self._tell(port.Doubtful())

    def probe(self) -> None:
        """Ask WhatsApp for something small. Blocks until it answers, up to 75 s; a refusal is an answer too."""
        try:
            self._client.get_blocklist()
        except NeonizeError as error:
            if "returned status" not in str(error):
                return
        self._hears()

    def request_code(self, phone: str) -> None:
        try:
            code = self._client.PairPhone(phone, show_push_notification=True)
        except NeonizeError as error:
            self._tell(port.CodeRefused(str(error)))
        else:
            self._tell(port.ChallengeIssued("code", code, seconds=PAIRING_CODE_SECONDS))

    def send(self, order: port.SendText) -> None:
        """Send and journal the outcome. Blocks until WhatsApp answers, up to 75 s."""
        # Even an error that nobody thought of must leave an outcome: a row without one would wait for ever.
        try:
            outcome = self._send(order)
        except Exception as error:
            log.exception("a send failed unexpectedly in session %s", self.session_id)
            outcome = self._failed(order, f"{type(error).__name__}")
        self.note(outcome)

    def _send(self, order: port.SendText) -> port.SendFinished:
        message = Message(conversation=order.text)
        message.messageContextInfo.messageSecret = order.secret
        try:
            answer = self._client.send_message(_jid(order.to), message)
        except SendMessageError as error:
            return self._failed(order, str(error))
        return port.SendFinished(
            order.message_id,
            port.SendOutcome.ACKNOWLEDGED,
            wa_id=answer.ID,
            at=float(answer.Timestamp),
            peer=_addressee(order.to, answer.Chat),
        )

    def _failed(self, order: port.SendText, detail: str) -> port.SendFinished:
        return port.SendFinished(order.message_id, outcome_of(detail), detail=detail, secret=order.secret.hex())

    def react(self, order: port.SendReaction) -> None:
        """As `send`."""
        try:
            outcome = self._react(order)
        except Exception as error:
            log.exception("a reaction failed unexpectedly in session %s", self.session_id)
            outcome = port.ReactionFinished(
                order.reaction_id, port.SendOutcome.UNCONFIRMED, detail=type(error).__name__
            )
        self.note(outcome)

    def _react(self, order: port.SendReaction) -> port.ReactionFinished:
        try:
            answer = self._client.send_message(_jid(order.to), _reaction(order))
        except SendMessageError as error:
            return port.ReactionFinished(order.reaction_id, outcome_of(str(error)), detail=str(error))
        return port.ReactionFinished(order.reaction_id, port.SendOutcome.ACKNOWLEDGED, at=float(answer.Timestamp))

    # -- who is there ------------------------------------------------------------------------------------------
    def type(self, order: port.SendTyping) -> None:
        """Tell the chat. Whoever is not present has no say there."""
        self.be_present()
        state = ChatPresence.CHAT_PRESENCE_COMPOSING if order.is_typing else ChatPresence.CHAT_PRESENCE_PAUSED
        with contextlib.suppress(NeonizeError):
            self._client.send_chat_presence(_jid(order.to), state, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT)

    def be_present(self) -> None:
        """Count as online for `PRESENT_SECONDS` from now. Not before WhatsApp has told the profile's name."""
        with self._presence, contextlib.suppress(NeonizeError):
            if self._present_until is None:
                self._client.send_presence(Presence.AVAILABLE)
            self._present_until = time.monotonic() + PRESENT_SECONDS

    def lapse(self) -> None:
        """Called every few seconds: the end of being present."""
        with self._presence, contextlib.suppress(NeonizeError):
            if self._present_until is not None and time.monotonic() > self._present_until:
                self._present_until = None
                self._client.send_presence(Presence.UNAVAILABLE)

    def mark_read(self, order: port.MarkRead) -> None:
        with contextlib.suppress(NeonizeError):
            self._client.mark_read(
                *order.wa_ids, chat=_jid(order.chat), sender=_jid(order.sender), receipt=ReceiptType.READ
            )

    def disconnect(self) -> None:
        self._client.disconnect()

    def logout(self) -> None:
        try:
            self._client.logout()
        except NeonizeError as error:
            self._tell(port.Alive(ok=False))
            log.warning("session %s could not log out: %s", self.session_id, error)
        else:
            self.note(port.Ended(port.Ending.LOGGED_OUT))


def own_event(payload: bytes) -> port.EngineEvent:
    """What `LinkedDevice.note` put into the journal."""
    name, fields = _named.decode(payload)
    event: OwnEvent = _own_decoders[name].decode(fields)
    return event


_named: Final = msgspec.json.Decoder(tuple[str, msgspec.Raw])
_own_decoders: Final = {cls.__name__: msgspec.json.Decoder(cls) for cls in typing.get_args(OwnEvent)}


def _reaction(order: port.SendReaction) -> Message:
    """WhatsApp names a message by its chat, its id, and in a group by whoever wrote it."""
    message = Message()
    key = message.reactionMessage.key
    key.remoteJID, key.fromMe, key.ID = order.to, order.from_me, order.wa_id
    if order.sender:
        key.participant = order.sender
    message.reactionMessage.text = order.emoji
    message.reactionMessage.senderTimestampMS = int(time.time() * 1000)
    return message


def _jid(text: str) -> JID:
    left, _, server = text.partition("@")
    user, _, device = left.partition(":")
    return JID(User=user, Server=server, Device=int(device or 0), RawAgent=0, Integrator=0, IsEmpty=False)


def _addressee(to: str, chat: JID) -> port.Person:
    """Whom a send went to: the address we used, and the one WhatsApp used."""
    user, _, server = to.partition("@")
    known = {server: user, chat.Server: chat.User}
    return port.Person(pn=known.get(translate.PHONE, ""), lid=known.get(translate.LID, ""))


def _ignore(_client: object, _event: object) -> None:
    """neonize wants a handler for each event it is to report; the raw entry above sees them first."""


def leave() -> None:
    """End the process without running finalizers: neonize's would write Go maps that others still read."""
    sys.stderr.flush()
    os._exit(0)
