"""A worker that is stopped (SIGSTOP) and wakes up late, as real processes: it lost its sessions, and writes nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from bench.processes import by_kind
from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import State
from sandbox.thread import SandboxThread
from tenants.models import Company
from tests.product import ROOT
from tests.waiting import eventually
from tests.whatsapp.harbour import Harbour
from whatsapp.models import Message, Transition


class WorkerProcess:
    """`manage.py runsessions` on the test's database and sandbox."""

    def __init__(self, state_dir: Path, sandbox_url: str, log: Path) -> None:
        database = urlsplit(os.environ["WHARF_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        ours = {
            "WHARF_DATABASE_URL": database.geturl(),
            "WHARF_STATE_DIR": str(state_dir),
            "WHARF_SANDBOX_URL": sandbox_url,
        }
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runsessions"],
                cwd=ROOT,
                env=os.environ | ours,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        eventually(lambda: self.row, what=f"the worker is there\n{self.log()}")

    @property
    def row(self) -> Worker | None:
        return Worker.objects.filter(pid=self.process.pid).first()

    @property
    def id(self) -> str:
        assert self.row is not None
        return self.row.pk

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def host_pids(self) -> set[int]:
        return set(by_kind(self.process.pid)["host"])

    def ends(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def harbour(live_companies: None, acme: Company, on_sandbox: SandboxThread, tmp_path: Path) -> Iterator[Harbour]:
    """Acme on the sandbox, with a worker in this process that has gone by the time the others come."""
    with Harbour.open(acme, on_sandbox, tmp_path / "state") as running:
        yield running


@pytest.fixture
def start(harbour: Harbour, tmp_path: Path) -> Iterator[Callable[[], WorkerProcess]]:
    started: list[WorkerProcess] = []

    def one() -> WorkerProcess:
        log = tmp_path / f"worker {len(started)}.log"
        started.append(WorkerProcess(harbour.state_dir, harbour.wa.url, log))
        return started[-1]

    yield one
    for each in started:
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGCONT)
            each.ends(signal.SIGTERM)


def has_online(harbour: Harbour, worker: WorkerProcess, ids: list[str]) -> bool:
    """Connected by this very worker: a row may say so still of the one before."""
    by_it = Transition.objects.filter(session_id__in=ids, worker_id=worker.id, after=State.CONNECTED)
    placements = Placement.objects.filter(pk__in=ids, owner=worker.id, state=State.CONNECTED)
    return placements.count() == len(ids) == harbour.run(by_it.values("session_id").distinct().count)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_stopped_workers_sessions_are_taken_over_and_it_writes_nothing_when_it_wakes_up(
    harbour: Harbour, start: Callable[[], WorkerProcess]
) -> None:
    bob, shops = harbour.phone("Bob"), [harbour.phone(f"Shop {number}") for number in range(3)]
    ids = [harbour.linked(shop, shop.name) for shop in shops]
    harbour.worker.stop()
    first = start()
    eventually(lambda: has_online(harbour, first, ids), what=f"the first has them\n{first.log()}")
    hosts = {pid for pid in first.host_pids() if journals_of(pid)}
    second = start()

    first.process.send_signal(signal.SIGSTOP)
    harbour.wa.send_text(bob, shops[0], "While it was stopped")
    eventually(lambda: has_online(harbour, second, ids), within=15, what=f"the second has them online\n{second.log()}")
    harbour.received("While it was stopped")
    assert hosts
    # It is their parent that would have to bury them.
    assert all(not journals_of(pid) for pid in hosts), "nobody else has the sessions open"
    before = {row.pk for row in harbour.run(lambda: list(Transition.objects.all()))}

    first.process.send_signal(signal.SIGCONT)
    eventually(lambda: all(f"session {each} belongs to another" in first.log() for each in ids), what="it sees that")
    eventually(lambda: all(map(is_gone, hosts)), what="its old hosts are gone")
    for number, shop in enumerate(shops):
        harbour.wa.send_text(bob, shop, f"After all {number}")
        harbour.received(f"After all {number}")

    assert has_online(harbour, second, ids)
    assert set(Placement.objects.filter(pk__in=ids).values_list("fence", flat=True)) == {3}
    assert not [row for row in harbour.run(lambda: list(Transition.objects.all())) if row.pk not in before]
    assert not [line for each in ids for line in harbour.history(each) if line.endswith(Reason.STREAM_REPLACED)]
    assert harbour.run(Message.objects.filter(body="While it was stopped").count) == 1
    assert first.ends(signal.SIGTERM) == 0


def journals_of(pid: int) -> list[str]:
    """The sessions' files that a process has open."""
    try:
        opened = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []
    return [path for path in opened if path.endswith("journal.db")]


def test_a_worker_that_was_stopped_and_is_alone_brings_its_sessions_back(
    harbour: Harbour, start: Callable[[], WorkerProcess]
) -> None:
    bob, shop = harbour.phone("Bob"), harbour.phone("Shop")
    session_id = harbour.linked(shop)
    harbour.worker.stop()
    alone = start()
    eventually(lambda: has_online(harbour, alone, [session_id]), what="it is online")
    hosts = {pid for pid in alone.host_pids() if journals_of(pid)}

    alone.process.send_signal(signal.SIGSTOP)
    eventually(lambda: not any(map(journals_of, hosts)), what="its hosts do not wait for it")
    harbour.wa.send_text(bob, shop, "Anybody?")
    alone.process.send_signal(signal.SIGCONT)

    harbour.received("Anybody?")
    eventually(lambda: has_online(harbour, alone, [session_id]), what=f"it is back\n{alone.log()}")
    assert Placement.objects.get(pk=session_id).fence == 2, "nobody took it from anybody"
