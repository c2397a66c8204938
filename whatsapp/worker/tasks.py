"""What a worker does on the side. A failure is told, and costs nobody else anything."""

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger("whatsapp.worker")


class Tasks:
    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task of the worker failed", exc_info=error)
