"""A worker that stands still without having ended: its hosts do not wait for it."""

import asyncio
from pathlib import Path

import pytest

from fleet.leases import LEASE
from sandbox.thread import SandboxThread
from tests.engine.test_contract import RealRig, birth, host_of, linked
from whatsapp.engine import port, wire
from whatsapp.engine.process import ProcessEngine


async def test_a_host_that_hears_nothing_of_its_worker_leaves_and_its_session_is_free(
    on_sandbox: SandboxThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = RealRig(ProcessEngine(tmp_path, warm=0), on_sandbox)
    monkeypatch.setattr(wire, "PRESENCE_SECONDS", 3600.0)

    async with host_of(rig, birth(tmp_path)) as silent:
        await linked(rig, silent)
        await silent.until(lambda: silent.has_ended)
        assert silent.host.exit_reason == "exit code 0"

        monkeypatch.undo()
        async with host_of(rig, birth(tmp_path)) as successor:
            await successor.hears(port.Connected)
            await rig.writes("s1", "Is anybody there?")
            await successor.hears(port.MessageReceived, text="Is anybody there?")


async def test_a_host_whose_worker_is_there_stays_however_little_it_is_told(
    on_sandbox: SandboxThread, tmp_path: Path
) -> None:
    rig = RealRig(ProcessEngine(tmp_path, warm=0), on_sandbox)

    async with host_of(rig, birth(tmp_path)) as kept:
        await linked(rig, kept)
        # Nothing is to happen, which no condition shows.
        await asyncio.sleep(wire.SILENT_LOOKS * wire.LOOK_SECONDS + wire.PRESENCE_SECONDS)
        await rig.writes("s1", "Still there?")
        await kept.hears(port.MessageReceived, text="Still there?")


def test_a_host_has_left_before_another_worker_may_take_its_sessions() -> None:
    # A signal of presence may just have come; then disconnecting, and a moment of quiet.
    patience = wire.PRESENCE_SECONDS + wire.SILENT_LOOKS * wire.LOOK_SECONDS + 1.5

    assert patience <= LEASE.total_seconds()
