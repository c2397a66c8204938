"""Real hosts that get, or say, what nobody can understand."""

import asyncio
import socket
from pathlib import Path

import pytest

from sandbox.thread import SandboxThread
from tests.engine import events
from tests.engine.test_contract import RealRig, birth, host_of, linked
from whatsapp.engine import device_store, port, wire
from whatsapp.engine.journal import Journal
from whatsapp.engine.process import HostProcess, ProcessEngine


@pytest.mark.parametrize(
    "nonsense",
    [
        (wire.MAX_FRAME + 1).to_bytes(wire.HEADER, "big"),
        b"\0\0\0\2{}",
        b"\0\0\0\7rubbish",
    ],
    ids=["too long", "no frame", "no JSON"],
)
async def test_a_host_that_talks_nonsense_is_ended_and_its_reports_with_it(nonsense: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        sleeper = await asyncio.create_subprocess_exec("sleep", "600", stderr=asyncio.subprocess.PIPE)
        host = HostProcess(sleeper, ours, None)
        await host.open()
        theirs.sendall(wire.encode(port.Report("s1", port.Alive())) + nonsense)

        told = [report async for report in host.reports()]

    assert told == [port.Report("s1", port.Alive())]
    assert host.exit_reason == "SIGKILL"


async def test_an_entry_that_means_nothing_holds_up_nothing(on_sandbox: SandboxThread, tmp_path: Path) -> None:
    journal = Journal(birth(tmp_path).folder / device_store.JOURNAL_FILE)
    poison = [journal.append(events.MESSAGE, b"\xff not a message"), journal.append(9999, b"nor this")]
    journal.close()
    rig = RealRig(ProcessEngine(tmp_path, warm=0), on_sandbox)

    async with host_of(rig, birth(tmp_path)) as host:
        for number in poison:
            await host.hears(port.Alive, ok=True)
            assert host.last_seq == number
        await linked(rig, host)
