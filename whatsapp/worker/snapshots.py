"""When a worker takes snapshots of its sessions' device stores: after a link, when they change, and at a planned end.

One after another with pauses, and for each session at most one in so many seconds, so that hundreds of them are a
murmur. A store that did not change is not even opened.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from fleet.leases import LeaseLost
from tenants.context import arun_in
from wharf import metrics
from whatsapp.engine import device_store
from whatsapp.engine.store_copy import StoreEmpty
from whatsapp.services import snapshots
from whatsapp.worker.owned import Owned
from whatsapp.worker.storing import DATABASE_AWAY

log = logging.getLogger("whatsapp.snapshots")

#: How often to look whose is due.
LOOK_SECONDS: Final = 2.0
#: A new link changes much in its first moments, so its second snapshot comes soon.
SETTLING_SECONDS: Final = 30.0
#: For each second of work so many of rest: a store of a hundred thousand messages takes two (docs/engine.md).
REST: Final = 4
#: At a worker's end so many are taken side by side, and all in so many seconds.
AT_ONCE: Final = 4
FAREWELL_SECONDS: Final = 5.0


@dataclass
class _Kept:
    """What is known of one session's snapshot: of which ownership and device, and of which state of the store."""

    of: tuple[int, str]
    #: Not to be looked at before (monotonic).
    due: float
    is_new: bool
    marks: tuple[tuple[int, int], ...] | None = None


class Snapshots:
    """The snapshots of one worker, whose disk is `store_id`; `seconds` lie between two of a session."""

    def __init__(self, store_id: str, seconds: float, owned: Callable[[], Collection[Owned]]) -> None:
        self._store_id = store_id
        self._seconds = seconds
        self._owned = owned
        self._kept: dict[str, _Kept] = {}

    async def run(self) -> None:
        """Until cancelled. Never raises anything else: connections matter more."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:
                log.exception("snapshots could not be taken; trying again")

    async def look(self) -> None:
        """Take those that are due."""
        present = [owned for owned in self._owned() if self._is_ours(owned)]
        ids = {owned.session_id for owned in present}
        self._kept = {session_id: kept for session_id, kept in self._kept.items() if session_id in ids}
        for owned in present:
            kept = self._kept_of(owned)
            if (began := time.monotonic()) >= kept.due:
                await self._take(owned, kept)
                await asyncio.sleep((time.monotonic() - began) * REST)

    async def finish(self, owned: Owned) -> None:
        """The session is about to be given back: what changed since the last one is kept now, if it can be."""
        if self._is_ours(owned):
            await self._take(owned, self._kept_of(owned))

    async def finish_all(self, owned: Collection[Owned]) -> None:
        """As `finish`, in bounded time; a stale snapshot is no loss while the disk is there."""
        room = asyncio.Semaphore(AT_ONCE)

        async def finish(one: Owned) -> None:
            async with room:
                await self.finish(one)

        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await asyncio.gather(*(finish(one) for one in owned))
        except TimeoutError:
            log.warning("no time for all snapshots; those that are there are older")

    def _is_ours(self, owned: Owned) -> bool:
        return owned.placement.is_linked and owned.placement.store_id == self._store_id

    def _kept_of(self, owned: Owned) -> _Kept:
        of = (owned.placement.fence, owned.placement.device_jid)
        kept = self._kept.get(owned.session_id)
        if kept is None or kept.of != of:
            is_new = owned.placement.snapshot_jid != owned.placement.device_jid
            # Whoever has one waits its turn: after a start all come at once.
            pause = 0.0 if is_new else self._seconds * random.random()  # noqa: S311  # jitter, not a secret
            kept = self._kept[owned.session_id] = _Kept(of, time.monotonic() + pause, is_new)
        return kept

    async def _take(self, owned: Owned, kept: _Kept) -> None:
        company, lease, folder = owned.company, owned.lease, owned.folder
        try:
            marks = await asyncio.to_thread(device_store.marks, folder)
            if marks == kept.marks:
                return
            self._put_off(kept)
            if (taken := await asyncio.to_thread(snapshots.take, folder)) is None:
                return
            keep = partial(snapshots.keep, company=company, lease=lease, store_id=self._store_id, taken=taken)
            is_written = await arun_in(company, keep)
        except (StoreEmpty, LeaseLost):
            # Just unlinked, or another's: that is told elsewhere.
            return
        except (*DATABASE_AWAY, *snapshots.UNREADABLE) as error:
            metrics.SNAPSHOTS.labels("failed").inc()
            log.warning("session %s: no snapshot could be taken (%s)", owned.session_id, type(error).__name__)
            return
        kept.marks, kept.is_new = marks, False
        metrics.SNAPSHOTS.labels("written" if is_written else "unchanged").inc()

    def _put_off(self, kept: _Kept) -> None:
        pause = min(SETTLING_SECONDS, self._seconds) if kept.is_new else self._seconds
        kept.due = time.monotonic() + pause * random.uniform(0.8, 1.2)  # noqa: S311  # jitter, not a secret
