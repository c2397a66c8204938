"""Starts processes that end with us, and ends processes for certain: politely first, then by SIGKILL."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

#: The environment variable by which the processes of one run are known, children of children included.
MARK = "STACK_MARK"
POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: int | IO[bytes],
    death_signal: signal.Signals = signal.SIGTERM,
    user: int | None = None,
    group: int | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; the kernel sends it `death_signal` when our main thread dies.

    Call it from the main thread alone: the kernel watches the *thread* that forked. Linux only; elsewhere
    nobody tells the child.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        pass_fds=tuple(keep),
        preexec_fn=_dying_with(os.getpid(), death_signal),
    )


def _dying_with(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    libc = _libc
    if libc is None:
        return None

    def arrange() -> None:
        # Runs after the change of user, which would clear the setting, and before exec, which keeps it.
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # the parent died before we had said that we care
            os._exit(1)

    return arrange


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the process that started us (make) dies."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def is_alive(pid: int) -> bool:
    """Whether `pid` still runs; one that ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return sys.platform != "linux" and _takes_signals(pid)
    return state not in "ZX"


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def marked(mark: str) -> set[int]:
    """Every living process, ourselves left out, whose mark begins with `mark`: children of children too."""
    needle = f"{MARK}={mark}".encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(variable.startswith(needle) for variable in variables):
            found.add(int(entry.name))
    return {pid for pid in found if pid != os.getpid() and is_alive(pid)}


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each of `pids`; those already gone are no matter."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(pids: Iterable[int], grace: float, first: signal.Signals = signal.SIGTERM) -> None:
    """End processes, children of ours or not: `first`, then SIGKILL for those alive after `grace` seconds."""
    left = set(pids)
    send(left, first)
    if not wait_until(lambda: not any(map(is_alive, left)), grace):
        send(left, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, left)), 5)
