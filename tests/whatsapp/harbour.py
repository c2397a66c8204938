"""A company on the sandbox with a real worker beside it, in words that tests can read aloud."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from accounts.permissions import SYSTEM
from fleet.models import Network, Placement
from fleet.states import State
from sandbox.server.pairing import PairingRefused
from sandbox.thread import SandboxThread
from sandbox.world.faults import LoginFailure
from sandbox.world.phone import Phone
from tenants.context import run_in
from tenants.models import Company
from tests.waiting import eventually
from whatsapp.engine import port
from whatsapp.engine.process import ProcessEngine
from whatsapp.models import Message, Session, Transition
from whatsapp.services import outbound, sessions
from whatsapp.worker.identity import take_identity
from whatsapp.worker.run import Limits, Worker

T = TypeVar("T")


#: Each test's phones are new ones.
_numbers = iter(range(4915550000001, 4915559999999))


class WorkerThread:
    """A worker in a loop of its own. `stop` hands over; while it is `frozen` it does nothing, as if it had no CPU."""

    def __init__(self, state_dir: Path, engine: port.Engine | None = None, limits: Limits | None = None) -> None:
        self._state_dir = state_dir
        self._engine = engine
        self._limits = limits or Limits(capacity=50, sessions_per_host=10, hold_back=0)
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._main, name="worker", daemon=True)
        self.worker: Worker | None = None

    def start(self) -> "WorkerThread":
        self._thread.start()
        eventually(lambda: self.worker and self.worker._row, what="the worker is known")
        return self

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        identity = take_identity(self._state_dir)
        # No host in reserve: it would be started for every test, and used by hardly any.
        engine = self._engine or ProcessEngine(self._state_dir, warm=0)
        self.worker = Worker(engine=engine, state_dir=self._state_dir, identity=identity, limits=self._limits)
        try:
            await self.worker.run(self._stop)
        finally:
            identity.give_back()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(60)
            assert not self._thread.is_alive(), "the worker did not stop"

    @contextmanager
    def frozen(self) -> Iterator[None]:
        stands_still, thawed = threading.Event(), threading.Event()

        def stand_still() -> None:
            stands_still.set()
            thawed.wait(120)

        self._loop.call_soon_threadsafe(stand_still)
        assert stands_still.wait(60), "the worker did not come to rest"
        try:
            yield
        finally:
            thawed.set()

    def host_pids(self) -> dict[str, int]:
        """The host process of each session that has one."""
        assert self.worker is not None
        return self.worker.host_pids()


@dataclass
class Harbour:
    company: Company
    wa: SandboxThread
    state_dir: Path
    worker: WorkerThread

    @classmethod
    @contextmanager
    def open(
        cls, company: Company, wa: SandboxThread, state_dir: Path, limits: Limits | None = None
    ) -> Iterator["Harbour"]:
        Company.objects.filter(pk=company.pk).update(sandbox_allowed=True, max_sessions=30)
        harbour = cls(company, wa, state_dir, WorkerThread(state_dir, limits=limits).start())
        try:
            yield harbour
        finally:
            harbour.worker.stop()

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return run_in(self.company, function, *args, **kwargs)

    def restart_worker(self) -> None:
        self.worker.stop()
        self.worker = WorkerThread(self.state_dir).start()

    # -- people ---------------------------------------------------------------------------------------------------
    def phone(self, name: str = "Shop") -> Phone:
        return self.wa.phone(str(next(_numbers)), name)

    def new_session(self, name: str) -> str:
        session = self.run(sessions.create, company=self.company, by=SYSTEM, name=name, network=Network.SANDBOX)
        return session.pk

    def linked(self, phone: Phone, name: str = "Front desk") -> str:
        """A session that `phone` has been linked to."""
        session_id = self.new_session(name)
        self.wa.scan(phone, self.qr(session_id))
        self.shows(session_id, State.CONNECTED)
        return session_id

    def do(self, verb: Callable[..., Session], session_id: str, **kwargs: Any) -> Session:
        return self.run(verb, company=self.company, session_id=session_id, by=SYSTEM, **kwargs)

    def sends(self, session_id: str, to: Phone, text: str) -> str:
        row = self.run(
            outbound.queue_text, company=self.company, session_id=session_id, text=text, phone=to.number, by=SYSTEM
        )
        return row.pk

    def scan_broken(self, phone: Phone, session_id: str) -> bool:
        """A scan with a signature that the engine refuses; True when the phone was told so."""
        try:
            self.wa.scan(phone, self.qr(session_id), "hmac")
        except PairingRefused:
            return True
        return False

    def ban(self, phone: Phone, *, seconds: int) -> None:
        """WhatsApp bans the number; the connection is cut, and the next log-in says why."""
        self.wa.faults.login_failures[phone.number] = LoginFailure("402", code="101", expire=str(seconds))
        self.wa.drop(phone)

    # -- what is to be seen ---------------------------------------------------------------------------------------
    def session(self, session_id: str) -> Session:
        return self.run(Session.objects.with_placement().get, pk=session_id)

    def qr(self, session_id: str) -> str:
        return eventually(lambda: self.session(session_id).current_qr, what="a QR code is on show")

    def code(self, session_id: str) -> str:
        return eventually(lambda: self.session(session_id).current_code, what="a pairing code is on show")

    def shows(self, session_id: str, state: State, reason: str | None = None) -> Placement:
        def look() -> Placement | None:
            placement = Placement.objects.select_related("owner").get(pk=session_id)
            fits = placement.state == state and reason in (None, placement.reason)
            return placement if fits else None

        return eventually(look, what=f"{state} {reason or ''}; history: {self.history(session_id)}")

    def history(self, session_id: str) -> list[str]:
        rows = self.run(lambda: list(Transition.objects.filter(session_id=session_id).order_by("id")))
        return [f"{row.before}>{row.after}:{row.reason}" for row in rows]

    def noted(self, session_id: str, words: str) -> None:
        """The history holds these words of the engine or the system."""
        rows = Transition.objects.filter(session_id=session_id, detail__contains=words)
        eventually(lambda: self.run(rows.all().exists), what=f"{words} in the history")

    def message(self, message_id: str) -> Message:
        return self.run(Message.objects.select_related("chat__contact").get, pk=message_id)

    def becomes(self, message_id: str, *statuses: str) -> Message:
        """The message once it has one of these."""
        return eventually(
            lambda: row if (row := self.message(message_id)).status in statuses else None,
            what=f"message {' or '.join(statuses)}",
        )

    def received(self, text: str) -> Message:
        rows = Message.objects.select_related("chat__contact", "sender").filter(body=text)
        return eventually(lambda: self.run(rows.all().first), what=f"{text!r} is stored")
