"""A host: the process that holds a fixed set of linked devices and reports what happens on a socket to its worker.

`python -m whatsapp.engine.host FD` waits, with neonize already imported, for the frame that says what it is to hold.
It knows no Django and no database. When the worker is gone, it leaves in good order: what it reported and nobody
stored is in the journals.
"""

import contextlib
import logging
import math
import queue
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from whatsapp.engine import device_store, losses, neonize, port, translate, wire
from whatsapp.engine.clock import since_boot
from whatsapp.engine.device_store import StoredDevice
from whatsapp.engine.journal import Entry
from whatsapp.engine.ledger import Heard, Ignored, Ledger
from whatsapp.engine.telling import Telling

log = logging.getLogger("whatsapp.engine.host")

#: How long one session may take to get far enough for the next one to start.
START_SECONDS: Final = 15.0
#: After disconnecting, events that were under way still come out for a moment.
QUIET_SECONDS: Final = 0.5
#: Every few seconds a glance at who is connected, every few glances a sign of life, and at each of the first.
GLANCE_SECONDS: Final = 3.0
GLANCES_A_HEARTBEAT: Final = 5
EAGER_GLANCES: Final = 10
#: whatsmeow's own keep-alive tells when it is unanswered (every 20 to 30 s, 10 s of patience). Should it ever stand
#: still, we ask ourselves, seldom enough to be nothing to WhatsApp.
QUIET_FOR_SECONDS: Final = 600.0
PROBE_SECONDS: Final = 10.0
#: A predecessor of the same session may need a moment to leave.
LOCK_SECONDS: Final = 8.0
#: That somebody types is no news after this: the thread that sends may have waited for an answer.
TYPING_SECONDS: Final = 5.0
#: Whatever hangs, the process is gone by then: nobody else would end it when the worker is dead.
LEAVE_SECONDS: Final = 20.0
#: How often a host looks whether its term is over.
TERM_LOOK_SECONDS: Final = 0.5
BATCH: Final = 200
#: What is new is told at once, and what comes within so short a time of that together: each time that the worker is
#: woken costs both of us as much as several more messages.
GATHER_SECONDS: Final = 0.01


#: What is said to a chat keeps its order.
_ONE_AFTER_ANOTHER: Final = (port.SendText, port.SendReaction, port.SendTyping, port.BePresent, port.MarkRead)


class Channel:
    """The socket to the worker: one reader, one writer."""

    def __init__(self, connection: socket.socket) -> None:
        self._in = connection.makefile("rb")
        self._out = connection

    def receive(self) -> wire.Frame | None:
        """The next frame, or None when the worker is gone."""
        with contextlib.suppress(OSError):
            header = self._in.read(wire.HEADER)
            if len(header) == wire.HEADER:
                length = wire.body_length(header)
                body = self._in.read(length)
                if len(body) == length:
                    return wire.decode(body)
        return None

    def send(self, frames: bytes) -> None:
        with contextlib.suppress(OSError):
            self._out.sendall(frames)

    def stop_receiving(self) -> None:
        """Whoever receives sees the end; what is sent still arrives."""
        with contextlib.suppress(OSError):
            self._out.shutdown(socket.SHUT_RD)

    def hang_up(self) -> None:
        """The worker counts as gone: `receive` says so, and nothing waits for it to read."""
        with contextlib.suppress(OSError):
            self._out.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Ordered:
    """A command for one device, and how it is carried out."""

    command: port.Command
    carry_out: Callable[[], None]


