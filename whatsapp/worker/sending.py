"""What people left for the engine to do: messages to send, codes to ask for."""

import asyncio
import logging
import time
from datetime import datetime

from django.utils import timezone

from fleet.states import Wanted
from whatsapp.engine import port
from whatsapp.services import owning
from whatsapp.services.handing import Handed
from whatsapp.worker import patience
from whatsapp.worker.holding import Holding
from whatsapp.worker.hosting import HostRun
from whatsapp.worker.owned import Owned
from whatsapp.worker.storing import Storing

log = logging.getLogger("whatsapp.worker")


class Sending:
    def __init__(self, holding: Holding, storing: Storing) -> None:
        self._holding, self._storing = holding, storing

    async def do_work(self, owned: Owned) -> None:
        run = owned.host
        if run is None or owned.placement.wanted != Wanted.RUNNING or owned.is_moving:
            return
        work = owned.placement.work
        has_news = owned.seen_work != work
        if owned.is_doubtful:
            # Whatever is handed to it now would wait for an answer, and might end as unconfirmed.
            return
        window = owned.window.size()
        room = window - len(owned.in_flight)
        # Not one at a time: they are taken, stored and told in sets.
        if owned.is_connected and room > window // 2 and (has_news or owned.has_more):
            await self._send(run, owned, room)
        elif not owned.is_connected and not owned.placement.is_linked and has_news:
            await self._ask_for_code(run, owned)
        else:
            return
        owned.seen_work = work

    async def _send(self, run: HostRun, owned: Owned, room: int) -> None:
        owned.asking += 1
        try:
            handed = await self._holding.write(owned, owning.take_queued, limit=room) or Handed()
        finally:
            owned.asking -= 1
        owned.has_more, owned.holds_new = handed.has_more, handed.holds_new
        owned.in_flight |= dict.fromkeys((order.reference for order in handed.orders), time.monotonic())
        if handed.orders:
            owned.is_busy()
        self._come_back(owned, handed.again_at)
        await run.host.command(owned.session_id, *handed.orders)

    async def _ask_for_code(self, run: HostRun, owned: Owned) -> None:
        request = await self._storing.in_company(owned.company, owning.wanted_code, session_id=owned.session_id)
        if request and request.at != owned.code_asked_at:
            owned.code_asked_at = request.at
            await run.host.command(owned.session_id, port.RequestCode(request.phone))

    async def give_up_on_answers(self, owned: Owned) -> None:
        """An engine that has not answered by now may never do; an answer that comes after all still counts."""
        if overdue := owned.unanswered(patience.ANSWER_SECONDS):
            log.error("session %s: no answer to %d messages", owned.session_id, len(overdue))
            arguments = {"folder": owned.folder, "message_ids": overdue}
            await self._holding.write(owned, owning.give_up_waiting, **arguments)
            for message_id in overdue:
                owned.in_flight.pop(message_id, None)

    # -- later ---------------------------------------------------------------------------------------------------------
    def _come_back(self, owned: Owned, at: datetime | None) -> None:
        """Ask for texts again at that moment: what was scheduled is due then, or the pace lets the next one go."""
        if owned.timer is not None:
            owned.timer.cancel()
        seconds = (at - timezone.now()).total_seconds() if at else 0.0
        loop = asyncio.get_running_loop()
        owned.timer = loop.call_later(max(seconds, 0.0), self._ask_again, owned) if at else None

    def _ask_again(self, owned: Owned) -> None:
        owned.timer, owned.has_more = None, True
        self._holding.look_again(owned)
