"""What this disk's journals still hold of sessions that go on elsewhere by now: it has happened, so it is told.

WhatsApp was told that these messages arrived, and sends them to nobody again. They were received here and not stored:
the machine died in between, or was cut off from the database, and then another disk took over (`services.snapshots`).
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from fleet.models import Placement
from tenants.context import arun_in, arun_in_public
from whatsapp.engine import device_store, journal, port
from whatsapp.services import reports
from whatsapp.worker.hosting import HostRun
from whatsapp.worker.storing import DATABASE_AWAY

log = logging.getLogger("whatsapp.bequests")

#: After the start, and from then on.
FIRST_LOOK_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 60.0
#: One session's journal is told by then, or another time.
PATIENCE: Final = 120.0
GRACE_SECONDS: Final = 12.0


class Bequests:
    """Of the disk `store_id` in `state_dir`. `owned` are its worker's sessions, whose hosts tell for themselves."""

    def __init__(
        self, engine: port.Engine, state_dir: Path, store_id: str, owned: Callable[[], Collection[str]]
    ) -> None:
        self._engine = engine
        self._state_dir = state_dir
        self._store_id = store_id
        self._owned = owned

    async def run(self) -> None:
        """Until cancelled. Never raises anything else: what cannot be told now stays where it is."""
        await asyncio.sleep(FIRST_LOOK_SECONDS)
        while True:
            try:
                for placement in await arun_in_public(self._left_here):
                    await self._tell(placement)
            except DATABASE_AWAY:
                log.warning("the database is away; journals wait")
            except Exception:
                log.exception("journals of sessions that have moved could not be told; trying again later")
            await asyncio.sleep(LOOK_SECONDS)

    def _left_here(self) -> list[Placement]:
        """Sessions of other disks with something in their journals here."""
        names = {path.name for path in (self._state_dir / "sessions").glob("*")} - set(self._owned())
        elsewhere = Placement.objects.select_related("company").filter(pk__in=names)
        moved = elsewhere.exclude(store_id__in=("", self._store_id)).order_by("pk")
        return [placement for placement in moved if self._holds_anything(placement.pk)]

    def _holds_anything(self, session_id: str) -> bool:
        try:
            return journal.waiting_in(device_store.folder_of(self._state_dir, session_id)) > 0
        except sqlite3.Error:
            log.warning("session %s: its journal here cannot be read", session_id)
            return False

    async def _tell(self, placement: Placement) -> None:
        folder = device_store.folder_of(self._state_dir, placement.pk)
        birth = port.SessionBirth(placement.pk, folder, is_bequest=True)
        run = HostRun(await self._engine.start([birth], None), {placement.pk})
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store_all(run, placement)
        finally:
            await run.host.kill()

    async def _store_all(self, run: HostRun, placement: Placement) -> None:
        count, ending = 0, None
        async for batch in run.batches():
            for session_id, told in batch.items():
                count += await self._store(placement, told)
                await run.host.acknowledge(session_id, max(report.seq for report in told))
                if any(isinstance(report.event, port.ConnectionLost) for report in told):
                    # Read on until it is gone.
                    ending = asyncio.create_task(run.host.end(grace=GRACE_SECONDS))
        if ending is not None:
            await ending
        log.warning("session %s: told %d events that its journal here still held", placement.pk, count)

    async def _store(self, placement: Placement, told: Sequence[port.Report]) -> int:
        events = [report.event for report in told]
        store = partial(reports.record_bequest, company=placement.company, session_id=placement.pk, events=events)
        return await arun_in(placement.company, store)