class Kept:
    """A device of this host with its place in the journal and the thread that sends for it."""

    def __init__(self, device: neonize.LinkedDevice) -> None:
        self.device = device
        self.ledger = Ledger(device.journal)
        self.telling = Telling()
        self.probing_since: float | None = None
        self._names: dict[int, Heard] = {}
        self._own = StoredDevice("")
        self._doubt_since = time.time()
        #: Messages that came again, and when.
        self.came_again: deque[tuple[float, Ignored]] = deque()
        device.ignored = self._note_again
        self.reported = 0
        #: Another host may have it now, and its journal is that one's to read.
        self.is_released = False
        self.glances = 0
        #: Entries up to here are from before this process; those about the old connection no longer mean anything.
        self.inherited = _last_seq(device)
        self.orders: queue.SimpleQueue[Ordered] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=f"orders-{device.session_id}", daemon=True).start()

    def _work(self) -> None:
        while True:
            ordered = self._take_orders()
            self._hear(ordered)
            for order in ordered:
                order.carry_out()
                self.telling.note_done()

    def _take_orders(self) -> list[Ordered]:
        """All that there are, at least one."""
        ordered = [self.orders.get()]
        while not self.orders.empty():
            ordered.append(self.orders.get())
        return ordered

    def _hear(self, ordered: Sequence[Ordered]) -> None:
        """Of texts before they leave: their lines in the device store must not pass for messages that were lost."""
        secrets = [order.command.secret for order in ordered if isinstance(order.command, port.SendText)]
        if secrets:
            with contextlib.suppress(sqlite3.Error):
                self.ledger.hear([Heard(device_store.secret_name(secret), 0.0) for secret in secrets])

    def unreported(self) -> list[tuple[Entry, port.EngineEvent | None]]:
        if self.is_released:
            return []
        entries = self.device.journal.after(self.reported, limit=BATCH)
        self._names |= {entry.seq: each for entry in entries if (each := translate.heard(entry.code, entry.payload))}
        return [(entry, self._safe_meaning(entry)) for entry in entries]

    def vouch(self) -> bool:
        """Whether the connection can be said to live. What was not heard of for long is asked, and not waited for."""
        now, device = time.monotonic(), self.device
        if self.probing_since is None:
            if device.is_doubtful or now - device.heard_at > QUIET_FOR_SECONDS:
                self.probing_since = now
                threading.Thread(target=self._probe, name=f"probe-{device.session_id}", daemon=True).start()
        elif now - self.probing_since > PROBE_SECONDS:
            device.doubt()
        return not device.is_doubtful

    def _probe(self) -> None:
        self.device.probe()
        self.probing_since = None

    def let_go(self, seq: int) -> None:
        """The worker has stored everything up to `seq`; that it was heard of is remembered a little longer."""
        # Those of one batch come in order, and the pump adds to them meanwhile.
        stored = [number for number in list(self._names) if number <= seq]
        self.ledger.let_go([self._names.pop(number) for number in stored], seq)

    def leave(self) -> None:
        """All that the engine had to tell is in the journal."""
        # Once it is released another host may keep its ledger.
        if not self.is_released:
            self.ledger.leave()

    def tell_losses(self) -> None:
        """What the host before this one took with it. Raises sqlite3.Error."""
        self._own = device_store.stored_device(self.device.folder) or self._own
        mark = self.ledger.mark()
        self._doubt_since = mark.at if mark else self._doubt_since
        found = losses.find(self.device.folder, self.device.journal, self.ledger)
        for each in found.lost:
            self.device.note(each)
        self.ledger.begin(found.place)
        for message in self.ledger.doubted():
            self.ledger.settle(message)

    def _note_again(self, message: Ignored) -> None:
        """WhatsApp had no word of it, and the engine had decrypted it: was it before we heard, or after?

        The engine acknowledges it as soon as this returns.
        """
        with contextlib.suppress(sqlite3.Error):
            self.ledger.doubt(message)
        self.came_again.append((time.monotonic(), message))

    def judge(self, patience: float = GLANCE_SECONDS) -> None:
        """Tell what came again and was never heard of. The news of its first coming may be on its way to us for a
        moment: it comes on another thread than the engine's log."""
        while self.came_again and time.monotonic() - self.came_again[0][0] >= patience:
            _, message = self.came_again.popleft()
            is_heard = losses.is_heard(message, self.device.journal, self.ledger)
            if not is_heard and (lost := losses.described(message, self._own, {})):
                self.device.note(replace(lost, after=self._doubt_since, before=time.time()))
            self.ledger.settle(message)

    def _safe_meaning(self, entry: Entry) -> port.EngineEvent | None:
        """An entry that cannot be understood never will be: it must not hold up what comes after it."""
        try:
            return self._meaning(entry)
        except Exception:
            log.exception("session %s: entry %d (%d) is unreadable", self.device.session_id, entry.seq, entry.code)
            return None

    def _meaning(self, entry: Entry) -> port.EngineEvent | None:
        event: port.EngineEvent | None
        if entry.code == neonize.OWN_EVENT:
            event = neonize.own_event(entry.payload)
            stale = not isinstance(event, port.SendFinished | port.ReactionFinished | port.MessageLost)
        elif entry.code == translate.CONNECTED:
            event, stale = port.Connected(""), True
        else:
            event, stale = translate.translate(entry.code, entry.payload), entry.code not in translate.LASTING
        return None if stale and entry.seq <= self.inherited else event


