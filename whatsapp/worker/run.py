"""The worker: makes what is the same as what is wanted, for every session it owns.

`tick()` is one round and public, `run()` is `tick()` until told to stop. People only ever write what they want; this
is where it comes true, and the only caller of an engine.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.utils import timezone

from fleet import leases, models, presence
from fleet.hints import Hint
from fleet.leases import WorkerGone
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.context import arun_in_public
from wharf import metrics
from wharf.logs import about
from whatsapp.engine import device_store, port
from whatsapp.services import reports
from whatsapp.worker import observing, patience, wakeups
from whatsapp.worker.bequests import Bequests
from whatsapp.worker.decide import Action, decide
from whatsapp.worker.hearing import Hearing
from whatsapp.worker.holding import Holding
from whatsapp.worker.hosts import Berth, Hosts
from whatsapp.worker.identity import Identity
from whatsapp.worker.merging import Merging
from whatsapp.worker.noticing import notice
from whatsapp.worker.owned import Owned
from whatsapp.worker.repacking import Policy
from whatsapp.worker.sending import Sending
from whatsapp.worker.snapshots import Snapshots
from whatsapp.worker.storing import DATABASE_AWAY, Storing
from whatsapp.worker.tasks import Tasks
from whatsapp.worker.term import Term

log = logging.getLogger("whatsapp.worker")

#: A third of a lease: two beats may be missed.
TICK_SECONDS: Final = leases.LEASE.total_seconds() / 4


@dataclass(frozen=True)
class Limits:
    """How much one worker does. `hold_back` spreads the starts of several hosts over so many seconds.

    `snapshot_seconds` lie between two snapshots of a device store. After `lost_after` seconds of silence of a disk its
    sessions are brought up on another one, and hosts have left by then (`whatsapp.worker.term`); 0: neither.
    """

    capacity: int = 500
    sessions_per_host: int = 25
    hold_back: float = 0.3
    snapshot_seconds: float = 300.0
    lost_after: int = 0
    repack: Policy = field(default_factory=Policy)


class Worker:
    def __init__(self, *, engine: port.Engine, state_dir: Path, identity: Identity, limits: Limits) -> None:
        self._identity, self._limits = identity, limits
        self._storing, self._tasks, self._term = Storing(), Tasks(), Term(limits.lost_after)
        self.holding = Holding(self._storing, state_dir, self._drop)
        berth = Berth(engine, identity.store_id, limits.sessions_per_host, limits.hold_back)
        self._hosts = Hosts(berth, self.holding, self._tasks, self._term, lambda *told: self._hearing.hear(*told))
        self._sending = Sending(self.holding, self._storing)
        self._hearing = Hearing(self.holding, self._hosts, self._sending, self._tasks)
        self._merging = Merging(self._hosts, self.holding, limits.repack, limits.sessions_per_host)
        self._snapshots = Snapshots(identity.store_id, limits.snapshot_seconds, self.holding.all)
        self._bequests = Bequests(engine, state_dir, identity.store_id, self.holding.ids)
        self._row: models.Worker | None = None
        self._next_tick = 0.0

    # -- life ----------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Register; from now on sessions can be claimed."""
        self._row = await arun_in_public(
            leases.register,
            name=self._identity.name,
            pid=os.getpid(),
            capacity=self._limits.capacity,
            store_id=self._identity.store_id,
            lost_after=self._limits.lost_after,
        )
        log.info("worker %s is ready for up to %d sessions", self._identity.name, self._limits.capacity)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set; then hand everything over. Raises WorkerGone when its row was taken away."""
        await self.open()
        listener = asyncio.create_task(wakeups.listen(self.holding.wake, self.holding.woken, self._hear_hint))
        keepers = [asyncio.create_task(duty.run()) for duty in (self._snapshots, self._bequests)]
        stopper = asyncio.create_task(stop.wait())
        stopper.add_done_callback(lambda _: self._storing.hasten())
        try:
            while not stop.is_set():
                await self._round()
                await self._sleep(stopper)
        finally:
            listener.cancel()
            for keeper in keepers:
                keeper.cancel()
            stopper.cancel()
            await self.close()

    async def _round(self) -> None:
        """One tick, or only a look at those that were named since."""
        try:
            if self.holding.woken and not self._wants_full_tick():
                await self.attend(self.holding.take_woken())
            else:
                await self.tick()
        except DATABASE_AWAY as error:
            metrics.DATABASE_RETRIES.inc()
            log.warning("the database is away (%s); connections are kept", type(error).__name__)

    def _hear_hint(self, hint: Hint) -> None:
        """Somebody here types or looks: its host is told, if it is ours and online, and else nobody."""
        owned = self.holding.get(hint.session_id)
        if owned and owned.host and owned.is_connected and (command := owned.attention.command_for(hint)):
            owned.is_busy()
            self._tasks.spawn(owned.host.host.command(owned.session_id, command))

    def _wants_full_tick(self) -> bool:
        return asyncio.get_running_loop().time() >= self._next_tick

    async def _sleep(self, stopper: asyncio.Task[bool]) -> None:
        pause = max(0.0, self._next_tick - asyncio.get_running_loop().time())
        wake = asyncio.create_task(self.holding.wake.wait())
        await asyncio.wait({wake, stopper}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        wake.cancel()
        self.holding.wake.clear()

    @property
    def _worker(self) -> models.Worker:
        assert self._row is not None, "open() comes first"
        return self._row

    # -- what others may know ------------------------------------------------------------------------------------
    def host_pids(self) -> dict[str, int]:
        """The host process of each session that has one."""
        return {owned.session_id: owned.host.host.pid for owned in self.holding.all() if owned.host}

    async def ready(self) -> None:
        """Raises while this worker is not there for the fleet, or the database is not there for it."""
        await arun_in_public(presence.check_worker, self._row.pk if self._row else "")

    def show_metrics(self) -> None:
        """The process's gauges tell of this worker from now on."""
        observing.show(self.holding.all, lambda: len(self._hosts.runs))

    # -- rounds --------------------------------------------------------------------------------------------------
    async def tick(self) -> None:
        """Beat, claim, and take one step for every session owned."""
        self._next_tick = asyncio.get_running_loop().time() + TICK_SECONDS
        self.holding.woken.clear()
        await self._doubt_the_silent()
        marks = self.holding.marks()
        beat = await self._beat()
        for owned in self.holding.strangers(beat.mine):
            # Let go of at once: somebody else may be connecting it.
            await self._drop(owned)
        await self._look_at([*beat.mine, *await self._claim(beat)], marks)
        self._merging.consider(beat.repack_asked_at)
        await self._hosts.warm_up()

    async def _beat(self) -> leases.Beat:
        with self._term.renewing():
            beat = await arun_in_public(leases.renew, self._worker, alive=self._hearing.take_alive())
        for run in list(self._hosts.runs):  # hosts come and go meanwhile
            await self._term.tell(run)
        return beat

    async def _claim(self, beat: leases.Beat) -> list[Placement]:
        room = self._limits.capacity - len(beat.mine)
        if not beat.has_free or room <= 0:
            return []
        claimed = await arun_in_public(leases.claim, self._worker, limit=room)
        if claimed:
            log.info("claimed %d sessions", len(claimed))
        return claimed

    async def _doubt_the_silent(self) -> None:
        """A host that hangs says nothing at all, not even that."""
        for owned in self.holding.all():
            owned.silent_looks += 1
            is_silent = owned.silent_looks > patience.SILENT_LOOKS and owned.silent_seconds > patience.SILENT_SECONDS
            if is_silent and owned.is_connected and not owned.is_doubtful:
                notice(owned, [port.Doubtful()])
                await self.holding.write(owned, reports.record, events=[port.Doubtful()])

    async def attend(self, session_ids: Iterable[str]) -> None:
        """Look at these now: somebody wants something of them. Others' and nobody's are claimed if they are free."""
        marks = self.holding.marks()
        ids = list(session_ids)
        placements = await arun_in_public(leases.owned, self._worker, ids)
        if len(placements) < len(ids) and len(self.holding) < self._limits.capacity:
            placements += await arun_in_public(leases.claim, self._worker, limit=len(ids))
        await self._look_at(placements, marks)

    async def _look_at(self, placements: Sequence[Placement], marks: dict[str, int]) -> None:
        to_start = []
        for placement in placements:
            owned = self.holding.of(placement)
            if marks.get(owned.session_id, owned.writes) != owned.writes:
                # Written to since these rows were read: decide on fresh ones.
                self.holding.look_again(owned)
                continue
            owned.placement = placement
            with about(company_id=owned.company.pk, session_id=owned.session_id):
                if await self._step(owned):
                    to_start.append(owned)
        self._hosts.launch(to_start)

    # -- steps ---------------------------------------------------------------------------------------------------
    async def _step(self, owned: Owned) -> bool:
        """One step for one session; True if a host should be started for it."""
        if owned.is_overdue:
            await self._give_up_waiting(owned)
            return False
        match decide(owned.placement, owned.seen, timezone.now()):
            case Action.START if owned.writing:
                # How its last host ended, most likely, and when it may be tried again.
                self.holding.look_when_written(owned)
            case Action.START:
                return True
            case Action.DISCONNECT:
                await self._hosts.ask_to_leave(owned, port.Disconnect())
            case Action.LOG_OUT:
                await self._hosts.ask_to_leave(owned, port.Logout())
            case Action.CANCEL:
                await self._cancel(owned)
            case Action.SETTLE:
                await self.holding.write(owned, reports.record_settled)
                self.holding.look_again(owned)
            case Action.LET_GO:
                await self._let_go(owned)
            case Action.NOTHING:
                owned.has_more, owned.came_back = owned.has_more or owned.came_back, False
                await self._sending.give_up_on_answers(owned)
                await self._sending.do_work(owned)
        return False

    async def _cancel(self, owned: Owned) -> None:
        """End a link in the making: nothing is linked, so its process can simply go."""
        if owned.host is None:
            return
        await self._hosts.abandon(owned)
        await self.holding.write(owned, reports.record_settled)
        self.holding.look_again(owned)

    async def _give_up_waiting(self, owned: Owned) -> None:
        """The engine has not said what it should have by now. It never will: it loses news like that."""
        state, linked = State(owned.placement.state), owned.placement.is_linked
        log.error("session %s: no news while %s, its host is left", owned.session_id, state)
        await self._hosts.abandon(owned)
        if state == State.PAIRING and not linked:
            await self.holding.write(owned, reports.record_end, ending=port.Ending.PAIRING_TIMEOUT)
        else:
            is_new = owned.placement.reason == Reason.FINISHING_LINK
            reason = Reason.PAIRING_UNFINISHED if is_new else Reason.NOT_ANSWERING
            await self.holding.write(owned, reports.record_loss, reason=reason)
        self.holding.look_again(owned)

    async def _let_go(self, owned: Owned) -> None:
        """Nobody wants anything of it: give it back. The keys of a device unlinked here are erased now."""
        if owned.placement.reason == Reason.UNLINKED and not owned.placement.is_linked:
            await asyncio.to_thread(device_store.erase, owned.folder)
        await self._snapshots.finish(owned)
        owned.is_without_host()
        self.holding.forget(owned)
        await arun_in_public(leases.release, owned.lease)
        # Somebody may have wanted it again while it still was ours.
        self.holding.look_again(owned)

    async def _drop(self, owned: Owned) -> None:
        log.warning("session %s belongs to another worker now", owned.session_id)
        await self._hosts.abandon(owned)
        self.holding.forget(owned)

    # -- the end -------------------------------------------------------------------------------------------------
    async def close(self) -> None:
        """Hand over: every host leaves in good order, what it reported is stored, the sessions become free.

        Ends in bounded time whatever does not answer. What is not stored then is in the journals, and sessions that
        were not given back are free when the lease has ended.
        """
        self._storing.hasten()
        await self._hosts.close()
        await self._snapshots.finish_all(self.holding.all())
        try:
            async with asyncio.timeout(patience.FAREWELL_SECONDS):
                await self._give_back()
        except (TimeoutError, *DATABASE_AWAY) as error:
            log.warning("the sessions could not be given back (%s); their lease ends soon", type(error).__name__)

    async def _give_back(self) -> None:
        for owned in self.holding.all():
            if owned.placement.wanted != Wanted.STOPPED:
                reason = Reason.WORKER_STOPPED
                await self.holding.write(owned, reports.record_loss, reason=reason, wait=False)
        if self._row is not None:
            await arun_in_public(leases.retire, self._row)
        log.info("worker %s has handed over %d sessions", self._identity.name, len(self.holding))


__all__ = ["Limits", "Worker", "WorkerGone"]
