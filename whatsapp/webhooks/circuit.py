"""Whether a receiver is spared: after failures in a row nobody sends to it but one, now and then, who tries."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

#: So many failures in a row open the circuit.
THRESHOLD: Final = 5
#: Between two tries of a receiver that is spared: soon enough to notice that it is back.
LONGEST_OPEN: Final = timedelta(minutes=5)
#: Between two tries of an event that a receiver will not take while it takes others.
LONGEST_WAIT: Final = timedelta(minutes=30)
#: A receiver may ask for this much patience and no more.
LONGEST_ASKED: Final = timedelta(hours=1)
_FIRST_WAIT: Final = 2.0


def back_off(tries: int, longest: timedelta) -> timedelta:
    """How long to wait after so many tries: 2, 4, 8, … seconds up to the longest, give or take a quarter."""
    seconds = min(_FIRST_WAIT * 2 ** min(tries - 1, 20), longest.total_seconds())
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load, guards nothing


class Circuit:
    """`recovered` is called when a receiver that was spared takes something again."""

    def __init__(
        self,
        failures: int,
        failing_since: datetime | None,
        open_until: datetime | None,
        recovered: Callable[[], None],
    ) -> None:
        self.failures, self.failing_since, self.open_until = failures, failing_since, open_until
        self._recovered = recovered
        self._is_probing = False
        self._changed = asyncio.Event()

    @property
    def is_waiting(self) -> bool:
        return self.open_until is not None and timezone.now() < self.open_until

    async def due(self) -> None:
        """Until there is a point in having something to send."""
        while self.is_waiting:
            await self._change()

    async def admitted(self) -> None:
        """Until one may send. Whoever was admitted says how it went; of a spared receiver only one at a time is."""
        while self.open_until is not None and (self.is_waiting or self._is_probing):
            await self._change()
        self._is_probing = self.open_until is not None

    async def _change(self) -> None:
        self._changed.clear()
        left = (self.open_until - timezone.now()).total_seconds() if self.open_until else 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(left if left > 0 else None):
                await self._changed.wait()

    def succeeded(self) -> None:
        was_open = self.open_until is not None
        self.failures, self.failing_since, self.open_until, self._is_probing = 0, None, None, False
        self._changed.set()
        if was_open:
            self._recovered()

    def failed(self, *, retry_after: float = 0.0) -> None:
        self.failures += 1
        self.failing_since = self.failing_since or timezone.now()
        self._is_probing = False
        wait = min(timedelta(seconds=retry_after), LONGEST_ASKED)
        if self.failures >= THRESHOLD:
            wait = max(wait, back_off(self.failures - THRESHOLD + 1, LONGEST_OPEN))
        if wait:
            self.open_until = timezone.now() + wait
        self._changed.set()
