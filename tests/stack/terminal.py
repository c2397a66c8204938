"""A terminal with a runner over stand-ins in it: what it shows, what lives because of it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from config.stack.places import short_name
from config.stack.processes import is_alive, marked, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.sandbox_port = free_port(), free_port()
        self._log = folder.with_suffix(".log")
        self._runner: subprocess.Popen[bytes] | None = None

    def starts(self) -> None:
        """A new run; what an earlier one showed is wiped."""
        command = [
            sys.executable,
            "-m",
            "tests.stack.stand_in",
            self.folder,
            self.port,
            self.sandbox_port,
        ]
        with self._log.open("wb") as log:
            self._runner = subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def runner(self) -> subprocess.Popen[bytes]:
        assert self._runner is not None
        return self._runner

    @property
    def text(self) -> str:
        return self._log.read_text()

    def shows(self, words: str) -> None:
        """Wait for `words`; fail with all that was shown instead."""
        wait_until(lambda: words in self.text or self.runner.poll() is not None, PATIENCE)
        assert words in self.text, self.text

    def is_up(self) -> None:
        self.shows("Ctrl-C stops everything")
        self.shows("host is up")
        self.shows("jobs is up")

    def ends(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the runner to end and return its exit code."""
        self.runner.send_signal(number)
        return self.runner.wait(PATIENCE)

    @property
    def run_number(self) -> int:
        """How many runs this database has seen, by the upgrade's word."""
        self.shows("run number ")
        return int(self.text.split("run number ")[1].split()[0])

    def is_killed(self) -> None:
        self.runner.kill()
        self.runner.wait()

    @property
    def guards(self) -> set[int]:
        needle = short_name(self.folder).encode()
        return {pid for pid, words in command_lines().items() if b"config.stack.guard" in words and needle in words}

    @property
    def processes(self) -> set[int]:
        """Whatever lives because of a run here; PostgreSQL's children wear no mark but work in its data."""
        return {pid for pid in marked(f"{short_name(self.folder)}.") | self._in_data() if is_alive(pid)} | self.guards

    def _in_data(self) -> set[int]:
        data = (self.folder / "stack" / "data").resolve()
        return {int(link.parent.name) for link in Path("/proc").glob("[0-9]*/cwd") if _target(link) == data}

    def leaves_nothing(self, seconds: float = PATIENCE) -> None:
        assert wait_until(lambda: not self.processes, seconds), self.describe(self.processes)

    def describe(self, pids: set[int]) -> str:
        lines = command_lines()
        return "\n".join(f"{pid}: {lines.get(pid, b'').replace(bytes(1), b' ').decode()}" for pid in pids)

    def clears_up(self) -> None:
        if self._runner is not None and self._runner.poll() is None:
            self.ends()
        self.leaves_nothing()
        for wish in ("broken", "crashes", "deaf", "unhurried"):
            (self.folder / wish).unlink(missing_ok=True)


def command_lines() -> dict[int, bytes]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found[int(entry.name)] = (entry / "cmdline").read_bytes()
        except OSError:
            continue
    return found


def _target(link: Path) -> Path | None:
    try:
        return Path(os.readlink(link))
    except OSError:
        return None
