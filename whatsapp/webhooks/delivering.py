"""One endpoint's events on their way: read from the log, sent one after another in each session, written down.

A session whose events go through follows the endpoint's own cursor and has no row. One that fails gets a lane: it waits
and tries again by itself, in order, while the others go on; when it has caught up it follows again. A replay is a lane
too. Where messages are sent together a chat is what a session is else, and has a lane while more may come that belongs
to its last message. All of this runs in one event loop, so between two `await`s nothing changes; what is to be written
is taken at one moment and written in one transaction.
"""

import asyncio
import json
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from fleet.dispatching import EndpointLease
from tenants.context import arun_in
from tenants.models import Company
from wharf import metrics
from wharf.logs import about
from wharf.networks import Network
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import deliveries
from whatsapp.services.deliveries import LaneState, Outgoing, Progress, Track
from whatsapp.webhooks import observing
from whatsapp.webhooks.circuit import LONGEST_OPEN, LONGEST_WAIT, Circuit, back_off
from whatsapp.webhooks.posting import AT_ONCE, GONE, Answer, Poster

log = logging.getLogger("whatsapp.webhooks")

#: An event that has failed for so long is given up; an endpoint that took nothing for so long is switched off.
GIVE_UP_AFTER: Final = timedelta(hours=72)
#: Events in hand at most, and read at once.
IN_HAND: Final = 400
#: Chats at most whose messages wait for more; nothing is read meanwhile.
HELD: Final = 2000
PAGE: Final = 200
LANE_PAGE: Final = 50
#: Between two looks into the log when nothing woke us: hints may be missed.
LOOK_SECONDS: Final = 5.0
#: From one look to the next at least, so that many events are read at once when they come fast.
READ_SECONDS: Final = 0.02
WRITE_SECONDS: Final = 0.5
#: What is on its way is waited for so long when we end.
PATIENCE_SECONDS: Final = 8.0
LEASE_LOOK_SECONDS: Final = 0.2


