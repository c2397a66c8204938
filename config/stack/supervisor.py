"""Keeps a set of processes running: one that ends is started again, later each time it fails soon."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
#: Whoever ran this long was well; its next failure is a first one.
GOOD_RUN = 60.0


class Supervised(Protocol):
    """`start` returns at once, clears away what an earlier process left behind, and may be repeated."""

    @property
    def name(self) -> str: ...
    @property
    def ending(self) -> str:
        """How the last process ended, in words."""

    def start(self) -> None: ...
    def is_running(self) -> bool: ...


@dataclass
class _Watch:
    part: Supervised
    started: float
    failures: int = 0
    due: float | None = None


@dataclass
class Supervisor:
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _watches: list[_Watch] = field(default_factory=list)

    def watch(self, parts: Iterable[Supervised]) -> None:
        """Look after `parts`, which run already."""
        self._watches += [_Watch(part, self.clock()) for part in parts]

    def tick(self) -> None:
        """Notice who ended, start again who is due."""
        for watch in self._watches:
            if watch.due is not None and self.clock() >= watch.due:
                self._restart(watch)
            elif watch.due is None and not watch.part.is_running():
                self._plan_restart(watch)

    def _plan_restart(self, watch: _Watch) -> None:
        watch.failures = 0 if self.clock() - watch.started >= GOOD_RUN else watch.failures
        delay = min(FIRST_DELAY * 2**watch.failures, LONGEST_DELAY)
        watch.failures += 1
        watch.due = self.clock() + delay
        self.say(f"{watch.part.name} {watch.part.ending}; starting it again in {delay:.0f} s")

    def _restart(self, watch: _Watch) -> None:
        watch.due = None
        watch.part.start()
        watch.started = self.clock()
