"""What a run's processes use, by kind, as Linux counts it."""

import os
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
            with suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children[parent].append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children[found[-1]]
    return found


def kind_of(pid: int) -> str:
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        # PostgreSQL's backends rewrite theirs to "postgres: user database ...".
        return next((kind for words, kind in _KINDS.items() if words in line), "other")
    return "gone"


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


def pss_mb(pid: int) -> float:
    """Memory that is its own, and its share of what it shares."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
