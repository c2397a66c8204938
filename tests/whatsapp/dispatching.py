"""A dispatcher in a loop of its own, and endpoints to deliver to."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from accounts.permissions import SYSTEM
from tenants.context import run_in
from tenants.models import Company
from tests.waiting import eventually
from whatsapp.models import Event, WebhookEndpoint
from whatsapp.services import webhooks
from whatsapp.webhooks.run import Dispatcher


class DispatcherThread:
    """`stop` lets it end as SIGTERM does."""

    def __init__(self, name: str = "test") -> None:
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.dispatcher = Dispatcher(settings.WEBHOOK_ALLOWED_NETWORKS, name=name)
        self._thread = threading.Thread(target=self._main, name="dispatcher", daemon=True)

    def start(self) -> "DispatcherThread":
        self._thread.start()
        eventually(lambda: self._loop, what="the dispatcher is there")
        return self

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.dispatcher.run(self._stop)

    def stop(self) -> None:
        if self._thread.is_alive():
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(60)
            assert not self._thread.is_alive(), "the dispatcher did not stop"


@contextmanager
def dispatching_as(name: str = "test") -> Iterator[DispatcherThread]:
    running = DispatcherThread(name).start()
    try:
        yield running
    finally:
        running.stop()


def endpoint(company: Company, url: str, **words: Any) -> WebhookEndpoint:
    return run_in(company, lambda: webhooks.create(company=company, by=SYSTEM, url=url, **words)[0])


def fresh(company: Company, endpoint_id: str) -> WebhookEndpoint:
    return run_in(company, WebhookEndpoint.objects.get, pk=endpoint_id)


def log_top(company: Company) -> int:
    return run_in(company, lambda: Event.objects.order_by("-position").values_list("position", flat=True).first() or 0)
