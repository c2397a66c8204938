"""What a run's processes use, by kind, as Linux counts it."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
#: A process's kind, by words of its command line; the first that fits counts.
_KINDS: Final = {
    "whatsapp.engine.host": "host",
    "runsessions": "worker",
    "uvicorn": "web",
    "runjobs": "jobs",
    "runwebhooks": "webhooks",
    "runsandbox": "sandbox",
    "valkey": "valkey",
    "postgres": "postgres",
    "bench.bare": "bare neonize",
    "config.stack": "runner",
}


def descendants(pid: int) -> list[int]:
    """`pid` and everything below it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children[parent_of(int(entry.name))].append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children[found[-1]]
    return found


def parent_of(pid: int) -> int:
    """0 when it is gone."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def is_backend(pid: int) -> bool:
    """Whether it is the part of PostgreSQL that serves one connection."""
    return " [local]" in _command_of(pid)


def _command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def kind_of(pid: int) -> str:
    if not (line := _command_of(pid)):
        return "gone"
    # PostgreSQL's backends rewrite theirs to "postgres: user database ...".
    return next((kind for words, kind in _KINDS.items() if words in line), "other")


def by_kind(root: int) -> dict[str, list[int]]:
    kinds: dict[str, list[int]] = defaultdict(list)
    for pid in descendants(root):
        kinds[kind_of(pid)].append(pid)
    return kinds


def cpu_seconds(pids: list[int]) -> float:
    return sum(_cpu(pids))


def _cpu(pids: list[int]) -> Iterator[float]:
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # With those of its ended children: PostgreSQL's backends come and go.
            yield sum(map(int, fields[11:15])) / _TICKS


def started_at(pid: int) -> float:
    """When it began, in seconds since the epoch."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS


def pss_mb(pid: int) -> float:
    """Memory that is its own, and its share of what it shares."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
