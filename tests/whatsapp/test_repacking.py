"""Hosts of single sessions become shared ones, by themselves at quiet times or by an operator's wish: nobody scans."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from fleet import leases
from fleet.leases import WorkerGone
from fleet.models import Network, Placement
from fleet.reasons import Reason
from fleet.states import State
from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import Harbour, WorkerThread, _numbers
from whatsapp.models import Message, MessageStatus
from whatsapp.services import sessions
from whatsapp.worker import hosts, repacking, run
from whatsapp.worker.repacking import Policy
from whatsapp.worker.run import Limits

BOB = "4915550000099"
QUICK = 0.1
NEVER, SOON = Policy(0.0), Policy(0.5)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TICK_SECONDS", QUICK)
    monkeypatch.setattr(repacking, "LOOK_SECONDS", QUICK)
    monkeypatch.setattr(repacking, "ASKED_QUIET_SECONDS", 0.0)


@pytest.fixture
def dock(live_companies: tuple[Company, Company], tmp_path: Path, settings: Settings) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


def linked_one_by_one(dock: Dock, count: int) -> list[str]:
    ids = [dock.fresh(f"Desk {number}") for number in range(count)]
    for session_id in ids:
        dock.qr(session_id)
        dock.engine.phone_scans(session_id, str(next(_numbers)))
        dock.shows(session_id, State.CONNECTED)
    return ids


def hosts_of(worker: WorkerThread, ids: list[str]) -> set[int]:
    pids = worker.host_pids()
    return {pids[each] for each in ids} if set(ids) <= pids.keys() else set()


def ask(session_id: str) -> None:
    owner = Placement.objects.get(pk=session_id).owner_id
    assert owner is not None
    leases.ask_to_repack(owner)


# -- the rules, with an engine in memory -----------------------------------------------------------------------------
def test_sessions_linked_one_by_one_come_to_share_a_host_and_nothing_is_said_to_be_wrong(dock: Dock) -> None:
    worker = dock.work(repack=SOON)
    ids = linked_one_by_one(dock, 3)

    eventually(lambda: len(hosts_of(worker, ids)) == 1, what="they share one")

    for session_id in ids:
        dock.shows(session_id, State.CONNECTED)
        history = dock.history(session_id)
        moved = history.index("connected>connecting:repacked")
        assert history[moved + 1] == "connecting>connected:"
        assert not [line for line in history[moved:] if line.endswith((Reason.HOST_DIED, Reason.WAITING_FOR_SCAN))]
        assert Placement.objects.get(pk=session_id).attempts == 0


def test_nothing_is_merged_twice_or_where_there_is_nothing_to_gain(dock: Dock) -> None:
    worker = dock.work(repack=SOON, sessions_per_host=2)
    ids = linked_one_by_one(dock, 4)
    eventually(lambda: len(hosts_of(worker, ids)) == 2, what="two share one")
    for session_id in ids:
        dock.shows(session_id, State.CONNECTED)

    eventually(lambda: len(dock.engine.started) == 6, what="four links and two merged hosts")
    # Nothing more is to happen, which no condition shows.
    threading.Event().wait(1.0)

    assert len(dock.engine.started) == 6


def test_a_session_with_something_under_way_keeps_its_host(dock: Dock) -> None:
    worker = dock.work(repack=NEVER)
    ids = linked_one_by_one(dock, 3)
    dock.engine.withholds_answers = True
    (message_id,) = dock.texts(ids[0], BOB, "Not answered yet")
    eventually(lambda: dock.engine.sent, what="it is under way")
    busy = worker.host_pids()[ids[0]]

    ask(ids[0])
    eventually(lambda: len(hosts_of(worker, ids[1:])) == 1, what="the others share one")

    assert worker.host_pids()[ids[0]] == busy
    assert "connected>connecting:repacked" not in dock.history(ids[0])
    assert dock.message(message_id).status == MessageStatus.SENT


def test_a_session_that_waits_for_a_scan_or_does_not_answer_is_left_alone(dock: Dock) -> None:
    worker = dock.work(repack=NEVER)
    ids = linked_one_by_one(dock, 3)
    waiting = dock.fresh("Not linked")
    dock.qr(waiting)
    dock.engine.goes_silent(ids[0])
    dock.shows(ids[0], State.DEGRADED)
    before = {each: worker.host_pids()[each] for each in (waiting, ids[0])}

    ask(ids[1])
    eventually(lambda: len(hosts_of(worker, ids[1:])) == 1, what="the others share one")

    assert {each: worker.host_pids()[each] for each in before} == before


def test_sessions_of_two_networks_never_share_a_host(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "access_to", lambda network: None)
    worker = dock.work(repack=NEVER)
    real = linked_one_by_one(dock, 2)
    other = dock.fresh("Sandbox", network=Network.SANDBOX)
    dock.qr(other)
    dock.engine.phone_scans(other, str(next(_numbers)))
    dock.shows(other, State.CONNECTED)

    ask(other)
    eventually(lambda: len(hosts_of(worker, real)) == 1, what="two share one")

    assert len(hosts_of(worker, [*real, other])) == 2


def test_what_is_sent_while_sessions_move_leaves_once_they_are_back(dock: Dock) -> None:
    worker = dock.work(repack=NEVER)
    ids = linked_one_by_one(dock, 2)
    dock.engine.is_slow_to_leave = True

    ask(ids[0])
    dock.shows(ids[0], State.CONNECTING, Reason.REPACKED)
    sent = dock.texts(ids[0], BOB, "One", "Two")
    dock.engine.contact_writes(ids[0], BOB, "Meanwhile")
    dock.received("Meanwhile")
    assert dock.engine.sent == []
    dock.engine.is_slow_to_leave = False

    for message_id in sent:
        dock.becomes(message_id, MessageStatus.SERVER_ACK)
    assert [order.text for order in dock.engine.sent] == ["One", "Two"]
    assert len(hosts_of(worker, ids)) == 1


def test_a_pause_in_the_middle_of_it_is_kept_to(dock: Dock) -> None:
    dock.work(repack=NEVER)
    ids = linked_one_by_one(dock, 2)
    dock.engine.is_slow_to_leave = True

    ask(ids[0])
    dock.shows(ids[0], State.CONNECTING, Reason.REPACKED)
    dock.do(sessions.pause, ids[0])
    dock.engine.is_slow_to_leave = False

    dock.shows(ids[0], State.STOPPED, Reason.PAUSED)
    dock.shows(ids[1], State.CONNECTED)
    assert not dock.engine.is_online(ids[0])


def test_a_worker_that_stops_in_the_middle_of_it_hands_over_as_ever(dock: Dock) -> None:
    first = dock.work(repack=NEVER)
    ids = linked_one_by_one(dock, 2)
    dock.engine.is_slow_to_leave = True
    ask(ids[0])
    dock.shows(ids[0], State.CONNECTING, Reason.REPACKED)

    threading.Timer(QUICK, setattr, (dock.engine, "is_slow_to_leave", False)).start()
    first.stop()
    dock.work()

    for session_id in ids:
        dock.shows(session_id, State.CONNECTED)


def test_a_host_that_cannot_be_started_then_is_tried_again(dock: Dock) -> None:
    worker = dock.work(repack=NEVER)
    ids = linked_one_by_one(dock, 2)
    dock.engine.cannot_start = True

    ask(ids[0])
    for session_id in ids:
        dock.shows(session_id, State.CONNECTING, Reason.SPAWN_FAILED)
    dock.engine.cannot_start = False

    eventually(lambda: hosts_of(worker, ids), what="they are back")
    for session_id in ids:
        dock.shows(session_id, State.CONNECTED)


def test_who_is_gone_cannot_be_asked(dock: Dock) -> None:
    worker = dock.work()
    session_id = dock.connected()
    owner = Placement.objects.get(pk=session_id).owner_id
    assert owner is not None
    worker.stop()

    with pytest.raises(WorkerGone):
        leases.ask_to_repack(owner)


# -- real hosts ------------------------------------------------------------------------------------------------------
@pytest.fixture
def harbour(live_companies: None, acme: Company, on_sandbox: SandboxThread, tmp_path: Path) -> Iterator[Harbour]:
    with Harbour.open(acme, on_sandbox, tmp_path) as running:
        running.worker.stop()
        limits = Limits(capacity=50, sessions_per_host=10, hold_back=0, repack=NEVER)
        running.worker = WorkerThread(tmp_path, limits=limits).start()
        yield running


class Talkative:
    """A phone that writes to others all the time; `said` is what, to each, in order."""

    def __init__(self, harbour: Harbour, to: list[Phone]) -> None:
        self._harbour, self._to = harbour, to
        self._bob = harbour.phone("Bob")
        self._stop = threading.Event()
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> "Talkative":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()

    def _talk(self) -> None:
        while not self._stop.wait(0.05):
            words = f"word {len(self.said)}"
            for phone in self._to:
                self._harbour.wa.send_text(self._bob, phone, f"{phone.number} {words}")
            self.said.append(words)


def stored(harbour: Harbour, session_id: str, phone: Phone) -> list[str]:
    rows = Message.objects.filter(session_id=session_id, body__startswith=phone.number).order_by("id")
    return [body.partition(" ")[2] for body in harbour.run(lambda: list(rows.values_list("body", flat=True)))]


def test_phones_write_while_their_sessions_move_and_all_of_it_arrives_once_and_in_order(harbour: Harbour) -> None:
    phones = [harbour.phone(f"Shop {number}") for number in range(4)]
    ids = [harbour.linked(phone, phone.name) for phone in phones]
    assert len(hosts_of(harbour.worker, ids)) == 4
    links = {each: len(harbour.history(each)) for each in ids}

    def moves(session_id: str) -> int | None:
        """How often it has moved; None while it is on its way, or if anything else happened."""
        since = harbour.history(session_id)[links[session_id] :]
        count = len(since) // 2
        return count if since == ["connected>connecting:repacked", "connecting>connected:"] * count else None

    with Talkative(harbour, phones) as bob:
        ask(ids[0])
        # Those that were quiet at that moment; one that was not keeps its own, for the others are not moved twice.
        eventually(lambda: len(hosts_of(harbour.worker, ids)) <= 2, within=90, what="they share one")
        for session_id in ids:
            harbour.shows(session_id, State.CONNECTED)
        before = len(bob.said)
        eventually(lambda: len(bob.said) > before + 10, what="they go on")

    for session_id, phone in zip(ids, phones, strict=True):
        eventually(lambda: len(stored(harbour, session_id, phone)) >= len(bob.said), what="all has come")  # noqa: B023
        assert stored(harbour, session_id, phone) == bob.said
        eventually(lambda: moves(session_id) is not None, what="it stands where it moved to")  # noqa: B023
    assert [bool(moves(session_id)) for session_id in ids].count(True) >= 2


def test_a_session_that_is_being_written_to_keeps_its_host(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repacking, "ASKED_QUIET_SECONDS", 3.0)
    phones = [harbour.phone(f"Shop {number}") for number in range(3)]
    ids = [harbour.linked(phone, phone.name) for phone in phones]
    host = harbour.worker.host_pids()[ids[0]]

    with Talkative(harbour, phones[:1]) as bob:
        eventually(lambda: len(bob.said) > 3, what="somebody writes")
        ask(ids[0])
        eventually(lambda: len(hosts_of(harbour.worker, ids[1:])) == 1, what="the quiet ones share one")
        assert harbour.worker.host_pids()[ids[0]] == host

    eventually(lambda: len(stored(harbour, ids[0], phones[0])) >= len(bob.said), what="all has come")
    assert "connected>connecting:repacked" not in harbour.history(ids[0])
