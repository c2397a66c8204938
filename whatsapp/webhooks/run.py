"""The dispatcher: claims endpoints, delivers to each by itself, and gives them back.

Whatever goes wrong with one endpoint ends that one alone; it is taken up again from its rows at the next beat.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, InterfaceError

from fleet import dispatching, presence
from fleet.leases import LEASE, LeaseLost
from fleet.models import Dispatcher as DispatcherRow
from fleet.models import EndpointPlacement
from tenants.context import arun_in, arun_in_public
from tenants.models import Company
from wharf import metrics
from wharf.logs import about
from wharf.networks import Network
from wharf.seals import SealBroken
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import deliveries
from whatsapp.webhooks.delivering import Delivering
from whatsapp.webhooks.hints import Hints

log = logging.getLogger("whatsapp.webhooks")

BEAT_SECONDS: Final = 3.0
#: Before the end of our lease we stop sending: by then somebody else may begin.
MARGIN_SECONDS: Final = 2.0


@dataclass
class Run:
    """An endpoint of ours, with what of its placement we have seen."""

    placement: EndpointPlacement
    task: asyncio.Task[None]
    delivering: Delivering | None = None
    is_unwanted: bool = False

    def ends(self) -> None:
        self.is_unwanted = True
        if self.delivering is not None:
            self.delivering.stop()

    def is_of(self, placement: EndpointPlacement) -> bool:
        return (self.placement.fence, self.placement.work) == (placement.fence, placement.work)


class Dispatcher:
    def __init__(self, allowed: Sequence[Network], *, name: str = "") -> None:
        self._allowed = allowed
        self._name = name or socket.gethostname()
        self._row: DispatcherRow | None = None
        self._runs: dict[str, Run] = {}
        self._surplus: set[str] = set()
        self._valid_until = 0.0
        self._wake = asyncio.Event()
        self._hints = Hints(self._hear)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set. Raises DispatcherGone when our row is no longer ours."""
        self._row = await arun_in_public(dispatching.register, name=self._name, pid=os.getpid())
        hints = asyncio.create_task(self._hints.listen())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                await self._beat()
                await self._rest(stopping)
        finally:
            stopping.cancel()
            hints.cancel()
            await self._leave()

    async def ready(self) -> None:
        """Raises while this dispatcher is not there for the fleet, or the database is not there for it."""
        await arun_in_public(presence.check_dispatcher, self._row.pk if self._row else "")

    @property
    def _me(self) -> DispatcherRow:
        assert self._row is not None, "run() registers first"
        return self._row

    def deliverings(self) -> list[Delivering]:
        return [run.delivering for run in list(self._runs.values()) if run.delivering is not None]

    async def _rest(self, stopping: asyncio.Task[bool]) -> None:
        waking = asyncio.create_task(self._wake.wait())
        await asyncio.wait({waking, stopping}, timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()

    async def _leave(self) -> None:
        for run in self._runs.values():
            run.ends()
        if tasks := [run.task for run in self._runs.values()]:
            await asyncio.wait(tasks)
        with suppress(DatabaseError, InterfaceError):
            await arun_in_public(dispatching.retire, self._me)

    def _hear(self, schema: str, is_about_endpoints: bool) -> None:
        for run in self._runs.values():
            if run.delivering is not None and run.placement.company.schema_name == schema:
                run.delivering.woken.set()
        if is_about_endpoints:
            self._wake.set()

    # -- what is ours ------------------------------------------------------------------------------------------------
    async def _beat(self) -> None:
        began = time.monotonic()
        try:
            mine, surplus = await arun_in_public(dispatching.renew, self._me)
        except (DatabaseError, InterfaceError) as error:
            # Our lease runs out meanwhile, and then nothing is sent any more.
            metrics.DATABASE_RETRIES.inc()
            log.warning("the database is away (%s)", type(error).__name__)
            return
        self._valid_until = began + LEASE.total_seconds() - MARGIN_SECONDS
        self._surplus = {placement.endpoint_id for placement in surplus}
        serving = {p.endpoint_id: p for p in mine if _is_served(p.company)}
        for endpoint_id, run in self._runs.items():
            placement = serving.get(endpoint_id)
            if placement is None or endpoint_id in self._surplus or not run.is_of(placement):
                run.ends()
        for endpoint_id, placement in serving.items():
            if endpoint_id not in self._runs and endpoint_id not in self._surplus:
                self._begin(placement)
        for placement in surplus:
            if placement.endpoint_id not in self._runs:
                await arun_in_public(dispatching.release, dispatching.lease_of(placement))

    def _is_valid(self) -> bool:
        return time.monotonic() < self._valid_until

    def _begin(self, placement: EndpointPlacement) -> None:
        with about(company_id=placement.company_id, endpoint_id=placement.endpoint_id):
            task = asyncio.create_task(self._deliver(placement), name=placement.endpoint_id)
        self._runs[placement.endpoint_id] = Run(placement, task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        run = self._runs.pop(task.get_name())
        problem = None if task.cancelled() else task.exception()
        if problem is None or isinstance(problem, LeaseLost):
            if run.is_unwanted:
                # For its successor: new words, or another dispatcher.
                self._wake.set()
        else:
            log.error("delivering to an endpoint failed; beginning again", exc_info=problem)

    async def _deliver(self, placement: EndpointPlacement) -> None:
        company, lease = placement.company, dispatching.lease_of(placement)
        await self._hints.follow(company)
        try:
            track = await arun_in(company, deliveries.load, lease)
        except SealBroken:
            await arun_in(company, deliveries.disable, company, lease, DisabledReason.SECRET_UNREADABLE)
            return
        run = self._runs[placement.endpoint_id]
        if track is None or run.is_unwanted:
            return
        run.delivering = Delivering(company, lease, track, allowed=self._allowed, is_ours=self._is_valid)
        await run.delivering.run()


def _is_served(company: Company) -> bool:
    """Who is suspended, or whose subscription is over, hears nothing; it goes on where it stopped."""
    return company.is_active and company.is_subscribed
