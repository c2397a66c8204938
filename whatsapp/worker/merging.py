"""Several hosts become one at quiet times: `packing` says which, `repacking` when, and this does it."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from whatsapp.services import reports
from whatsapp.worker import patience
from whatsapp.worker.holding import Holding
from whatsapp.worker.hosting import HostRun
from whatsapp.worker.hosts import Hosts
from whatsapp.worker.owned import Owned
from whatsapp.worker.packing import HostLook
from whatsapp.worker.repacking import Policy, Repacking

log = logging.getLogger("whatsapp.worker")


class Merging:
    def __init__(self, hosts: Hosts, holding: Holding, policy: Policy, sessions_per_host: int) -> None:
        self._hosts, self._holding, self._size = hosts, holding, sessions_per_host
        self._repacking = Repacking(policy)

    def consider(self, asked_at: datetime | None) -> None:
        """Nothing else is started meanwhile, so there is one merge at a time. `asked_at`: the operators' last wish."""
        self._repacking.hear(asked_at)
        if self._hosts.is_launching or self._hosts.is_closing:
            return
        looks = [look for run in self._hosts.runs if (look := self._look_of(run))]
        if runs := self._repacking.choose(looks, self._size):
            log.info("merging %d hosts into one", len(runs))
            for run in runs:
                self._hold_back(run)
            self._hosts.keep_as_launch(self._merge(runs))

    def _hold_back(self, run: HostRun) -> None:
        run.is_leaving = run.is_merged = True
        for owned in self._hosts.held_by(run):
            # From here on nothing is handed to it.
            owned.is_moving = True

    def _look_of(self, run: HostRun) -> HostLook[HostRun] | None:
        owned = self._hosts.held_by(run)
        if run.is_leaving or not owned:
            return None
        quiet = [one.quiet_seconds for one in owned]
        known = [seconds for seconds in quiet if seconds is not None]
        shortest = min(known) if len(known) == len(run.holding) else None
        return HostLook(run, owned[0].placement.network, len(run.holding), shortest)

    async def _merge(self, runs: Sequence[HostRun]) -> None:
        """Hosts leave in good order, and one has all their sessions. Meanwhile messages wait, at WhatsApp or here."""
        moving = [owned for run in runs for owned in self._hosts.held_by(run)]
        try:
            for owned in moving:
                await self._holding.write(owned, reports.record_repacking)
        finally:
            await asyncio.gather(*(run.host.end(grace=patience.GRACE_SECONDS) for run in runs))
            await asyncio.wait([run.task for run in runs if run.task])
            if left := self._to_be_started(runs):
                await self._hosts.start(left, left[0].placement.network, 0.0)

    def _to_be_started(self, runs: Sequence[HostRun]) -> list[Owned]:
        ids = (session_id for run in runs for session_id in run.moved)
        return [owned for sid in ids if (owned := self._holding.get(sid)) and owned.is_starting]