def _show_presence(device: neonize.LinkedDevice, command: port.SendTyping | port.BePresent) -> None:
    if not device.is_connected:
        return
    if isinstance(command, port.SendTyping):
        device.type(command)
    else:
        device.be_present()


def _unless_late(action: Callable[[], None]) -> Callable[[], None]:
    deadline = time.monotonic() + TYPING_SECONDS

    def act() -> None:
        if time.monotonic() < deadline:
            action()

    return act


def _is_final(event: port.EngineEvent | None) -> bool:
    return isinstance(event, port.Ended) or (isinstance(event, port.ConnectionLost) and not event.retrying)


def _last_seq(device: neonize.LinkedDevice) -> int:
    last, entries = 0, device.journal.after(0, limit=BATCH)
    while entries:
        last = entries[-1].seq
        entries = device.journal.after(last, limit=BATCH)
    return last


class Host:
    """Starts the devices, pumps their journals to the worker, and carries out its orders."""

    def __init__(self, channel: Channel, birth: wire.Birth) -> None:
        self._channel = channel
        self._news = threading.Event()
        self._direct: queue.SimpleQueue[port.Report] = queue.SimpleQueue()
        #: Sessions whose journals may hold what nobody has read. To look into all would cost each message a query for
        #: every neighbour.
        self._stirred: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._births = birth.sessions
        self._kept: dict[str, Kept] = {}
        self._locks: dict[str, contextlib.ExitStack] = {}
        self._started = threading.Event()
        self._until = math.inf
        self._silent_looks = 0
        #: Sessions whose news may wait (`engine.telling`), and whether nothing may any more.
        self._held: set[str] = set()
        self._is_leaving = False

    def run(self) -> None:
        for birth in self._births:
            self._adopt(birth)
        threading.Thread(target=self._pump, name="pump", daemon=True).start()
        threading.Thread(target=self._start_all, name="starter", daemon=True).start()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        threading.Thread(target=self._watch_the_term, name="term", daemon=True).start()
        threading.Thread(target=self._mind_the_worker, name="worker", daemon=True).start()
        self._obey()
        self._leave()

    # -- birth -----------------------------------------------------------------------------------------------
    def _adopt(self, birth: port.SessionBirth) -> None:
        try:
            self._lock(birth)
            device = neonize.LinkedDevice(
                birth,
                journaled=lambda is_answer: self._hear_of(birth.session_id, is_answer=is_answer),
                tell=lambda event: self._tell(birth.session_id, event),
            )
        except (device_store.FolderInUse, sqlite3.Error, OSError) as error:
            self._tell(birth.session_id, port.ConnectionLost(f"{type(error).__name__}: {error}", retrying=False))
        else:
            self._kept[birth.session_id] = Kept(device)
            # With what its last host did not come to tell.
            self._stir(birth.session_id)

    def _lock(self, birth: port.SessionBirth) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                stack = contextlib.ExitStack()
                stack.enter_context(device_store.locked(birth.folder))
                self._locks[birth.session_id] = stack
                return
            except device_store.FolderInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _start_all(self) -> None:
        for birth in self._births:
            if kept := self._kept.get(birth.session_id):
                self._start(birth, kept)
        self._started.set()

    def _start(self, birth: port.SessionBirth, kept: Kept) -> None:
        device = kept.device
        try:
            is_missing = bool(birth.device_jid) and device_store.stored_device(birth.folder) is None
            kept.tell_losses()
        except sqlite3.Error as error:
            device.note(port.ConnectionLost(f"{type(error).__name__}: {error}", retrying=False))
            return
        if birth.is_bequest:
            device.note(port.ConnectionLost("told what was left here", retrying=False))
            return
        if is_missing:
            device.note(port.Ended(port.Ending.STORE_MISSING))
            return
        device.connect()
        if not device.gate.wait(START_SECONDS):
            # Not ready and not failed: starting another beside it could end the whole process. The worker sees the
            # end, and leaves this one out of the company of others (it is the one that is still connecting).
            log.error("session %s did not start within %s s", device.session_id, START_SECONDS)
            device.note(port.ConnectionLost("did not start in time", retrying=False))

    # -- out: the only thread that writes to the socket --------------------------------------------------------
    def _tell(self, session_id: str, event: port.EngineEvent) -> None:
        self._direct.put(port.Report(session_id, event))
        self._news.set()

    def _stir(self, session_id: str) -> None:
        self._stirred.put(session_id)
        self._news.set()

    def _hear_of(self, session_id: str, *, is_answer: bool) -> None:
        """The journal holds more. Before its session is kept there is nobody to ask, and it is stirred then."""
        if kept := self._kept.get(session_id):
            kept.telling.note_news(is_answer=is_answer)
        self._stir(session_id)

    def _pump(self) -> None:
        pumped = -math.inf
        while True:
            self._news.wait(self._patience())
            time.sleep(max(pumped + GATHER_SECONDS - time.monotonic(), 0.0))
            self._news.clear()
            self._pump_once()
            pumped = time.monotonic()

    def _pump_once(self) -> None:
        """Send one round of what is new."""
        frames: list[bytes] = []
        while not self._direct.empty():
            frames.append(wire.encode(self._direct.get()))
        for session_id in self._take_stirred():
            if kept := self._kept.get(session_id):
                frames += self._frames_of(kept) if self._is_due(kept) else self._hold(session_id)
        if frames:
            self._channel.send(b"".join(frames))

    def _is_due(self, kept: Kept) -> bool:
        return self._is_leaving or kept.telling.due() <= time.monotonic()

    def _hold(self, session_id: str) -> list[bytes]:
        self._held.add(session_id)
        return []

    def _patience(self) -> float | None:
        """Seconds until something that is held back must be told; None when nothing is."""
        due = [self._kept[session_id].telling.due() for session_id in self._held]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _take_stirred(self) -> set[str]:
        """With those that were held back."""
        found, self._held = self._held, set()
        while not self._stirred.empty():
            found.add(self._stirred.get())
        return found

    def _frames_of(self, kept: Kept) -> list[bytes]:
        kept.telling.begin(time.monotonic())
        frames, told = [], kept.unreported()
        for entry, event in told:
            kept.reported = entry.seq
            if _is_final(event):
                threading.Thread(target=self._let_go, args=(kept,), daemon=True).start()
            # What means nothing to the worker still has to be acknowledged by it, in its place in the order.
            frames.append(wire.encode(port.Report(kept.device.session_id, event or port.Alive(), seq=entry.seq)))
        if len(told) == BATCH:
            # Nobody knows what else there is.
            self._hear_of(kept.device.session_id, is_answer=False)
        return frames

    def _let_go(self, kept: Kept) -> None:
        """Nothing more is done for it here, so that another host may have it while this one lives on with others."""
        self._started.wait()
        if not kept.device.ended:
            kept.device.disconnect()
        kept.is_released = True
        if lock := self._locks.pop(kept.device.session_id, None):
            lock.close()

    def _beat(self) -> None:
        """Signs of life; more of them after a start, when the profile's name is about to come (`engine.evidence`)."""
        self._started.wait()
        while True:
            time.sleep(GLANCE_SECONDS)
            for session_id, kept in list(self._kept.items()):
                if not kept.is_released:
                    with contextlib.suppress(sqlite3.Error):
                        kept.judge()
                if kept.device.is_connected:
                    kept.device.lapse()
                    lives = kept.vouch()
                    if lives and (kept.glances < EAGER_GLANCES or kept.glances % GLANCES_A_HEARTBEAT == 0):
                        self._tell(session_id, port.Alive())
                    kept.glances += 1

    def _watch_the_term(self) -> None:
        """The worker has not been able to prolong it: somebody else may be about to connect these devices."""
        while since_boot() < self._until:
            time.sleep(TERM_LOOK_SECONDS)
        log.error("the worker has not renewed its lease in time; leaving")
        self._channel.stop_receiving()

    # -- in ------------------------------------------------------------------------------------------------------
    def _mind_the_worker(self) -> None:
        """A worker that was stopped and not ended holds the socket open, while another one wants our sessions."""
        while self._silent_looks < wire.SILENT_LOOKS:
            self._silent_looks += 1
            time.sleep(wire.LOOK_SECONDS)
        log.warning("nothing was heard of the worker, leaving")
        self._channel.hang_up()

    def _obey(self) -> None:
        while (frame := self._channel.receive()) is not None and not isinstance(frame, wire.End):
            self._silent_looks = 0
            if isinstance(frame, wire.Order):
                self._carry_out(frame)
            elif isinstance(frame, wire.Acknowledge) and (kept := self._kept.get(frame.session_id)):
                kept.let_go(frame.seq)
            elif isinstance(frame, wire.Look) and (kept := self._kept.get(frame.session_id)):
                kept.ledger.look(frame.place)
            elif isinstance(frame, wire.KeepOn):
                self._until = frame.until

    def _carry_out(self, order: wire.Order) -> None:
        kept = self._kept.get(order.session_id)
        if kept is None:
            return
        action = self._action(kept, order.command)
        if isinstance(order.command, _ONE_AFTER_ANOTHER):
            kept.telling.note_ordered()
            kept.orders.put(Ordered(order.command, lambda: self._when_started(action)))
        else:
            # A send may wait for its answer for over a minute; leaving and linking do not queue behind it.
            threading.Thread(target=self._when_started, args=(action,), daemon=True).start()

    def _when_started(self, action: Callable[[], None]) -> None:
        # No call of any kind may meet a start.
        self._started.wait()
        try:
            action()
        except Exception:
            log.exception("an order failed")

    def _action(self, kept: Kept, command: port.Command) -> Callable[[], None]:
        device = kept.device
        match command:
            case port.SendText():
                return lambda: device.send(command)
            case port.SendReaction():
                return lambda: device.react(command)
            case port.SendTyping() | port.BePresent():
                return _unless_late(lambda: _show_presence(device, command))
            case port.RequestCode(phone=phone):
                return lambda: device.request_code(phone)
            case port.MarkRead():
                return lambda: device.mark_read(command)
            case port.Logout():
                return device.logout
            case port.Disconnect():
                return lambda: self._disconnect(device)

    def _disconnect(self, device: neonize.LinkedDevice) -> None:
        device.disconnect()
        time.sleep(QUIET_SECONDS)
        device.note(port.ConnectionLost("disconnected on request", retrying=False))

    # -- end -----------------------------------------------------------------------------------------------------
    def _leave(self) -> None:
        """Disconnect everything, wait until the engine has told all it had, send that, and go."""
        hasten = threading.Timer(LEAVE_SECONDS, neonize.leave)
        hasten.daemon = True
        hasten.start()
        self._is_leaving = True
        self._news.set()
        # Not before the last start is through: no call may meet a start.
        self._started.wait()
        for kept in self._kept.values():
            if not kept.device.ended:
                kept.device.disconnect()
        self._wait_for_quiet()
        if self._judge_all():
            self._wait_for_quiet()
        for kept in self._kept.values():
            kept.leave()
        neonize.leave()

    def _judge_all(self) -> bool:
        """Whatever came again must be judged now: nothing more is on its way. Says whether there was anything."""
        again = [kept for kept in self._kept.values() if kept.came_again and not kept.is_released]
        for kept in again:
            with contextlib.suppress(sqlite3.Error):
                kept.judge(patience=0.0)
        return bool(again)

    def _wait_for_quiet(self) -> None:
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            before = [kept.reported for kept in self._kept.values()]
            time.sleep(0.05)
            if before != [kept.reported for kept in self._kept.values()] or self._news.is_set():
                quiet_since = time.monotonic()


def main() -> None:
    # The worker says when to leave, or is gone, which the socket tells. A signal to the whole group says it too early.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    # Callbacks come on Go's threads; the default of 5 ms lets one busy thread delay them all.
    sys.setswitchinterval(0.0002)
    neonize.quieten()
    birth = channel.receive()
    if not isinstance(birth, wire.Birth):
        neonize.leave()
        return
    if birth.root_key:
        from sandbox.trust import trust_root  # only where a session is on the sandbox

        trust_root(bytes.fromhex(birth.root_key))
    Host(channel, birth).run()


if __name__ == "__main__":
    main()
