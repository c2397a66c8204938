"""Whatever goes wrong, the keys of a linked device stay: only a person's order to unlink erases them (seed row 112)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from fleet.reasons import Reason
from fleet.states import State
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.dock import Dock
from whatsapp.engine import device_store, port
from whatsapp.services import reports, sessions
from whatsapp.worker import run, storing


@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(storing, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(reports, "BACKOFF", (0.01, 0.02))
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


def keys(dock: Dock, session_id: str) -> bytes:
    return (device_store.folder_of(dock.state_dir, session_id) / device_store.DEVICE_FILE).read_bytes()


def deaths(dock: Dock, session_id: str) -> int:
    return sum(line.endswith(Reason.HOST_DIED) for line in dock.history(session_id))


def at_peace(dock: Dock, session_id: str) -> None:
    eventually(lambda: dock.placement(session_id).owner_id is None, what="the worker let go")


@pytest.mark.parametrize("ending", sorted(port.Ending))
def test_no_ending_of_a_connection_erases_keys(dock: Dock, ending: port.Ending) -> None:
    dock.work()
    session_id = dock.connected()
    before = keys(dock, session_id)

    dock.engine.ends(session_id, port.Ended(ending))
    at_peace(dock, session_id)

    assert keys(dock, session_id) == before


def test_a_hundred_cuts_keep_the_same_device(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    before, jid = keys(dock, session_id), dock.placement(session_id).device_jid

    for _ in range(100):
        dock.engine.network_drops(session_id)
        dock.engine.network_returns(session_id)
    dock.shows(session_id, State.CONNECTED)

    assert (keys(dock, session_id), dock.placement(session_id).device_jid) == (before, jid)


def test_hosts_that_die_again_and_again_cost_no_keys(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    before = keys(dock, session_id)

    for times in range(1, 6):
        dock.engine.host_dies(session_id)
        eventually(lambda times=times: deaths(dock, session_id) == times, what="the loss is noticed")  # type: ignore[misc]
        dock.shows(session_id, State.CONNECTED)

    assert keys(dock, session_id) == before


def test_a_network_that_stays_away_costs_no_keys(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    before, jid = keys(dock, session_id), dock.placement(session_id).device_jid
    dock.engine.cannot_start = True
    dock.engine.host_dies(session_id)

    eventually(lambda: dock.placement(session_id).attempts >= 5, what="it was tried five times")
    assert (keys(dock, session_id), dock.placement(session_id).device_jid) == (before, jid)
    dock.engine.cannot_start = False

    dock.shows(session_id, State.CONNECTED)


def test_pausing_costs_no_keys(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    before = keys(dock, session_id)

    dock.do(sessions.pause, session_id)
    dock.shows(session_id, State.STOPPED, Reason.PAUSED)
    at_peace(dock, session_id)

    assert keys(dock, session_id) == before


def test_a_persons_order_to_unlink_does_erase_them(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()

    dock.do(sessions.unlink, session_id)

    path = device_store.folder_of(dock.state_dir, session_id) / device_store.DEVICE_FILE
    eventually(lambda: not path.exists(), what="the keys are erased")
