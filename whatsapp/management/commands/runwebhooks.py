"""`manage.py runwebhooks`: deliver events to webhook endpoints until told to stop (SIGTERM or Ctrl-C)."""

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from wharf.exposition import probed
from wharf.readiness import get_ready
from whatsapp.webhooks import observing
from whatsapp.webhooks.run import Dispatcher


class Command(BaseCommand):
    help = "Deliver events to webhook endpoints."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_run())


async def _run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    get_ready()
    dispatcher = Dispatcher(settings.WEBHOOK_ALLOWED_NETWORKS)
    observing.show(dispatcher.deliverings)
    async with probed(dispatcher.ready):
        await dispatcher.run(stop)
