"""When a worker merges hosts: by itself at quiet times, seldom enough; or because an operator asked for it now."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from whatsapp.worker.packing import H, HostLook, Hours, choose

#: How often a worker looks by itself, and how many merges it makes of its own accord in an hour.
LOOK_SECONDS: Final = 60.0
MOST_IN_AN_HOUR: Final = 6
HOUR: Final = 3600.0
#: Who asks for it now does not want to wait for long silence, and nobody cut off in the middle of a word.
ASKED_QUIET_SECONDS: Final = 20.0
#: So long an operator's wish stands, for sessions that are not quiet yet.
WISH_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Policy:
    """`quiet_seconds` without anything in any of the sessions; 0: never by itself."""

    quiet_seconds: float = 900.0
    hours: Hours = field(default_factory=Hours)


@dataclass
class Repacking:
    """What one worker has to remember of it."""

    policy: Policy
    _next_look: float = 0.0
    _merges: deque[float] = field(default_factory=deque)
    _asked_at: datetime | None = None
    _wish_ends: float = 0.0
    #: Something was merged for it; what becomes quiet later is not worth taking the same sessions down again.
    _is_thrifty: bool = False

    def hear(self, asked_at: datetime | None) -> None:
        """The operators' last wish, as the worker's row has it."""
        if asked_at is not None and asked_at != self._asked_at:
            self._asked_at, self._wish_ends = asked_at, time.monotonic() + WISH_SECONDS
            self._is_thrifty = False

    def choose(self, looks: Sequence[HostLook[H]], size: int) -> list[H]:
        """The hosts to be merged now, mostly none."""
        now = time.monotonic()
        if now < self._wish_ends:
            found = choose(looks, size=size, quiet_seconds=ASKED_QUIET_SECONDS, is_thrifty=self._is_thrifty)
            self._is_thrifty = self._is_thrifty or bool(found)
            return found
        if not self._is_time(now):
            return []
        self._next_look = now + LOOK_SECONDS
        found = choose(looks, size=size, quiet_seconds=self.policy.quiet_seconds)
        if found:
            self._merges.append(now)
        return found

    def _is_time(self, now: float) -> bool:
        while self._merges and self._merges[0] < now - HOUR:
            self._merges.popleft()
        is_allowed = self.policy.quiet_seconds > 0 and self.policy.hours.contain(datetime.now(UTC).hour)
        return is_allowed and now >= self._next_look and len(self._merges) < MOST_IN_AN_HOUR
