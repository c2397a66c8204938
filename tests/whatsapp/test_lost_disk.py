"""A worker's machine is gone for good, and its numbers go on elsewhere: with the real engine, and real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import State
from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tenants.models import Company
from tests.product import ROOT
from tests.waiting import eventually
from tests.whatsapp.harbour import Harbour, WorkerThread
from wharf import metrics
from whatsapp.engine import device_store, journal
from whatsapp.models import DeviceSnapshot, Message, MessageStatus, Transition
from whatsapp.worker.run import Limits

LOST_AFTER = 300


class Machine:
    """A machine with a worker on it, which can lose its power."""

    def __init__(self, state_dir: Path, wa: SandboxThread) -> None:
        database = urlsplit(os.environ["WHARF_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        own = {
            "WHARF_DATABASE_URL": database.geturl(),
            "WHARF_STATE_DIR": str(state_dir),
            "WHARF_SANDBOX_URL": wa.url,
            "WHARF_SNAPSHOT_SECONDS": "10",
            "WHARF_LOST_DISK_SECONDS": str(LOST_AFTER),
        }
        with state_dir.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "runsessions"],
                cwd=ROOT,
                env=os.environ | own,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_stopped(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(60) == 0

    def worker_hangs(self) -> None:
        """Its hosts go on."""
        self._process.send_signal(signal.SIGSTOP)

    def loses_power(self) -> None:
        """Worker and hosts at once: nobody says goodbye."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Two(Harbour):
    """Two machines. `worker` is the second one's; the first one links the numbers."""

    first: Machine

    def second_begins(self, state_dir: Path) -> None:
        limits = Limits(capacity=50, sessions_per_host=10, hold_back=0, lost_after=LOST_AFTER)
        self.worker = WorkerThread(state_dir, limits=limits).start()
        eventually(lambda: Worker.objects.filter(pid=os.getpid(), stopped_at=None).exists(), what="it is registered")

    def time_goes_by(self) -> None:
        """In which nobody hears of the first, and the second is there."""
        long_ago = timezone.now() - timedelta(seconds=LOST_AFTER + 60)
        Worker.objects.exclude(pid=os.getpid()).update(lease_until=long_ago)
        Worker.objects.filter(pid=os.getpid()).update(unbroken_since=long_ago)

    @staticmethod
    def came_again() -> float:
        """How many messages came undecryptable, were asked for and came again, to workers of this process."""
        (family,) = metrics.MESSAGES_RECOVERED.collect()
        return family.samples[0].value

    def snapshot(self, session_id: str) -> DeviceSnapshot | None:
        return self.run(DeviceSnapshot.objects.filter(pk=session_id).first)

    def snapshot_since(self, session_id: str, moment: Any) -> DeviceSnapshot:
        def look() -> DeviceSnapshot | None:
            found = self.snapshot(session_id)
            return found if found and found.taken_at > moment else None

        return eventually(look, within=60, what="a snapshot")

    def talk(self, shop: Phone, session_id: str, who: Phone, *texts: str) -> None:
        """They write, and are answered."""
        for text in texts:
            self.wa.send_text(who, shop, text)
            self.received(text)
            self.becomes(self.sends(session_id, who, f"Yes: {text}"), MessageStatus.DELIVERED)


@pytest.fixture
def two(live_companies: None, acme: Company, on_sandbox: SandboxThread, tmp_path: Path) -> Iterator[Two]:
    Company.objects.filter(pk=acme.pk).update(sandbox_allowed=True, max_sessions=30)
    nothing: Any = None
    first = tmp_path / "first"
    first.mkdir(mode=0o700)
    machines = Two(acme, on_sandbox, tmp_path / "second", nothing)
    machines.first = Machine(first, on_sandbox)
    try:
        yield machines
    finally:
        machines.first.loses_power()
        if machines.worker:
            machines.worker.stop()


