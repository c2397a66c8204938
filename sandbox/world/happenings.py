"""What happened lately, for anyone who watches: a bounded ring that a long poll reads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from itertools import dropwhile

RING = 2000


@dataclass(frozen=True)
class Happening:
    seq: int
    at: float
    type: str
    number: str
    details: dict[str, str | int | bool]


class Happenings:
    """`seq` grows over restarts too: it starts from the clock."""

    def __init__(self) -> None:
        self._ring: deque[Happening] = deque(maxlen=RING)
        self.last = int(time.time() * 1000)
        self._news = asyncio.Event()

    def tell(self, kind: str, number: str, **details: str | int | bool) -> None:
        self.last += 1
        self._ring.append(Happening(self.last, time.time(), kind, number, details))
        self.wake()

    def wake(self) -> None:
        """Let every waiting reader look again."""
        self._news.set()
        self._news = asyncio.Event()

    def after(self, seq: int) -> list[Happening]:
        return list(dropwhile(lambda happening: happening.seq <= seq, self._ring))

    async def wait_after(self, seq: int, seconds: float) -> list[Happening]:
        """What came after `seq`; when there is nothing yet, waits for the next or for so long."""
        if seq < self.last or seconds <= 0:
            return self.after(seq)
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return []
        return self.after(seq)
