"""Whom the chaos may end: what runs below the process that it was given, and nobody else."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from faults.chaos import Chaos, sessions_of, targets
from faults.plan import Deed
from faults.receiver import Receiver
from tests.waiting import eventually

#: Ends when its standard input does; its name is among its arguments, as those of the product's processes are.
SLEEPER = "import sys; print(flush=True); sys.stdin.read()"
#: The same with a child of the name, and hands its own input on.
PARENT = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]]); print(flush=True); child.wait()"
)


def started(*arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def ours() -> Iterator[subprocess.Popen[bytes]]:
    """A run with one "worker" below it."""
    with started(PARENT, "runsessions", SLEEPER) as process:
        eventually(lambda: targets(process.pid, "worker"), what="a worker")
        yield process


@pytest.fixture
def strangers() -> Iterator[subprocess.Popen[bytes]]:
    """A "worker" that somebody else runs."""
    with started(SLEEPER, "runsessions") as process:
        yield process


def test_only_what_runs_below_the_product_is_ended(
    ours: subprocess.Popen[bytes], strangers: subprocess.Popen[bytes]
) -> None:
    receiver = Receiver()
    with httpx.Client() as nobody:
        chaos = Chaos(ours.pid, nobody, receiver, [], threading.Event())
        [pid] = targets(ours.pid, "worker")
        chaos.run([Deed(0.0, "worker", 0.99, 0.0)], 0.0)
    receiver.stop()

    assert ours.wait(10) == 0, "its parent saw it end"
    assert [kill.kind for kill in chaos.kills] == ["worker"]
    assert pid != strangers.pid
    assert strangers.poll() is None


def test_who_is_not_there_is_missed_and_nothing_else_is_ended(strangers: subprocess.Popen[bytes]) -> None:
    receiver, ended = Receiver(), threading.Event()
    ended.set()
    with httpx.Client() as nobody:
        chaos = Chaos(strangers.pid, nobody, receiver, [], ended)
        chaos._kill(Deed(0.0, "web", 0.0, 0.0))
    receiver.stop()

    assert (chaos.kills, chaos.missed) == ([], ["web"])
    assert strangers.poll() is None


def test_a_host_is_known_by_the_journals_that_it_has_open(tmp_path: Path) -> None:
    folder = tmp_path / "session-1"
    folder.mkdir()
    opening = "import sys; held = open(sys.argv[1], 'w'); print(flush=True); sys.stdin.read()"

    with started(opening, str(folder / "journal.db")) as process:
        assert sessions_of(process.pid) == {"session-1"}
