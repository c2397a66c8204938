"""The watchdog of a run: when the runner is gone, however it went, everything that it started goes too.

It reads `+pid` and `-pid` lines from a pipe that only the runner writes to. The end of the pipe is the end of
the runner. It holds the folder's lock as well, so the next run begins after it has cleared up.
"""

import os
import subprocess
import sys
from pathlib import Path

from config.stack.processes import end, marked

ROOT = Path(__file__).resolve().parent.parent.parent
#: The longest grace of a service in an ordinary stop; the kernel has told the children already.
GRACE_SECONDS = 15
LEFTOVERS_SECONDS = 3


class Guard:
    """The runner's side: a watchdog that is told what lives."""

    def __init__(self, mark: str, lock: int) -> None:
        self._mark, self._lock = mark, lock
        self._living: set[int] = set()
        self.start()

    def start(self) -> None:
        reading, self._pipe = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "config.stack.guard", str(reading), self._mark],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=(reading, self._lock),
            start_new_session=True,
        )
        os.close(reading)
        self._write("".join(f"+{pid}\n" for pid in self._living))

    def is_running(self) -> bool:
        return self._process.poll() is None

    def restart_if_dead(self) -> None:
        if not self.is_running():
            os.close(self._pipe)
            self.start()

    def born(self, pid: int) -> None:
        self._living.add(pid)
        self._write(f"+{pid}\n")

    def gone(self, pid: int) -> None:
        self._living.discard(pid)
        self._write(f"-{pid}\n")

    def dismiss(self) -> None:
        """Let it look round a last time, and wait for it."""
        os.close(self._pipe)
        self._process.wait()

    def _write(self, lines: str) -> None:
        try:
            os.write(self._pipe, lines.encode())
        except BrokenPipeError:
            return  # killed; restart_if_dead tells its successor everything


def main(pipe: int, mark: str) -> None:
    """Wait for the runner's end, then end its children, and after them the children of its children."""
    living: set[int] = set()
    with os.fdopen(pipe) as lines:
        for line in lines:
            (living.add if line[0] == "+" else living.discard)(int(line[1:]))
    if sys.platform == "linux":
        living &= marked(mark)  # a number may belong to a stranger by now
    end(living, GRACE_SECONDS)
    end(marked(mark), LEFTOVERS_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
