"""A worker's hosts: started for sessions, watched until they end, left when they do not answer."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

from fleet import leases, models
from fleet.reasons import Reason
from tenants.context import arun_in_public
from wharf import metrics
from whatsapp.engine import device_store, port
from whatsapp.networks import NetworkMissing, access_to
from whatsapp.services import owning, reports, snapshots
from whatsapp.services.snapshots import SnapshotUnusable
from whatsapp.worker import patience
from whatsapp.worker.holding import Holding
from whatsapp.worker.hosting import HostRun
from whatsapp.worker.owned import Owned
from whatsapp.worker.storing import DATABASE_AWAY
from whatsapp.worker.tasks import Tasks
from whatsapp.worker.term import Term

log = logging.getLogger("whatsapp.worker")

#: Hosts that may be starting at the same time.
STARTING_HOSTS: Final = 3

Hear = Callable[[HostRun, Owned, list[port.Report]], Awaitable[None]]


@dataclass(frozen=True)
class Berth:
    """Where hosts run: with which engine, on which disk, how many sessions in each, their starts how far apart."""

    engine: port.Engine
    store_id: str
    sessions_per_host: int
    hold_back: float


class Hosts:
    """`hear` is given what they report, session by session in order."""

    def __init__(self, berth: Berth, holding: Holding, tasks: Tasks, term: Term, hear: Hear) -> None:
        self._berth, self._holding, self._tasks, self._term, self._hear = berth, holding, tasks, term, hear
        self._starting = asyncio.Semaphore(STARTING_HOSTS)
        self._launches: set[asyncio.Task[None]] = set()
        self.runs: set[HostRun] = set()
        self.is_closing = False

    # -- starting ------------------------------------------------------------------------------------------------------
    def launch(self, to_start: Sequence[Owned]) -> None:
        """Start hosts for these: a new link in a process of its own, linked sessions together."""
        by_network: dict[str, list[Owned]] = {}
        for owned in to_start:
            # Held from here on, so that no later look starts it a second time.
            owned.is_starting = True
            by_network.setdefault(owned.placement.network, []).append(owned)
        for network, group in by_network.items():
            for number, together in enumerate(self._groups_of(group)):
                self.keep_as_launch(self.start(together, network, number * self._berth.hold_back))

    def _groups_of(self, group: Sequence[Owned]) -> list[list[Owned]]:
        alone = [[owned] for owned in group if not owned.placement.is_linked]
        linked = [owned for owned in group if owned.placement.is_linked]
        size = self._berth.sessions_per_host
        return [*alone, *(linked[i : i + size] for i in range(0, len(linked), size))]

    def keep_as_launch(self, work: Coroutine[object, object, None]) -> None:
        launch = self._tasks.spawn(work)
        self._launches.add(launch)
        launch.add_done_callback(self._launches.discard)

    @property
    def is_launching(self) -> bool:
        return bool(self._launches)

    async def start(self, group: Sequence[Owned], network: str, delay: float) -> None:
        """Never raises; the sessions of a host that did not start are told so."""
        await asyncio.sleep(delay * random.random())  # noqa: S311  # jitter, not a secret
        async with self._starting:
            if self.is_closing:
                return
            try:
                births = [birth for owned in group if (birth := await self._prepare(owned))]
                if births:
                    access = await asyncio.to_thread(access_to, network)
                    await self._started(await self._berth.engine.start(births, access), births)
            except NetworkMissing as error:
                await self._not_started(group, Reason.NETWORK_MISSING, str(error))
            except Exception as error:
                # Whatever it was, the sessions must not be left as "starting" for ever.
                if not isinstance(error, port.EngineError):
                    log.exception("a host could not be started")
                await self._not_started(group, Reason.SPAWN_FAILED, f"{type(error).__name__}: {error}")

    async def _prepare(self, owned: Owned) -> port.SessionBirth | None:
        """Settle what the last host left and say what the next one needs; None if it must not start."""
        if not await self._has_keys_here(owned):
            return None
        stored = await asyncio.to_thread(device_store.stored_device, owned.folder)
        if owned.placement.is_linked and stored is None:
            await self._holding.write(owned, reports.record_end, ending=port.Ending.STORE_MISSING)
            owned.is_without_host()
            return None
        if not await self._holding.write(owned, owning.prepare_start, folder=owned.folder):
            owned.is_without_host()
            return None
        return port.SessionBirth(owned.session_id, owned.folder, device_jid=stored.jid if stored else "")

    async def _has_keys_here(self, owned: Owned) -> bool:
        """True when it can be started. Keys whose disk is lost are put here out of their snapshot."""
        store_id = self._berth.store_id
        if not owned.placement.is_linked or owned.placement.store_id == store_id:
            return True
        arguments = {"store_id": store_id, "folder": owned.folder}
        try:
            is_here = bool(await self._holding.write(owned, snapshots.take_over, **arguments))
        except SnapshotUnusable as error:
            log.error("session %s cannot go on from its snapshot here: %s", owned.session_id, error)
            await self._holding.write(owned, reports.record_not_restored, detail=str(error))
            owned.is_without_host()
            # Its own disk may come back, and must find it free.
            with contextlib.suppress(*DATABASE_AWAY):
                await arun_in_public(leases.release, owned.lease)
                self._holding.forget(owned)
            return False
        if is_here:
            owned.placement.store_id = store_id
        return is_here

    async def _not_started(self, group: Sequence[Owned], reason: Reason, detail: str) -> None:
        metrics.HOSTS_ENDED.labels("not_started").inc()
        for owned in group:
            if owned.is_starting:
                owned.is_without_host()
                await self._holding.write(owned, reports.record_loss, reason=reason, detail=detail)

    async def _started(self, host: port.Host, births: Sequence[port.SessionBirth]) -> None:
        run = HostRun(host, {birth.session_id for birth in births})
        self.runs.add(run)
        metrics.HOSTS_STARTED.inc()
        await self._term.tell(run)
        for number, birth in enumerate(births):
            owned = self._holding.get(birth.session_id)
            if owned is None or not owned.is_starting:
                # Lost to another worker in the meantime.
                run.holding.discard(birth.session_id)
                await host.command(birth.session_id, port.Disconnect())
                continue
            owned.host, owned.is_starting = run, False
            # They start one after another, and the slowest ones take their time.
            owned.wait_at_most(patience.START_SECONDS + number * 2)
        log.info("host %d holds %d sessions", host.pid, len(run.holding))
        run.task = self._tasks.spawn(self._watch(run))

    async def warm_up(self) -> None:
        """Keep a host ready on each network that anybody here may link on next."""
        for network in models.Network.values:
            try:
                access = await asyncio.to_thread(access_to, network)
                await self._berth.engine.warm(access)
            except (NetworkMissing, port.EngineError):
                continue

    # -- while they run ------------------------------------------------------------------------------------------------
    async def _watch(self, run: HostRun) -> None:
        async for batch in run.batches():
            for session_id, told in batch.items():
                if (owned := self._holding.get(session_id)) and owned.host is run:
                    await self._hear(run, owned, told)
        await self._ended(run)

    def held_by(self, run: HostRun) -> list[Owned]:
        return [owned for sid in run.holding if (owned := self._holding.get(sid)) and owned.host is run]

    # -- ending --------------------------------------------------------------------------------------------------------
    async def _ended(self, run: HostRun) -> None:
        self.runs.discard(run)
        metrics.HOSTS_ENDED.labels("told_to" if run.is_leaving else "died").inc()
        left = self.held_by(run)
        if left and not run.is_leaving:
            log.error("host %d ended (%s) with %d sessions", run.host.pid, run.host.exit_reason, len(left))
        for owned in left:
            owned.is_without_host()
            if run.is_merged:
                # Whoever merges it starts the next host.
                owned.is_starting = True
                run.moved.append(owned.session_id)
            if not (self.is_closing or run.is_merged):
                await self._lose(run, owned)

    async def _lose(self, run: HostRun, owned: Owned) -> None:
        detail = f"host {run.host.pid}: {run.host.exit_reason}"
        reason = Reason.WORKER_SILENT if self._term.is_over_for(run) else Reason.HOST_DIED
        await self._holding.write(owned, reports.record_loss, reason=reason, detail=detail)
        self._holding.look_again(owned)

    def release(self, run: HostRun, owned: Owned) -> None:
        """The host does nothing for this session any more; without any left it goes."""
        owned.is_without_host()
        run.holding.discard(owned.session_id)
        if not run.holding and not run.is_leaving:
            run.is_leaving = True
            self._tasks.spawn(run.host.end(grace=patience.GRACE_SECONDS))
        self._holding.look_again(owned)

    async def ask_to_leave(self, owned: Owned, command: port.Disconnect | port.Logout) -> None:
        if owned.host is None:
            return
        owned.was_asked_to_leave = True
        owned.wait_at_most(patience.GRACE_SECONDS)
        await owned.host.host.command(owned.session_id, command)

    async def abandon(self, owned: Owned) -> None:
        """Take the session from its host without waiting for an answer."""
        run = owned.host
        owned.is_without_host()
        if run is None:
            return
        run.holding.discard(owned.session_id)
        if run.holding:
            await run.host.command(owned.session_id, port.Disconnect())
        elif owned.placement.is_linked:
            run.is_leaving = owned.is_leaving = True
            self._tasks.spawn(self._see_out(run, owned))
        else:
            run.is_leaving = True
            await run.host.kill()

    async def _see_out(self, run: HostRun, owned: Owned) -> None:
        """It may be connected whatever we think, and what it has acknowledged to WhatsApp must not go with it.

        Until it is gone nobody settles what it had in hand, and no other host has the session.
        """
        try:
            await run.host.end(grace=patience.GRACE_SECONDS)
        finally:
            owned.is_leaving = False
            self._holding.look_again(owned)

    async def close(self) -> None:
        """All leave in good order, and what they told last is stored. Ends in bounded time whatever does not answer."""
        self.is_closing = True
        if self._launches:
            # A host that is just being born is to be told to leave, too.
            await asyncio.wait(self._launches, timeout=patience.GRACE_SECONDS)
        for run in self.runs:
            run.is_leaving = True
        await asyncio.gather(*(run.host.end(grace=patience.GRACE_SECONDS) for run in list(self.runs)))
        if watching := [run.task for run in list(self.runs) if run.task]:
            await asyncio.wait(watching, timeout=patience.FAREWELL_SECONDS)
        await self._berth.engine.close()
