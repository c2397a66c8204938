"""One running host as the worker sees it: whom it still holds, and its reports in batches."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from whatsapp.engine import port

#: So many reports are stored in one go at most.
MAX_BATCH: Final = 300
#: So many wait in memory before we stop reading; the host's journals hold the rest.
MAX_WAITING: Final = 3000


@dataclass(eq=False)
class HostRun:
    host: port.Host
    #: Sessions that it still keeps connected, or tries to.
    holding: set[str]
    task: "asyncio.Task[None] | None" = None
    #: It was told to leave, so its end is no accident.
    is_leaving: bool = False
    #: It leaves by itself then, if it is not told to keep on (`engine.clock`).
    until: float = math.inf
    #: Its sessions go on in another host at once.
    is_merged: bool = False
    #: Those that it had at its end, if it was.
    moved: list[str] = field(default_factory=list)
    #: Of each session, how much was read and is not stored.
    _unstored: Counter[str] = field(default_factory=Counter)
    _waiting: "asyncio.Queue[port.Report | None]" = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))

    async def batches(self) -> AsyncIterator[dict[str, list[port.Report]]]:
        """Reports by session, in order; as many together as have come in meanwhile. Ends with the host."""
        reader = asyncio.create_task(self._read())
        try:
            while (first := await self._waiting.get()) is not None:
                batch = self._with_neighbours(first)
                yield batch
                self._unstored.subtract({session_id: len(told) for session_id, told in batch.items()})
        finally:
            reader.cancel()

    async def _read(self) -> None:
        async for report in self.host.reports():
            self._unstored[report.session_id] += 1
            await self._waiting.put(report)
        await self._waiting.put(None)

    def has_news_of(self, session_id: str) -> bool:
        """Whether it has said something of the session that nobody has come to yet."""
        return self._unstored[session_id] > 0

    def _with_neighbours(self, first: port.Report) -> dict[str, list[port.Report]]:
        batch = {first.session_id: [first]}
        for _ in range(MAX_BATCH):
            if self._waiting.empty():
                break
            report = self._waiting.get_nowait()
            if report is None:
                # Told again, so that the loop above sees it after this batch.
                self._waiting.put_nowait(None)
                break
            batch.setdefault(report.session_id, []).append(report)
        return batch