def test_a_number_goes_on_from_a_stale_snapshot_when_its_machine_is_gone(two: Two, tmp_path: Path) -> None:
    shop, bob, eve, new = (two.phone(name) for name in ("Shop", "Bob", "Eve", "Newcomer"))
    session_id = two.linked(shop)
    two.talk(shop, session_id, bob, "Before the snapshot")
    moment = timezone.now()
    # A store that does not change after the moment has no snapshot that is younger.
    two.talk(shop, session_id, bob, "One more, which makes it due")
    stale = two.snapshot_since(session_id, moment)
    two.second_begins(tmp_path / "second")
    two.talk(shop, session_id, bob, *(f"After it {number}" for number in range(5)))
    two.talk(shop, session_id, eve, "Unknown to the snapshot")
    unanswered = two.run(Message.objects.filter(status=MessageStatus.SENT).count)
    before = two.came_again()

    two.first.loses_power()
    # As if it had been the last one.
    two.run(lambda: stale.save(force_update=True))
    away = {who.name: [f"While away {who.name} {number}" for number in range(3)] for who in (bob, eve, new)}
    for who in (bob, eve, new):
        for text in away[who.name]:
            two.wa.send_text(who, shop, text)
    assert Placement.objects.get(pk=session_id).store_id == stale.store_id
    two.time_goes_by()

    eventually(lambda: Placement.objects.get(pk=session_id).store_id != stale.store_id, what="it has moved")
    two.shows(session_id, State.CONNECTED)
    for texts in away.values():
        for text in texts:
            assert two.received(text).kind == "text"
    two.talk(shop, session_id, bob, "Are you back?")
    two.talk(shop, session_id, eve, "And for me?")
    two.talk(shop, session_id, new, "And for me, too?")

    history = two.history(session_id)
    assert sum(Reason.WAITING_FOR_SCAN in line for line in history) == 1, "linked once, by the first machine"
    moved = two.run(Transition.objects.filter(reason=Reason.FROM_SNAPSHOT).get)
    assert moved.detail == f"from a snapshot of {stale.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    assert (unanswered, two.run(Message.objects.filter(status=MessageStatus.UNCONFIRMED).count)) == (0, 0)
    for who in (bob, eve, new):
        told = [message.text for message in who.inbox]
        assert len(told) == len(set(told)), "nothing came twice"
    assert two.came_again() > before, "else the snapshot was not stale"
    assert not two.run(Message.objects.filter(status=MessageStatus.UNREADABLE).exists)


def test_what_a_lost_disk_had_received_and_not_stored_is_told_when_it_comes_back(two: Two, tmp_path: Path) -> None:
    shop, bob = two.phone("Shop"), two.phone("Bob")
    session_id = two.linked(shop)
    two.talk(shop, session_id, bob, "Before")
    old = two.snapshot_since(session_id, timezone.now() - timedelta(minutes=1)).store_id
    folder = device_store.folder_of(tmp_path / "first", session_id)
    two.first.worker_hangs()
    for number in range(3):
        two.wa.send_text(bob, shop, f"Received and not stored {number}")
    eventually(lambda: journal.waiting_in(folder) >= 3, what="they are in the journal")
    two.first.loses_power()
    two.second_begins(tmp_path / "second")
    two.time_goes_by()
    eventually(lambda: Placement.objects.get(pk=session_id).store_id != old, what="it has moved")
    two.shows(session_id, State.CONNECTED)
    two.talk(shop, session_id, bob, "Elsewhere by now")
    stored = Message.objects.filter(body__startswith="Received and not stored")
    assert not two.run(stored.exists), "WhatsApp was told that they had arrived"
    placement = Placement.objects.get(pk=session_id)

    two.first = Machine(tmp_path / "first", two.wa)
    eventually(lambda: two.run(stored.count) == 3, what="they are told")

    eventually(lambda: journal.waiting_in(folder) == 0, what="nothing is left there")
    after = Placement.objects.get(pk=session_id)
    assert (after.owner_id, after.fence, after.state) == (placement.owner_id, placement.fence, State.CONNECTED)
    two.talk(shop, session_id, bob, "Not disturbed")


def test_hosts_of_a_worker_that_hangs_leave_before_others_may_connect(
    live_companies: None, acme: Company, on_sandbox: SandboxThread, tmp_path: Path
) -> None:
    with Harbour.open(acme, on_sandbox, tmp_path, Limits(hold_back=0, lost_after=10)) as harbour:
        shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
        session_id = harbour.linked(shop)
        pid = harbour.worker.host_pids()[session_id]

        with harbour.worker.frozen():
            eventually(lambda: is_gone(pid), what="the host is gone")
            harbour.wa.send_text(bob, shop, "While it hung")

        harbour.received("While it hung")
        harbour.shows(session_id, State.CONNECTED)
        # Which of the two it notices first depends on whether its lease has just run out or is about to.
        told = {f"connected>connecting:{reason}" for reason in (Reason.WORKER_SILENT, Reason.HOST_DIED)}
        assert told & set(harbour.history(session_id))


def is_gone(pid: int) -> bool:
    """Whoever is waited for by nobody yet is gone all the same."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_nothing_has_to_be_sent_again_after_a_planned_end(two: Two, tmp_path: Path) -> None:
    shop, bob = two.phone("Shop"), two.phone("Bob")
    session_id = two.linked(shop)
    two.snapshot_since(session_id, timezone.now() - timedelta(minutes=1))
    two.talk(shop, session_id, bob, *(f"Every day {number}" for number in range(3)))
    before = two.came_again()
    two.second_begins(tmp_path / "second")

    two.first.is_stopped()
    two.wa.send_text(bob, shop, "While away")
    two.time_goes_by()
    two.received("While away")
    two.talk(shop, session_id, bob, "Are you back?")

    assert two.came_again() == before
    assert len(bob.inbox) == 4
