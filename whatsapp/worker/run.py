"""The worker: makes what is the same as what is wanted, for every session it owns.

`tick()` is one round and public, `run()` is `tick()` until told to stop. People only ever write what they want; this
is where it comes true, and the only caller of an engine.
"""

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from django.utils import timezone

from fleet import leases, models, presence
from fleet.hints import Hint
from fleet.leases import LeaseLost, WorkerGone
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.context import arun_in, arun_in_public
from wharf import metrics
from wharf.logs import about
from whatsapp.engine import device_store, port
from whatsapp.networks import NetworkMissing, access_to
from whatsapp.services import owning, reports, snapshots, typing
from whatsapp.services.handing import Handed
from whatsapp.services.snapshots import SnapshotUnusable
from whatsapp.worker import observing, wakeups
from whatsapp.worker.bequests import Bequests
from whatsapp.worker.decide import Action, decide
from whatsapp.worker.hosting import HostRun
from whatsapp.worker.identity import Identity
from whatsapp.worker.owned import Owned
from whatsapp.worker.packing import HostLook
from whatsapp.worker.repacking import Policy, Repacking
from whatsapp.worker.snapshots import Snapshots
from whatsapp.worker.storing import DATABASE_AWAY, Storing
from whatsapp.worker.term import Term

log = logging.getLogger("whatsapp.worker")

R = TypeVar("R")

