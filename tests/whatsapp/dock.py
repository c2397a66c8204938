"""A company, workers with an engine in memory, and everything that can go wrong at will."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.permissions import SYSTEM
from fleet.models import Network, Placement
from fleet.states import State
from tenants.context import run_in
from tenants.models import Company
from tests.whatsapp.harbour import Harbour, WorkerThread, _numbers
from whatsapp.engine import device_store
from whatsapp.engine.fake import FakeEngine
from whatsapp.models import Transition
from whatsapp.services import linking, outbound, sessions
from whatsapp.worker import identity
from whatsapp.worker.run import Limits


class Dock(Harbour):
    """A harbour (its words for people and rows hold here too) without a sandbox: `engine` has the levers."""

    engine: FakeEngine
    workers: list[WorkerThread]

    @classmethod
    @contextmanager
    def made(cls, company: Company, state_dir: Path) -> Iterator["Dock"]:
        Company.objects.filter(pk=company.pk).update(sandbox_allowed=True, max_sessions=50)
        nothing: Any = None
        dock = cls(company, nothing, state_dir, nothing)
        dock.engine, dock.workers = FakeEngine(), []
        try:
            yield dock
        finally:
            for worker in dock.workers:
                worker.stop()

    def work(self, *, at: Path | None = None, **limits: Any) -> WorkerThread:
        """Another worker begins, `at` another disk if that is said."""
        wanted = Limits(**{"capacity": 50, "sessions_per_host": 10, "hold_back": 0, **limits})
        thread = WorkerThread(at or self.state_dir, self.engine, wanted).start()
        self.workers.append(thread)
        return thread

    # -- sessions --------------------------------------------------------------------------------------------------
    def fresh(self, name: str = "Front desk", network: str = Network.WHATSAPP) -> str:
        """Wanted, and not linked yet."""
        return self.run(sessions.create, company=self.company, by=SYSTEM, name=name, network=network).pk

    def linked_before(self, count: int, network: str = Network.WHATSAPP) -> list[str]:
        """Sessions that were linked in an earlier life, and are wanted."""
        return [self._linked_before(f"{network} {number}", network) for number in range(count)]

    def _linked_before(self, name: str, network: str) -> str:
        options = {"company": self.company, "by": SYSTEM, "name": name, "network": network, "start": False}
        session_id = self.run(sessions.create, **options).pk
        jid = f"{next(_numbers)}:1@s.whatsapp.net"
        self.engine.was_linked(session_id, self.folder(session_id), jid)
        self.run(self._attach, session_id, jid)
        self.do(sessions.start, session_id)
        return session_id

    @transaction.atomic
    def _attach(self, session_id: str, jid: str) -> None:
        store_id = identity._store_id(self.state_dir / "store-id")
        Placement.objects.filter(pk=session_id).update(device_jid=jid, store_id=store_id, state=State.STOPPED)
        linking.attach_account(self.session(session_id), jid)

    def connected(self) -> str:
        """One linked session that is online."""
        session_id = self.linked_before(1)[0]
        self.shows(session_id, State.CONNECTED)
        return session_id

    def folder(self, session_id: str) -> Path:
        return device_store.make_folder(self.state_dir, session_id)

    # -- what is to be seen ----------------------------------------------------------------------------------------
    def texts(self, session_id: str, number: str, *texts: str) -> list[str]:
        """Queued messages' ids."""
        options = {"company": self.company, "session_id": session_id, "phone": f"+{number}", "by": SYSTEM}
        return [self.run(outbound.queue_text, text=text, **options).pk for text in texts]

    def placement(self, session_id: str) -> Placement:
        return run_in(self.company, Placement.objects.get, pk=session_id)

    def transitions(self, session_id: str) -> list[Transition]:
        return self.run(lambda: list(Transition.objects.filter(session_id=session_id).order_by("id")))

    def owners(self) -> dict[str, int]:
        """How many sessions each worker owns."""
        names = list(Placement.objects.exclude(owner=None).values_list("owner__name", flat=True))
        return {name: names.count(name) for name in names}
