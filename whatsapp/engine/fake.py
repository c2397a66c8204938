"""An engine without processes and without WhatsApp, for tests of whoever uses one (a `port.Engine`).

It keeps to what the port promises: what is journaled carries a number, is told again by the session's next host until
it is acknowledged, and a session belongs to one living host at a time. Linked devices are written into real stores,
because workers read those. What a phone, a contact or the network would do are the methods of `FakeEngine`; they may
be called from any thread.
"""

import asyncio
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from whatsapp.engine import device_store, port
from whatsapp.engine.clock import since_boot

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS whatsmeow_device (
    jid TEXT, lid TEXT, push_name TEXT, noise_key BLOB, identity_key BLOB, signed_pre_key BLOB
);
CREATE TABLE IF NOT EXISTS whatsmeow_message_secrets (message_id TEXT, key BLOB);
"""
#: What stays true after a restart; the rest was about a connection that is gone.
_LASTING: Final = (
    port.MessageReceived,
    port.ReactionReceived,
    port.MessageUnreadable,
    port.MessageLost,
    port.ReceiptReceived,
    port.SendFinished,
    port.ReactionFinished,
)
#: Worth no entry in a journal: it is told, or it is missed.
_PASSING: Final = (port.ChallengeIssued, port.CodeRefused, port.Alive, port.Doubtful, port.ProfileSeen, port.TypingSeen)


@dataclass
class _Session:
    """What outlives the hosts of a session: its folder, its journal, and what people did with it."""

    folder: Path
    journal: list[port.Report] = field(default_factory=list)
    last_seq: int = 0
    host: "FakeHost | None" = None
    is_online: bool = False

    def execute(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / device_store.DEVICE_FILE)) as db, db:
            db.executescript(_SCHEMA)
            db.execute(statement, values)

    def link(self, jid: str) -> None:
        keys = [os.urandom(32) for _ in range(3)]
        self.execute("INSERT INTO whatsmeow_device VALUES (?, ?, ?, ?, ?, ?)", jid, "", "Shop", *keys)

    def unlink(self) -> None:
        self.execute("DELETE FROM whatsmeow_device")

    @property
    def jid(self) -> str:
        stored = device_store.stored_device(self.folder)
        return stored.jid if stored else ""


class FakeHost:
    """A host without a process (a `port.Host`)."""

    def __init__(self, engine: "FakeEngine", births: Sequence[port.SessionBirth], pid: int) -> None:
        self._engine = engine
        self._sessions = frozenset(birth.session_id for birth in births)
        self._pid = pid
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[port.Report | None] = asyncio.Queue()
        self._exit_reason = ""
        self._term: asyncio.TimerHandle | None = None

    @property
    def sessions(self) -> frozenset[str]:
        return self._sessions

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def exit_reason(self) -> str:
        return self._exit_reason

    async def reports(self) -> AsyncIterator[port.Report]:
        while (report := await self._told.get()) is not None:
            yield report

    async def command(self, session_id: str, *commands: port.Command) -> None:
        for command in commands:
            self._engine.obey(self, session_id, command)

    async def acknowledge(self, session_id: str, seq: int) -> None:
        self._engine.acknowledge(self, session_id, seq)

    async def keep_on(self, *, until: float) -> None:
        if self._term is not None:
            self._term.cancel()
        self._term = self._loop.call_later(until - since_boot(), self._engine.end, self, "exit code 0")

    async def end(self, *, grace: float) -> None:
        deadline = self._loop.time() + grace
        while self._engine.is_slow_to_leave and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._engine.end(self, "SIGKILL" if self._engine.is_slow_to_leave else "exit code 0")

    async def kill(self) -> None:
        self._engine.end(self, "SIGKILL")

    # -- the engine's side -------------------------------------------------------------------------------------------
    def tell(self, report: port.Report | None) -> None:
        self._loop.call_soon_threadsafe(self._told.put_nowait, report)

    def leave(self, exit_reason: str) -> None:
        self._exit_reason = exit_reason
        self.tell(None)


class FakeEngine:
    """Sessions and their hosts. The attributes are faults: they hold until they are turned off."""

    def __init__(self) -> None:
        #: Hosts cannot be started at all.
        self.cannot_start = False
        #: Hosts die as soon as they are born.
        self.dies_at_birth = False
        #: WhatsApp cannot be reached: nothing connects, and nobody can be logged out.
        self.is_out_of_reach = False
        #: WhatsApp gives no pairing codes.
        self.refuses_codes = False
        #: Sends get no answer.
        self.withholds_answers = False
        #: The phone agrees, and then nothing is heard any more.
        self.never_finishes_links = False
        #: Log-ins of linked devices get no answer.
        self.is_silent = False
        #: Devices that were told to disconnect do not say that they did.
        self.ignores_goodbyes = False
        #: Hosts that were told to leave are still at it.
        self.is_slow_to_leave = False
        #: The sessions and the network of each host that was started, and all that was sent.
        self.started: list[tuple[frozenset[str], port.NetworkAccess | None]] = []
        self.warmed: list[port.NetworkAccess | None] = []
        self.sent: list[port.SendText] = []
        self.reactions: list[port.SendReaction] = []
        #: What chats were told of somebody who writes here, and how often somebody was present.
        self.typed: list[port.SendTyping] = []
        self.presences = 0
        #: WhatsApp refuses reactions.
        self.refuses_reactions = False
        self._sessions: dict[str, _Session] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # -- port.Engine -------------------------------------------------------------------------------------------------
    async def start(self, births: Sequence[port.SessionBirth], network: port.NetworkAccess | None) -> FakeHost:
        with self._lock:
            if self.cannot_start:
                raise port.EngineError("no host process: told so")
            host = FakeHost(self, births, next(self._numbers))
            self.started.append((host.sessions, network))
            for birth in births:
                self._bear(host, birth)
            if self.dies_at_birth:
                self.end(host, "SIGABRT")
            return host

    async def warm(self, network: port.NetworkAccess | None) -> None:
        if network not in self.warmed:
            self.warmed.append(network)

    async def close(self) -> None: ...

    def _bear(self, host: FakeHost, birth: port.SessionBirth) -> None:
        session = self._sessions.setdefault(birth.session_id, _Session(birth.folder))
        if session.host is not None:
            host.tell(port.Report(birth.session_id, port.ConnectionLost("FolderInUse", retrying=False)))
            return
        # On another disk by now, perhaps.
        session.host, session.folder = host, birth.folder
        for report in session.journal:
            # Told again in its place; what it said of the old connection means nothing any more.
            host.tell(report if isinstance(report.event, _LASTING) else replace(report, event=port.Alive()))
        if birth.is_bequest:
            self._over(birth.session_id, port.ConnectionLost("told what was left here", retrying=False))
        elif not birth.device_jid:
            self._tell(birth.session_id, self._new_qr(birth.session_id))
        elif not session.jid:
            self._over(birth.session_id, port.Ended(port.Ending.STORE_MISSING))
        else:
            self._log_in(birth.session_id)

    def _log_in(self, session_id: str) -> None:
        session = self._sessions[session_id]
        if self.is_out_of_reach:
            self._over(session_id, port.ConnectionLost("no route to host", retrying=False))
        elif not self.is_silent:
            session.is_online = True
            self._tell(session_id, port.Connected(session.jid, push_name="Shop"))

    def _new_qr(self, session_id: str) -> port.ChallengeIssued:
        return port.ChallengeIssued("qr", f"2@{session_id}-{next(self._numbers)}", seconds=60)

    # -- telling -----------------------------------------------------------------------------------------------------
    def _tell(self, session_id: str, event: port.EngineEvent) -> None:
        """Report it; what must not be missed is journaled first, and told by the next host if there is none now."""
        session = self._sessions[session_id]
        report = port.Report(session_id, event)
        if not isinstance(event, _PASSING):
            session.last_seq += 1
            report = replace(report, seq=session.last_seq)
            session.journal.append(report)
        if session.host is not None:
            session.host.tell(report)

    def _over(self, session_id: str, event: port.Ended | port.ConnectionLost) -> None:
        """The host does nothing more for the session; another one may have it."""
        session = self._sessions[session_id]
        self._tell(session_id, event)
        session.host, session.is_online = None, False

    # -- what hosts are told -----------------------------------------------------------------------------------------
    def obey(self, host: FakeHost, session_id: str, command: port.Command) -> None:
        with self._lock:
            session = self._sessions[session_id]
            if host.exit_reason or session.host is not host:
                return
            match command:
                case port.SendText():
                    self._send(session, session_id, command)
                case port.SendReaction():
                    self._react(session, session_id, command)
                case port.SendTyping() if session.is_online:
                    self.typed.append(command)
                    self.presences += 1
                case port.BePresent() if session.is_online:
                    self.presences += 1
                case port.RequestCode():
                    self._tell(session_id, self._new_code())
                case port.Disconnect() if not self.ignores_goodbyes:
                    self._over(session_id, port.ConnectionLost("disconnected on request", retrying=False))
                case port.Logout() if self.is_out_of_reach or not session.is_online:
                    self._tell(session_id, port.Alive(ok=False))
                case port.Logout():
                    self.phone_unlinks(session_id)

    def _send(self, session: _Session, session_id: str, order: port.SendText) -> None:
        if not session.is_online:
            outcome = port.SendFinished(order.message_id, port.SendOutcome.NOT_SENT, detail="websocket not connected")
            self._tell(session_id, outcome)
            return
        wa_id = f"3EB0{next(self._numbers):016X}"
        session.execute("INSERT INTO whatsmeow_message_secrets VALUES (?, ?)", wa_id, order.secret)
        self.sent.append(order)
        if not self.withholds_answers:
            number, _, server = order.to.partition("@")
            peer = port.Person(pn=number) if server == "s.whatsapp.net" else port.Person()
            acknowledged = port.SendOutcome.ACKNOWLEDGED
            self._tell(
                session_id, port.SendFinished(order.message_id, acknowledged, wa_id=wa_id, at=time.time(), peer=peer)
            )

    def _react(self, session: _Session, session_id: str, order: port.SendReaction) -> None:
        def finish(outcome: port.SendOutcome, detail: str = "") -> None:
            self._tell(session_id, port.ReactionFinished(order.reaction_id, outcome, time.time(), detail))

        if not session.is_online:
            finish(port.SendOutcome.NOT_SENT, "websocket not connected")
        elif self.refuses_reactions:
            finish(port.SendOutcome.REFUSED, "server returned error 479")
        else:
            self.reactions.append(order)
            if not self.withholds_answers:
                finish(port.SendOutcome.ACKNOWLEDGED)

    def _new_code(self) -> port.ChallengeIssued | port.CodeRefused:
        if self.refuses_codes:
            return port.CodeRefused("server returned error 429: rate-overlimit")
        return port.ChallengeIssued("code", f"CODE{next(self._numbers):04}", seconds=60)

    def acknowledge(self, host: FakeHost, session_id: str, seq: int) -> None:
        with self._lock:
            if not host.exit_reason:
                session = self._sessions[session_id]
                session.journal = [report for report in session.journal if report.seq > seq]

    def end(self, host: FakeHost, exit_reason: str) -> None:
        with self._lock:
            if host.exit_reason:
                return
            for session_id in host.sessions:
                session = self._sessions[session_id]
                if session.host is host:
                    session.host, session.is_online = None, False
            host.leave(exit_reason)

    # -- what happens ------------------------------------------------------------------------------------------------
    def host_of(self, session_id: str) -> FakeHost | None:
        with self._lock:
            session = self._sessions.get(session_id)
            return session.host if session else None

    def is_online(self, session_id: str) -> bool:
        with self._lock:
            session = self._sessions.get(session_id)
            return bool(session and session.is_online)

    def was_linked(self, session_id: str, folder: Path, jid: str) -> None:
        """In an earlier life, before the first host."""
        with self._lock:
            self._sessions.setdefault(session_id, _Session(folder)).link(jid)

    def phone_scans(self, session_id: str, number: str, device: int = 1) -> None:
        with self._lock:
            session = self._sessions[session_id]
            session.link(f"{number}:{device}@s.whatsapp.net")
            self._tell(session_id, port.Paired(session.jid, platform="android"))
            if not self.never_finishes_links:
                self._log_in(session_id)

    def phone_unlinks(self, session_id: str) -> None:
        with self._lock:
            self._sessions[session_id].unlink()
            self._over(session_id, port.Ended(port.Ending.LOGGED_OUT))

    def codes_run_out(self, session_id: str) -> None:
        self.ends(session_id, port.Ended(port.Ending.PAIRING_TIMEOUT))

    def link_is_refused(self, session_id: str) -> None:
        self.ends(session_id, port.Ended(port.Ending.PAIRING_ERROR, "the phone's signature is wrong"))

    def ends(self, session_id: str, event: port.Ended) -> None:
        with self._lock:
            self._over(session_id, event)

    def network_drops(self, session_id: str) -> None:
        """The connection is cut; the engine goes on trying by itself."""
        with self._lock:
            self._sessions[session_id].is_online = False
            self._tell(session_id, port.ConnectionLost())

    def network_returns(self, session_id: str) -> None:
        with self._lock:
            self._log_in(session_id)

    def goes_silent(self, session_id: str) -> None:
        """The connection is half open: nothing comes of it, and nothing is answered."""
        with self._lock:
            self._tell(session_id, port.Doubtful())

    def answers_again(self, session_id: str) -> None:
        with self._lock:
            self._tell(session_id, port.Alive())

    def contact_writes(self, session_id: str, number: str, text: str) -> str:
        """The message's id."""
        with self._lock:
            who = port.Person(pn=number, name="Contact")
            wa_id = f"IN{next(self._numbers)}"
            self._tell(session_id, port.MessageReceived(wa_id, time.time(), False, "", who, who, "text", text))
            return wa_id

    def contact_reacts(self, session_id: str, number: str, wa_id: str, emoji: str) -> None:
        with self._lock:
            who = port.Person(pn=number, name="Contact")
            self._tell(session_id, port.ReactionReceived(wa_id, time.time(), False, "", who, who, emoji))

    def contact_types(self, session_id: str, number: str, *, is_typing: bool = True) -> None:
        """WhatsApp tells it to a device that is present; this one does so whether it is or not."""
        with self._lock:
            who = port.Person(pn=number)
            self._tell(session_id, port.TypingSeen("", who, who, is_typing))

    def receipt_comes(self, session_id: str, wa_id: str, kind: port.ReceiptKind = port.ReceiptKind.DELIVERED) -> None:
        with self._lock:
            event = port.ReceiptReceived((wa_id,), kind, time.time(), "", port.Person())
            self._tell(session_id, event)

    def host_dies(self, session_id: str, exit_reason: str = "SIGSEGV") -> None:
        with self._lock:
            if host := self._sessions[session_id].host:
                self.end(host, exit_reason)