class Delivering:
    """`is_ours` says whether our lease certainly still holds; nothing is sent while it does not."""

    def __init__(
        self,
        company: Company,
        lease: EndpointLease,
        track: Track,
        *,
        allowed: Sequence[Network],
        is_ours: Callable[[], bool],
    ) -> None:
        self._company, self._lease, self._track, self._is_ours = company, lease, track, is_ours
        self._poster = Poster(track.receiver, allowed)
        self._circuit = Circuit(track.failures, track.failing_since, track.open_until, self._recover)
        self._slots = asyncio.Semaphore(AT_ONCE)
        #: Set when there may be something new in the log.
        self.woken = asyncio.Event()
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[Any] | None] = set()

        #: Everything up to here was read.
        self._position = track.cursor
        #: Read, in nobody's lane, and not yet delivered.
        self._pending: set[int] = set()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._queues: dict[str, deque[Outgoing]] = {}
        #: Sessions that fell behind, and up to where one that caught up is done; with batches these are chats.
        self._behind = {lane.stream: lane for lane in track.lanes if lane.until is None}
        #: Lanes of chats where nothing fails: what they have waits for more.
        self._held = {lane.key for lane in self._behind.values() if lane.chat_id and not lane.attempts}
        self._floors: dict[str, int] = {}
        self._wakes: dict[str, asyncio.Event] = {}

        # -- to be written -------------------------------------------------------------------------------------------
        self._written = (track.cursor, track.failures)
        self._changed: dict[str, LaneState] = {}
        self._closing: dict[str, int] = {}
        self._tries: list[dict[str, Any]] = []
        self._dead: list[dict[str, Any]] = []
        self._revived: list[str] = []
        self._verdict: DisabledReason | None = None

    # -- life --------------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until `stop`, or until the endpoint is switched off. Raises LeaseLost, and whatever the database does."""
        async with self._poster:
            self._spawn(self._read_on())
            writing = self._spawn(self._write_on())
            for lane in self._track.lanes:
                self._spawn(self._catch_up(lane))
            try:
                await self._end
            finally:
                await self._settle(writing)

    def stop(self) -> None:
        """Let what is on its way arrive, write down how far we are, and end."""
        if not self._end.done():
            self._end.set_result(None)

    @property
    def in_hand(self) -> int:
        """Events read, in nobody's lane, and not yet delivered."""
        return len(self._pending)

    @property
    def is_spared(self) -> bool:
        """The receiver takes nothing, so it is asked now and then only."""
        return self._circuit.open_until is not None

    def failing_since(self) -> list[datetime | None]:
        """Of each session that fell behind, since when its next event has failed; None once one went through."""
        return [lane.failing_since for lane in list(self._behind.values()) if lane.key not in self._held]

    async def _settle(self, writing: asyncio.Task[None]) -> None:
        self._stopping.set()
        for task in self._tasks - self._sending - {writing}:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=PATIENCE_SECONDS)
            for task in late:
                task.cancel()
        if self._end.cancelled() or self._end.exception() is None:
            await self._write()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        if problem is not None and not self._end.done():
            self._end.set_exception(problem)

    # -- the log -----------------------------------------------------------------------------------------------------
    async def _read_on(self) -> None:
        while True:
            await self._has_room.wait()
            await self._circuit.due()
            self.woken.clear()
            after, began = self._position, time.monotonic()
            page = await arun_in(
                self._company, deliveries.read, self._company, self._track.wanted, after=after, limit=PAGE
            )
            for event in page.events:
                self._hand_on(event)
            self._position = page.next
            self._floors = {stream: floor for stream, floor in self._floors.items() if floor > page.next}
            if not page.has_more:
                await _until(self.woken, LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # spreads load
                await asyncio.sleep(began + READ_SECONDS - time.monotonic())

    def _hand_on(self, event: Outgoing) -> None:
        """To its session's queue, unless the session has a lane or its lane had it."""
        stream = self._stream_of(event)
        if (lane := self._behind.get(stream)) is not None:
            self._tell_of_more(lane)
        if lane is not None or event.position <= self._floors.get(stream, 0):
            return
        self._pending.add(event.position)
        if stream not in self._queues:
            self._queues[stream] = deque()
            self._spawn(self._follow(stream))
        self._queues[stream].append(event)
        self._look_for_room()

    def _stream_of(self, event: Outgoing) -> str:
        """What is sent one after another: a session's events, and with batches a chat's."""
        is_by_chat = self._track.wanted.batching is not None
        return (event.chat_id or event.session_id) if is_by_chat else event.session_id

    def _done_with(self, event: Outgoing) -> None:
        self._pending.discard(event.position)
        self._look_for_room()

    def _look_for_room(self) -> None:
        if len(self._pending) >= IN_HAND or len(self._held) >= HELD:
            self._has_room.clear()
        elif len(self._pending) < IN_HAND - PAGE:
            self._has_room.set()

    # -- sessions whose events go through ----------------------------------------------------------------------------
    async def _follow(self, stream: str) -> None:
        queue = self._queues[stream]
        while queue and not self._stopping.is_set():
            event = queue[0]
            if event.is_held:
                self._hold(stream, event)
                return
            answer = await self._send(event, 1, is_replay=False)
            if not answer.is_delivered:
                self._fall_behind(stream, event, answer)
                return
            queue.popleft()
            self._done_with(event)
        if not queue:
            del self._queues[stream]

    def _hold(self, stream: str, event: Outgoing) -> None:
        """Others may belong to it, so its chat goes its own way until they are there."""
        lane = self._lane_from(stream, event)
        self._held.add(lane.key)
        self._look_for_room()
        self._spawn(self._catch_up(lane))

    def _fall_behind(self, stream: str, event: Outgoing, answer: Answer) -> None:
        lane = self._lane_from(stream, event)
        with about(session_id=event.session_id, event_id=event.id):
            log.info("an event was not taken (%s); trying again by itself", answer.status or answer.error)
        self._fail(lane, event, answer)
        self._spawn(self._catch_up(lane))

    def _lane_from(self, stream: str, event: Outgoing) -> LaneState:
        """For what comes from this event on. Its row is written with the cursor that goes past it."""
        endpoint_id, cursor = self._lease.endpoint_id, event.position - 1
        if self._track.wanted.batching is None:
            lane = LaneState(f"{endpoint_id}.{stream}", event.session_id, cursor)
        else:
            lane = LaneState(f"{endpoint_id}.chat.{stream}", event.session_id, cursor, chat_id=event.chat_id)
        self._behind[stream] = self._changed[lane.key] = lane
        self._closing.pop(lane.key, None)
        for waiting in self._queues.pop(stream):
            self._done_with(waiting)
        return lane

    # -- lanes -------------------------------------------------------------------------------------------------------
    async def _catch_up(self, lane: LaneState) -> None:
        """A lane's own events, one after another, each until it is delivered or given up."""
        wake = self._wakes.setdefault(lane.key, asyncio.Event())
        while not self._stopping.is_set():
            wake.clear()
            page = await arun_in(
                self._company, deliveries.read_lane, self._company, self._track.wanted, lane, limit=LANE_PAGE
            )
            for event in page.events:
                await self._deliver(lane, event)
                if self._stopping.is_set():
                    return
            if page.wait is not None:
                await _until(wake, page.wait if not page.events else 0)
            elif not page.has_more:
                lane.cursor = max(lane.cursor, page.next)
                if lane.until is not None or lane.cursor >= self._position:
                    self._close(lane)
                    return

    def _tell_of_more(self, lane: LaneState) -> None:
        """It may be what a batch was waiting for; what has failed waits for its own time."""
        if lane.key in self._held and lane.key in self._wakes:
            self._wakes[lane.key].set()

    async def _deliver(self, lane: LaneState, event: Outgoing) -> None:
        while lane.cursor < event.position and not self._stopping.is_set():
            await self._until_due(lane)
            answer = await self._send(event, lane.attempts + 1, is_replay=lane.is_replay)
            if answer.is_delivered:
                self._passed(lane, event)
                if lane.is_replay:
                    self._revived.append(event.id)
            else:
                self._fail(lane, event, answer)

    async def _until_due(self, lane: LaneState) -> None:
        wake = self._wakes.setdefault(lane.key, asyncio.Event())
        wake.clear()
        if lane.next_at is not None:
            await _until(wake, (lane.next_at - timezone.now()).total_seconds())

    def _passed(self, lane: LaneState, event: Outgoing) -> None:
        lane.cursor, lane.attempts, lane.failing_since, lane.next_at = event.position, 0, None, None
        if lane.chat_id and lane.until is None:
            self._held.add(lane.key)
        self._changed[lane.key] = lane

    def _close(self, lane: LaneState) -> None:
        """A replay is over; a session follows again, from where its lane has brought it."""
        self._wakes.pop(lane.key, None)
        self._changed[lane.key] = lane
        self._held.discard(lane.key)
        if lane.until is not None:
            self._closing[lane.key] = 0
        else:
            # Its row goes once the endpoint's own cursor has come as far.
            self._closing[lane.key] = self._floors[lane.stream] = lane.cursor
            del self._behind[lane.stream]
        self._look_for_room()

    def _recover(self) -> None:
        """The receiver is back, so nobody waits any longer."""
        for lane in [*self._behind.values(), *self._track.lanes]:
            lane.next_at = None
        for wake in self._wakes.values():
            wake.set()

    # -- failing -----------------------------------------------------------------------------------------------------
    def _fail(self, lane: LaneState, event: Outgoing, answer: Answer) -> None:
        now = timezone.now()
        self._changed[lane.key] = lane
        self._held.discard(lane.key)
        lane.attempts += 1
        lane.failing_since = lane.failing_since or now
        longest = LONGEST_OPEN if self._circuit.open_until else LONGEST_WAIT
        lane.next_at = now + back_off(lane.attempts, longest)
        if now - lane.failing_since >= GIVE_UP_AFTER and not self._end.done():
            self._give_up(lane, event, answer)

    def _give_up(self, lane: LaneState, event: Outgoing, answer: Answer) -> None:
        """While others are taken, this event is the trouble; while none is, the receiver is, and all is kept for it."""
        since = self._circuit.failing_since
        if since is not None and timezone.now() - since >= GIVE_UP_AFTER:
            self._switch_off(DisabledReason.UNREACHABLE)
            return
        outcome = {"attempts": lane.attempts, "status": answer.status, "error": answer.error}
        metrics.WEBHOOK_GIVEN_UP.inc()
        with about(session_id=event.session_id, event_id=event.id):
            log.warning("an event is given up after %d attempts (%s)", lane.attempts, answer.status or answer.error)
        self._dead.append(_about(event) | outcome | {"body": json.loads(event.body)})
        self._passed(lane, event)

    def _switch_off(self, reason: DisabledReason) -> None:
        if not self._end.done():
            self._verdict = reason
            metrics.WEBHOOK_SWITCHED_OFF.labels(reason.value).inc()
            log.warning("the endpoint is switched off (%s)", reason.value)
            self.stop()

    # -- sending -----------------------------------------------------------------------------------------------------
    async def _send(self, event: Outgoing, attempt: int, *, is_replay: bool) -> Answer:
        async with self._slots:
            await self._circuit.admitted()
            while not self._is_ours():  # noqa: ASYNC110  # a clock tells nobody
                await asyncio.sleep(LEASE_LOOK_SECONDS)
            task = asyncio.current_task()
            self._sending.add(task)
            at = timezone.now()
            try:
                answer = await self._poster.post(event)
            finally:
                self._sending.discard(task)
        observing.attempt(event, answer, is_replay=is_replay)
        self._note(answer)
        self._tries.append(_about(event) | _told_by(answer) | {"attempt": attempt, "is_replay": is_replay, "at": at})
        return answer

    def _note(self, answer: Answer) -> None:
        if answer.is_delivered:
            self._circuit.succeeded()
        else:
            self._circuit.failed(retry_after=answer.retry_after)
            if answer.status == GONE:
                self._switch_off(DisabledReason.GONE)

    # -- writing -----------------------------------------------------------------------------------------------------
    async def _write_on(self) -> None:
        while not self._stopping.is_set():
            await _until(self._stopping, WRITE_SECONDS)
            await self._write()

    async def _write(self) -> None:
        progress = self._taken()
        if progress is not None:
            await arun_in(self._company, deliveries.record, self._company, self._lease, progress)

    def _taken(self) -> Progress | None:
        """All that is new, at this moment; None when nothing is."""
        cursor = min(self._pending) - 1 if self._pending else self._position
        closed = [key for key, reached in self._closing.items() if reached <= cursor]
        is_new = self._written != (cursor, self._circuit.failures) or self._changed or closed or self._tries
        if not is_new and self._verdict is None:
            return None
        # Copies: a thread writes them while we go on.
        changed = [replace(lane) for key, lane in self._changed.items() if key not in closed]
        progress = Progress(
            cursor=cursor,
            failures=self._circuit.failures,
            failing_since=self._circuit.failing_since,
            open_until=self._circuit.open_until,
            lanes=changed,
            closed=closed,
            tries=self._tries,
            dead=self._dead,
            revived=self._revived,
            disabled=self._verdict,
        )
        self._written = (cursor, self._circuit.failures)
        self._changed, self._tries, self._dead, self._revived, self._verdict = {}, [], [], [], None
        for key in closed:
            del self._closing[key]
        return progress


async def _until(happened: asyncio.Event, seconds: float) -> None:
    """Until it is set, or for so long."""
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await happened.wait()


def _about(event: Outgoing) -> dict[str, Any]:
    return {"event_id": event.id, "event_kind": event.kind, "session_id": event.session_id}


def _told_by(answer: Answer) -> dict[str, Any]:
    outcome = {"is_delivered": answer.is_delivered, "status": answer.status, "error": answer.error}
    return outcome | {"duration": answer.duration, "response": answer.response}
