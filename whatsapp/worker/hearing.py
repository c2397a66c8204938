"""Storing what hosts report; only then may they forget it."""

import contextlib
import logging
from collections.abc import Sequence
from functools import partial

from fleet.reasons import Reason
from tenants.context import arun_in
from wharf.logs import about
from whatsapp.engine import port
from whatsapp.services import reports, typing
from whatsapp.worker import observing
from whatsapp.worker.holding import Holding
from whatsapp.worker.hosting import HostRun
from whatsapp.worker.hosts import Hosts
from whatsapp.worker.noticing import may_let_texts_go, notice
from whatsapp.worker.owned import Owned
from whatsapp.worker.sending import Sending
from whatsapp.worker.storing import DATABASE_AWAY
from whatsapp.worker.tasks import Tasks

log = logging.getLogger("whatsapp.worker")


class Hearing:
    def __init__(self, holding: Holding, hosts: Hosts, sending: Sending, tasks: Tasks) -> None:
        self._holding, self._hosts, self._sending, self._tasks = holding, hosts, sending, tasks
        self._alive: set[str] = set()

    def take_alive(self) -> set[str]:
        """Whose connections have given a sign of life since this was last asked."""
        alive, self._alive = self._alive, set()
        return alive

    async def hear(self, run: HostRun, owned: Owned, told: list[port.Report]) -> None:
        """What cannot be stored stops its own session and none of its neighbours; it is tried again with a new host."""
        with about(company_id=owned.company.pk, session_id=owned.session_id):
            try:
                await self._take(run, owned, told)
            except DATABASE_AWAY as error:
                log.warning("session %s: the journal keeps what came last (%s)", owned.session_id, type(error).__name__)
            except Exception as error:
                log.exception("session %s: what its host reported cannot be stored", owned.session_id)
                await self._hosts.abandon(owned)
                detail = f"cannot be stored: {type(error).__name__}"
                await self._holding.write(owned, reports.record_loss, reason=Reason.NOT_ANSWERING, detail=detail)
                self._holding.look_again(owned)

    async def _take(self, run: HostRun, owned: Owned, told: list[port.Report]) -> None:
        # An entry that means nothing is no sign of life: it may be from before this connection.
        events = [report.event for report in told if not (report.seq and isinstance(report.event, port.Alive))]
        heals = owned.is_doubtful
        if notice(owned, events):
            self._alive.add(owned.session_id)
        if seen := [event for event in events if isinstance(event, port.TypingSeen)]:
            self._tasks.spawn(_tell_typing(owned, seen))
        events = [event for event in events if not isinstance(event, port.TypingSeen)]
        is_news = any(heals or not isinstance(event, port.Alive) for event in events)
        if is_news and not await self._store(run, owned, events):
            return
        if last := max(report.seq for report in told):
            await run.host.acknowledge(owned.session_id, last)
        # Asked again only now that it is stored. A question that is under way may have been too early.
        if (owned.holds_new or owned.asking) and may_let_texts_go(events):
            owned.has_more = True
        await self._sending.do_work(owned)

    async def _store(self, run: HostRun, owned: Owned, events: Sequence[port.EngineEvent]) -> bool:
        """False when the session turned out to be another worker's."""
        stored = await self._holding.write(owned, reports.record, events=events)
        if stored is None:
            return False
        observing.answers(events, owned.in_flight)
        owned.window.note(len(stored.finished))
        for message_id in stored.finished:
            owned.in_flight.pop(message_id, None)
        if stored.is_over:
            self._hosts.release(run, owned)
        return True


async def _tell_typing(owned: Owned, seen: Sequence[port.TypingSeen]) -> None:
    """Of each the last word. Who cannot be told now is not told: it would be news no more."""
    last = {(event.group, event.peer, event.sender): event for event in seen}
    call = partial(typing.tell, company=owned.company, session_id=owned.session_id, events=list(last.values()))
    with contextlib.suppress(*DATABASE_AWAY):
        await arun_in(owned.company, call)