#: A third of a lease: two beats may be missed.
TICK_SECONDS: Final = leases.LEASE.total_seconds() / 4
#: A host has this long to leave in good order.
GRACE_SECONDS: Final = 12.0
#: What they told last, and that their sessions are free, may take so long each to be stored.
FAREWELL_SECONDS: Final = 10.0
#: A linked session that neither connects nor fails in this time is looked at as stuck.
START_SECONDS: Final = 30.0
#: After the phone agreed, the link must be up by then (neonize may lose the news of it and say nothing).
FINISH_SECONDS: Final = 30.0
#: A connection that does not answer is given so long to do it after all, and is then made anew.
DOUBT_SECONDS: Final = 30.0
#: A host tells a sign of life every fifteen seconds; after so long without any it is doubted, but not before we have
#: looked a few times ourselves: we may be the one that was asleep.
SILENT_SECONDS: Final = 60.0
SILENT_LOOKS: Final = 5
#: After a code's expiry the next one, or the end of linking, must have come.
CODE_SLACK_SECONDS: Final = 15.0
#: Messages handed to one session's engine and not yet answered.
IN_FLIGHT: Final = 10
#: Each may wait for 75 s (docs/engine.md) behind all others; what has no answer by then may have none ever.
ANSWER_SECONDS: Final = 75.0 * IN_FLIGHT + 60.0
#: Hosts that may be starting at the same time.
STARTING_HOSTS: Final = 3


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
        self._engine = engine
        self._state_dir = state_dir
        self._identity = identity
        self._limits = limits
        self._owned: dict[str, Owned] = {}
        self._runs: set[HostRun] = set()
        self._alive: set[str] = set()
        self._woken: set[str] = set()
        self._wake = asyncio.Event()
        self._starting = asyncio.Semaphore(STARTING_HOSTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._launches: set[asyncio.Task[None]] = set()
        self._storing = Storing()
        self._snapshots = Snapshots(identity.store_id, limits.snapshot_seconds, lambda: list(self._owned.values()))
        self._bequests = Bequests(engine, state_dir, identity.store_id, lambda: list(self._owned))
        self._term = Term(limits.lost_after)
        self._repacking = Repacking(limits.repack)
        self._row: models.Worker | None = None
        self._next_tick = 0.0
        self._is_closing = False

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
        listener = asyncio.create_task(wakeups.listen(self._wake, self._woken, self._hear))
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
            if self._woken and not self._wants_full_tick():
                await self.attend(self._take_woken())
            else:
                await self.tick()
        except DATABASE_AWAY as error:
            metrics.DATABASE_RETRIES.inc()
            log.warning("the database is away (%s); connections are kept", type(error).__name__)

    def _hear(self, hint: Hint) -> None:
        """Somebody here types or looks: its host is told, if it is ours and online, and else nobody."""
        owned = self._owned.get(hint.session_id)
        if owned and owned.host and owned.is_connected and (command := owned.attention.command_for(hint)):
            owned.is_busy()
            self._spawn(owned.host.host.command(owned.session_id, command))

    def _wants_full_tick(self) -> bool:
        return asyncio.get_running_loop().time() >= self._next_tick

    def _take_woken(self) -> set[str]:
        woken = set(self._woken)
        self._woken.clear()
        return woken

    async def _sleep(self, stopper: asyncio.Task[bool]) -> None:
        pause = max(0.0, self._next_tick - asyncio.get_running_loop().time())
        wake = asyncio.create_task(self._wake.wait())
        await asyncio.wait({wake, stopper}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        wake.cancel()
        self._wake.clear()

    async def tick(self) -> None:
        """Beat, claim, and take one step for every session owned."""
        self._next_tick = asyncio.get_running_loop().time() + TICK_SECONDS
        self._woken.clear()
        await self._doubt_the_silent()
        marks = self._marks()
        alive, self._alive = self._alive, set()
        with self._term.renewing():
            beat = await arun_in_public(leases.renew, self._worker, alive=alive)
        for run in list(self._runs):  # hosts come and go meanwhile
            await self._term.tell(run)
        await self._keep_only(beat.mine)
        room = self._limits.capacity - len(beat.mine)
        claimed = await arun_in_public(leases.claim, self._worker, limit=room) if beat.has_free and room > 0 else []
        if claimed:
            log.info("claimed %d sessions", len(claimed))
        await self._look_at([*beat.mine, *claimed], marks)
        self._repacking.hear(beat.repack_asked_at)
        self._repack()
        await self._warm_up()

    async def _doubt_the_silent(self) -> None:
        """A host that hangs says nothing at all, not even that."""
        for owned in list(self._owned.values()):
            owned.silent_looks += 1
            is_silent = owned.silent_looks > SILENT_LOOKS and owned.silent_seconds > SILENT_SECONDS
            if is_silent and owned.is_connected and not owned.is_doubtful:
                self._notice(owned, [port.Doubtful()])
                await self._write(owned, reports.record, events=[port.Doubtful()])

    async def attend(self, session_ids: Iterable[str]) -> None:
        """Look at these now: somebody wants something of them. Others' and nobody's are claimed if they are free."""
        marks = self._marks()
        ids = list(session_ids)
        placements = await arun_in_public(leases.owned, self._worker, ids)
        if len(placements) < len(ids) and len(self._owned) < self._limits.capacity:
            placements += await arun_in_public(leases.claim, self._worker, limit=len(ids))
        await self._look_at(placements, marks)

    @property
    def _worker(self) -> models.Worker:
        assert self._row is not None, "open() comes first"
        return self._row

    def _marks(self) -> dict[str, int]:
        return {session_id: owned.writes for session_id, owned in self._owned.items()}

    async def _keep_only(self, placements: Sequence[Placement]) -> None:
        """Whatever is not ours any more is let go of at once: somebody else may be connecting it."""
        fences = {placement.session_id: placement.fence for placement in placements}
        for session_id, owned in list(self._owned.items()):
            if fences.get(session_id) != owned.placement.fence:
                await self._drop(owned)

    async def _look_at(self, placements: Sequence[Placement], marks: dict[str, int]) -> None:
        to_start = []
        for placement in placements:
            owned = self._owned.get(placement.session_id) or self._adopt(placement)
            if marks.get(owned.session_id, owned.writes) != owned.writes:
                # Written to since these rows were read: decide on fresh ones.
                self._woken.add(owned.session_id)
                self._wake.set()
                continue
            owned.placement = placement
            with about(company_id=owned.company.pk, session_id=owned.session_id):
                is_due = await self._step(owned)
            if is_due:
                to_start.append(owned)
        self._launch(to_start)

    def _adopt(self, placement: Placement) -> Owned:
        folder = device_store.make_folder(self._state_dir, placement.session_id)
        return self._owned.setdefault(placement.session_id, Owned(placement, folder))

    async def _step(self, owned: Owned) -> bool:
        """One step for one session; True if a host should be started for it."""
        if owned.is_overdue:
            await self._give_up_waiting(owned)
            return False
        match decide(owned.placement, owned.seen, timezone.now()):
            case Action.START:
                return True
            case Action.DISCONNECT:
                await self._ask_to_leave(owned, port.Disconnect())
            case Action.LOG_OUT:
                await self._ask_to_leave(owned, port.Logout())
            case Action.CANCEL:
                await self._cancel(owned)
            case Action.SETTLE:
                await self._write(owned, reports.record_settled)
                self._look_again(owned)
            case Action.LET_GO:
                await self._let_go(owned)
            case Action.NOTHING:
                owned.has_more, owned.came_back = owned.has_more or owned.came_back, False
                await self._give_up_on_answers(owned)
                await self._do_work(owned)
        return False

    def _look_again(self, owned: Owned) -> None:
        self._woken.add(owned.session_id)
        self._wake.set()

    def host_pids(self) -> dict[str, int]:
        """The host process of each session that has one."""
        return {sid: owned.host.host.pid for sid, owned in self._owned.items() if owned.host}

    async def ready(self) -> None:
        """Raises while this worker is not there for the fleet, or the database is not there for it."""
        await arun_in_public(presence.check_worker, self._row.pk if self._row else "")

    def show_metrics(self) -> None:
        """The process's gauges tell of this worker from now on."""
        observing.show(lambda: list(self._owned.values()), lambda: len(self._runs))

    # -- starting ------------------------------------------------------------------------------------------------
    def _launch(self, to_start: list[Owned]) -> None:
        """Start hosts for these: a new link in a process of its own, linked sessions together."""
        by_network: dict[str, list[Owned]] = {}
        for owned in to_start:
            # Held from here on, so that no later look starts it a second time.
            owned.is_starting = True
            by_network.setdefault(owned.placement.network, []).append(owned)
        for network, group in by_network.items():
            alone = [[owned] for owned in group if not owned.placement.is_linked]
            linked = [owned for owned in group if owned.placement.is_linked]
            size = self._limits.sessions_per_host
            shared = [linked[i : i + size] for i in range(0, len(linked), size)]
            for number, together in enumerate([*alone, *shared]):
                self._keep_as_launch(self._start_host(together, network, number * self._limits.hold_back))

    def _keep_as_launch(self, work: Coroutine[object, object, None]) -> None:
        launch = self._spawn(work)
        self._launches.add(launch)
        launch.add_done_callback(self._launches.discard)

    async def _start_host(self, group: list[Owned], network: str, delay: float) -> None:
        await asyncio.sleep(delay * random.random())  # noqa: S311  # jitter, not a secret
        async with self._starting:
            if self._is_closing:
                return
            try:
                births = [birth for owned in group if (birth := await self._prepare(owned))]
                if births:
                    access = await asyncio.to_thread(access_to, network)
                    await self._started(await self._engine.start(births, access), births)
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
            await self._write(owned, reports.record_end, ending=port.Ending.STORE_MISSING)
            owned.is_without_host()
            return None
        if not await self._write(owned, owning.prepare_start, folder=owned.folder):
            owned.is_without_host()
            return None
        return port.SessionBirth(owned.session_id, owned.folder, device_jid=stored.jid if stored else "")

    async def _has_keys_here(self, owned: Owned) -> bool:
        """True when it can be started. Keys whose disk is lost are put here out of their snapshot."""
        if not owned.placement.is_linked or owned.placement.store_id == self._identity.store_id:
            return True
        arguments = {"store_id": self._identity.store_id, "folder": owned.folder}
        try:
            is_here = bool(await self._write(owned, snapshots.take_over, **arguments))
        except SnapshotUnusable as error:
            log.error("session %s cannot go on from its snapshot here: %s", owned.session_id, error)
            await self._write(owned, reports.record_not_restored, detail=str(error))
            owned.is_without_host()
            # Its own disk may come back, and must find it free.
            with contextlib.suppress(*DATABASE_AWAY):
                await arun_in_public(leases.release, owned.lease)
                self._owned.pop(owned.session_id, None)
            return False
        if is_here:
            owned.placement.store_id = self._identity.store_id
        return is_here

    async def _not_started(self, group: Sequence[Owned], reason: Reason, detail: str) -> None:
        metrics.HOSTS_ENDED.labels("not_started").inc()
        for owned in group:
            if owned.is_starting:
                owned.is_without_host()
                await self._write(owned, reports.record_loss, reason=reason, detail=detail)

    async def _started(self, host: port.Host, births: Sequence[port.SessionBirth]) -> None:
        run = HostRun(host, {birth.session_id for birth in births})
        self._runs.add(run)
        metrics.HOSTS_STARTED.inc()
        await self._term.tell(run)
        for number, birth in enumerate(births):
            owned = self._owned.get(birth.session_id)
            if owned is None or not owned.is_starting:
                # Lost to another worker in the meantime.
                run.holding.discard(birth.session_id)
                await host.command(birth.session_id, port.Disconnect())
                continue
            owned.host, owned.is_starting = run, False
            # They start one after another, and the slowest ones take their time.
            owned.wait_at_most(START_SECONDS + number * 2)
        log.info("host %d holds %d sessions", host.pid, len(run.holding))
        run.task = self._spawn(self._watch(run))

    # -- merging -------------------------------------------------------------------------------------------------
    def _repack(self) -> None:
        """Nothing else is started meanwhile, so there is one merge at a time."""
        if self._launches or self._is_closing:
            return
        looks = [look for run in self._runs if (look := self._look_of(run))]
        if runs := self._repacking.choose(looks, self._limits.sessions_per_host):
            log.info("merging %d hosts into one", len(runs))
            for run in runs:
                run.is_leaving = run.is_merged = True
                for owned in self._held_by(run):
                    # From here on nothing is handed to it.
                    owned.is_moving = True
            self._keep_as_launch(self._merge(runs))

    def _look_of(self, run: HostRun) -> HostLook[HostRun] | None:
        owned = self._held_by(run)
        if run.is_leaving or not owned:
            return None
        quiet = [one.quiet_seconds for one in owned]
        known = [seconds for seconds in quiet if seconds is not None]
        shortest = min(known) if len(known) == len(run.holding) else None
        return HostLook(run, owned[0].placement.network, len(run.holding), shortest)

    def _held_by(self, run: HostRun) -> list[Owned]:
        return [owned for sid in run.holding if (owned := self._owned.get(sid)) and owned.host is run]

    async def _merge(self, runs: Sequence[HostRun]) -> None:
        """Hosts leave in good order, and one has all their sessions. Meanwhile messages wait, at WhatsApp or here."""
        moving = [owned for run in runs for owned in self._held_by(run)]
        try:
            for owned in moving:
                await self._write(owned, reports.record_repacking)
        finally:
            await asyncio.gather(*(run.host.end(grace=GRACE_SECONDS) for run in runs))
            await asyncio.wait([run.task for run in runs if run.task])
            ids = [session_id for run in runs for session_id in run.moved]
            left = [one for sid in ids if (one := self._owned.get(sid)) and one.is_starting]
            if left:
                await self._start_host(left, left[0].placement.network, 0.0)

    # -- listening -----------------------------------------------------------------------------------------------
    async def _watch(self, run: HostRun) -> None:
        async for batch in run.batches():
            for session_id, told in batch.items():
                if (owned := self._owned.get(session_id)) and owned.host is run:
                    await self._take_or_leave(run, owned, told)
        await self._host_ended(run)

    async def _take_or_leave(self, run: HostRun, owned: Owned, told: list[port.Report]) -> None:
        """What cannot be stored stops its own session and none of its neighbours; it is tried again with a new host."""
        with about(company_id=owned.company.pk, session_id=owned.session_id):
            await self._take_all(run, owned, told)

    async def _take_all(self, run: HostRun, owned: Owned, told: list[port.Report]) -> None:
        try:
            await self._take(run, owned, told)
        except DATABASE_AWAY as error:
            log.warning("session %s: the journal keeps what came last (%s)", owned.session_id, type(error).__name__)
        except Exception as error:
            log.exception("session %s: what its host reported cannot be stored", owned.session_id)
            await self._abandon(owned)
            detail = f"cannot be stored: {type(error).__name__}"
            await self._write(owned, reports.record_loss, reason=Reason.NOT_ANSWERING, detail=detail)
            self._look_again(owned)

    async def _take(self, run: HostRun, owned: Owned, told: list[port.Report]) -> None:
        """Store what was reported; only then may the host forget it."""
        # An entry that means nothing is no sign of life: it may be from before this connection.
        events = [report.event for report in told if not (report.seq and isinstance(report.event, port.Alive))]
        heals = owned.is_doubtful
        self._notice(owned, events)
        if seen := [event for event in events if isinstance(event, port.TypingSeen)]:
            self._spawn(self._tell_typing(owned, seen))
        events = [event for event in events if not isinstance(event, port.TypingSeen)]
        if any(heals or not isinstance(event, port.Alive) for event in events):
            stored = await self._write(owned, reports.record, events=events)
            if stored is None:
                return
            observing.answers(events, owned.in_flight)
            for message_id in stored.finished:
                owned.in_flight.pop(message_id, None)
            if stored.is_over:
                await self._released_by(run, owned)
        if last := max(report.seq for report in told):
            await run.host.acknowledge(owned.session_id, last)
        await self._do_work(owned)

    async def _tell_typing(self, owned: Owned, seen: Sequence[port.TypingSeen]) -> None:
        """Of each the last word. Who cannot be told now is not told: it would be news no more."""
        last = {(event.group, event.peer, event.sender): event for event in seen}
        call = partial(typing.tell, company=owned.company, session_id=owned.session_id, events=list(last.values()))
        with contextlib.suppress(*DATABASE_AWAY):
            await arun_in(owned.company, call)

    def _notice(self, owned: Owned, events: Iterable[port.EngineEvent]) -> None:
        """What the worker's own picture needs: who is connected, and what to wait for."""
        owned.hears()
        for event in events:
            if not isinstance(event, port.Alive | port.ProfileSeen):
                owned.is_busy()
            match event:
                case port.Connected():
                    owned.is_connected = owned.has_more = True
                    owned.is_doubtful = False
                    owned.wait_at_most(None)
                case port.ConnectionLost() | port.Ended():
                    owned.is_connected = owned.is_doubtful = False
                    owned.wait_at_most(None)
                case port.Doubtful() if owned.is_connected and not owned.is_doubtful:
                    owned.is_doubtful = True
                    owned.wait_at_most(DOUBT_SECONDS)
                case port.Alive(ok=True) if owned.is_doubtful:
                    owned.is_doubtful, owned.has_more = False, True
                    owned.wait_at_most(None)
                case port.ChallengeIssued(kind="qr", seconds=seconds):
                    owned.wait_at_most(seconds + CODE_SLACK_SECONDS)
                case port.Paired():
                    owned.wait_at_most(FINISH_SECONDS)
                case port.SendFinished(outcome=port.SendOutcome.NOT_SENT):
                    owned.came_back = True
                case port.ReactionFinished(outcome=port.SendOutcome.NOT_SENT | port.SendOutcome.UNCONFIRMED):
                    owned.came_back = True
                case port.MessageReceived() | port.SendFinished() if owned.holds_new:
                    # Whoever writes to us may be answered, and WhatsApp may take texts to new people again.
                    owned.has_more = True
                case port.Alive(ok=True) if owned.is_connected:
                    self._alive.add(owned.session_id)
                case port.Alive(ok=False):
                    owned.was_asked_to_leave = False

    async def _released_by(self, run: HostRun, owned: Owned) -> None:
        """The host does nothing for this session any more; without any left it goes."""
        owned.is_without_host()
        run.holding.discard(owned.session_id)
        if not run.holding and not run.is_leaving:
            run.is_leaving = True
            self._spawn(run.host.end(grace=GRACE_SECONDS))
        self._look_again(owned)

    async def _host_ended(self, run: HostRun) -> None:
        self._runs.discard(run)
        metrics.HOSTS_ENDED.labels("told_to" if run.is_leaving else "died").inc()
        left = self._held_by(run)
        if left and not run.is_leaving:
            log.error("host %d ended (%s) with %d sessions", run.host.pid, run.host.exit_reason, len(left))
        for owned in left:
            owned.is_without_host()
            if run.is_merged:
                # Whoever merges it starts the next host.
                owned.is_starting = True
                run.moved.append(owned.session_id)
            if not (self._is_closing or run.is_merged):
                detail = f"host {run.host.pid}: {run.host.exit_reason}"
                reason = Reason.WORKER_SILENT if self._term.is_over_for(run) else Reason.HOST_DIED
                await self._write(owned, reports.record_loss, reason=reason, detail=detail)
                self._look_again(owned)

    # -- steps ---------------------------------------------------------------------------------------------------
    async def _ask_to_leave(self, owned: Owned, command: port.Disconnect | port.Logout) -> None:
        if owned.host is None:
            return
        owned.was_asked_to_leave = True
        owned.wait_at_most(GRACE_SECONDS)
        await owned.host.host.command(owned.session_id, command)

    async def _cancel(self, owned: Owned) -> None:
        """End a link in the making: nothing is linked, so its process can simply go."""
        if owned.host is None:
            return
        await self._abandon(owned)
        await self._write(owned, reports.record_settled)
        self._look_again(owned)

    async def _abandon(self, owned: Owned) -> None:
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
            self._spawn(self._see_out(run, owned))
        else:
            run.is_leaving = True
            await run.host.kill()

    async def _see_out(self, run: HostRun, owned: Owned) -> None:
        """It may be connected whatever we think, and what it has acknowledged to WhatsApp must not go with it.

        Until it is gone nobody settles what it had in hand, and no other host has the session.
        """
        try:
            await run.host.end(grace=GRACE_SECONDS)
        finally:
            owned.is_leaving = False
            self._look_again(owned)

    async def _give_up_waiting(self, owned: Owned) -> None:
        """The engine has not said what it should have by now. It never will: it loses news like that."""
        state, linked = State(owned.placement.state), owned.placement.is_linked
        log.error("session %s: no news while %s, its host is left", owned.session_id, state)
        await self._abandon(owned)
        if state == State.PAIRING and not linked:
            await self._write(owned, reports.record_end, ending=port.Ending.PAIRING_TIMEOUT)
        else:
            reason = (
                Reason.PAIRING_UNFINISHED if owned.placement.reason == Reason.FINISHING_LINK else Reason.NOT_ANSWERING
            )
            await self._write(owned, reports.record_loss, reason=reason)
        self._look_again(owned)

    async def _let_go(self, owned: Owned) -> None:
        """Nobody wants anything of it: give it back. The keys of a device unlinked here are erased now."""
        if owned.placement.reason == Reason.UNLINKED and not owned.placement.is_linked:
            await asyncio.to_thread(device_store.erase, owned.folder)
        await self._snapshots.finish(owned)
        owned.is_without_host()
        self._owned.pop(owned.session_id, None)
        await arun_in_public(leases.release, owned.lease)
        # Somebody may have wanted it again while it still was ours.
        self._look_again(owned)

    async def _drop(self, owned: Owned) -> None:
        log.warning("session %s belongs to another worker now", owned.session_id)
        await self._abandon(owned)
        self._owned.pop(owned.session_id, None)

    async def _do_work(self, owned: Owned) -> None:
        """What people left for the engine to do: codes to ask for, messages to send."""
        run = owned.host
        if run is None or owned.placement.wanted != Wanted.RUNNING or owned.is_moving:
            return
        work = owned.placement.work
        has_news = owned.seen_work != work
        if owned.is_doubtful:
            # Whatever is handed to it now would wait for an answer, and might end as unconfirmed.
            return
        if owned.is_connected and len(owned.in_flight) < IN_FLIGHT // 2 and (has_news or owned.has_more):
            await self._send(run, owned)
        elif not owned.is_connected and not owned.placement.is_linked and has_news:
            await self._ask_for_code(run, owned)
        else:
            return
        owned.seen_work = work

    async def _send(self, run: HostRun, owned: Owned) -> None:
        room = IN_FLIGHT - len(owned.in_flight)
        handed = await self._write(owned, owning.take_queued, limit=room) or Handed()
        owned.has_more, owned.holds_new = handed.has_more, handed.holds_new
        owned.in_flight |= dict.fromkeys((order.reference for order in handed.orders), time.monotonic())
        if handed.orders:
            owned.is_busy()
        self._come_back(owned, handed.again_at)
        for order in handed.orders:
            await run.host.command(owned.session_id, order)

    async def _give_up_on_answers(self, owned: Owned) -> None:
        """An engine that has not answered by now may never do; an answer that comes after all still counts."""
        if overdue := owned.unanswered(ANSWER_SECONDS):
            log.error("session %s: no answer to %d messages", owned.session_id, len(overdue))
            await self._write(owned, owning.give_up_waiting, folder=owned.folder, message_ids=overdue)
            for message_id in overdue:
                owned.in_flight.pop(message_id, None)

    def _come_back(self, owned: Owned, at: datetime | None) -> None:
        """Ask for texts again at that moment: what was scheduled is due then, or the pace lets the next one go."""
        if owned.timer is not None:
            owned.timer.cancel()
        seconds = (at - timezone.now()).total_seconds() if at else 0.0
        loop = asyncio.get_running_loop()
        owned.timer = loop.call_later(max(seconds, 0.0), self._ask_again, owned) if at else None

    def _ask_again(self, owned: Owned) -> None:
        owned.timer, owned.has_more = None, True
        self._look_again(owned)

    async def _ask_for_code(self, run: HostRun, owned: Owned) -> None:
        request = await self._storing.in_company(owned.company, owning.wanted_code, session_id=owned.session_id)
        if request and request.at != owned.code_asked_at:
            owned.code_asked_at = request.at
            await run.host.command(owned.session_id, port.RequestCode(request.phone))

    async def _warm_up(self) -> None:
        """Keep a host ready on each network that anybody here may link on next."""
        for network in models.Network.values:
            try:
                access = await asyncio.to_thread(access_to, network)
                await self._engine.warm(access)
            except (NetworkMissing, port.EngineError):
                continue

    # -- writing and ending --------------------------------------------------------------------------------------
    async def _write(self, owned: Owned, function: Callable[..., R], **kwargs: object) -> R | None:
        """Call a service that writes for the session; None when it turned out to be another worker's."""
        owned.writes += 1
        owned.writing += 1
        try:
            arguments = {"company": owned.company, "lease": owned.lease, **kwargs}
            with about(session_id=owned.session_id):
                return await self._storing.in_company(owned.company, function, **arguments)
        except LeaseLost:
            await self._drop(owned)
            return None
        finally:
            owned.writes += 1
            owned.writing -= 1

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task of the worker failed", exc_info=error)

    async def close(self) -> None:
        """Hand over: every host leaves in good order, what it reported is stored, the sessions become free.

        Ends in bounded time whatever does not answer. What is not stored then is in the journals, and sessions that
        were not given back are free when the lease has ended.
        """
        self._is_closing = True
        self._storing.hasten()
        if self._launches:
            # A host that is just being born is to be told to leave, too.
            await asyncio.wait(self._launches, timeout=GRACE_SECONDS)
        for run in self._runs:
            run.is_leaving = True
        await asyncio.gather(*(run.host.end(grace=GRACE_SECONDS) for run in list(self._runs)))
        if watching := [run.task for run in list(self._runs) if run.task]:
            await asyncio.wait(watching, timeout=FAREWELL_SECONDS)
        await self._engine.close()
        await self._snapshots.finish_all(list(self._owned.values()))
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._give_back()
        except (TimeoutError, *DATABASE_AWAY) as error:
            log.warning("the sessions could not be given back (%s); their lease ends soon", type(error).__name__)

    async def _give_back(self) -> None:
        for owned in list(self._owned.values()):
            if owned.placement.wanted != Wanted.STOPPED:
                await self._write(owned, reports.record_loss, reason=Reason.WORKER_STOPPED, wait=False)
        if self._row is not None:
            await arun_in_public(leases.retire, self._row)
        log.info("worker %s has handed over %d sessions", self._identity.name, len(self._owned))


__all__ = ["Limits", "Worker", "WorkerGone"]
