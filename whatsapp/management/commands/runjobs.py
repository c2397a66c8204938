"""`manage.py runjobs`: run queued and periodic jobs until told to stop (SIGTERM or Ctrl-C).

procrastinate's worker ends by itself, and well, when its database goes away. So it is begun anew until we are told to
stop: a process that ends with 0 would be taken for one that was meant to.
"""

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Any, Final, cast

from django.core.management.base import BaseCommand, CommandError
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from wharf import metrics
from wharf.exposition import probed

log = logging.getLogger("fleet.jobs")

RETRY_SECONDS: Final = 2.0


class Command(BaseCommand):
    help = "Run background jobs."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_run())


async def _run() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with probed(lambda: app.check_connection_async()):
        while not stop.is_set():
            try:
                await _work_until(stop)
            except (ConnectorException, PoolTimeout) as error:
                log.warning("the database is away (%s)", type(error).__name__)
            if not stop.is_set():
                metrics.DATABASE_RETRIES.inc()
                await _rest(stop)


async def _work_until(stop: asyncio.Event) -> None:
    """Until it is set, or until the worker ends because it lost its database."""
    # A connector of its own each time: one whose pool could not be opened cannot be opened again.
    connector = cast(DjangoConnector, app.connector).get_worker_connector()
    with app.replace_connector(connector) as running:
        try:
            await running.open_async()
            if not await running.check_connection_async():
                raise CommandError("The database has no tables of ours; run manage.py upgrade")
            await _worked(running, stop)
        finally:
            await running.close_async()


async def _worked(running: App, stop: asyncio.Event) -> None:
    working = asyncio.create_task(running.run_worker_async(name="jobs", wait=True, install_signal_handlers=False))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    # It lets the jobs under way come to their end.
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _rest(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(RETRY_SECONDS):
            await stop.wait()
