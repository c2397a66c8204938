"""`manage.py runsessions`: keep sessions online until told to stop (SIGTERM or Ctrl-C)."""

import asyncio
import logging
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from wharf.exposition import probed
from wharf.readiness import get_ready
from whatsapp.engine.process import ProcessEngine
from whatsapp.worker.backing_up import keep_backups
from whatsapp.worker.identity import take_identity
from whatsapp.worker.packing import Hours
from whatsapp.worker.repacking import Policy
from whatsapp.worker.run import Limits, Worker

log = logging.getLogger("whatsapp.worker")


class Command(BaseCommand):
    help = "Keep WhatsApp sessions online."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--capacity", type=int, default=settings.WORKER["capacity"])
        parser.add_argument("--sessions-per-host", type=int, default=settings.WORKER["sessions_per_host"])

    def handle(self, *args: Any, **options: Any) -> None:
        limits = Limits(
            options["capacity"],
            options["sessions_per_host"],
            snapshot_seconds=settings.WORKER["snapshot_seconds"],
            lost_after=settings.WORKER["lost_disk_seconds"],
            repack=Policy(settings.REPACK_QUIET_MINUTES * 60.0, Hours(*settings.REPACK_WINDOW)),
        )
        asyncio.run(_run(limits))


async def _run(limits: Limits) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    get_ready()
    identity = take_identity(settings.STATE_DIR)
    engine = ProcessEngine(settings.STATE_DIR, warm=settings.WORKER["warm_hosts"])
    backups = asyncio.create_task(keep_backups(stop))
    worker = Worker(engine=engine, state_dir=settings.STATE_DIR, identity=identity, limits=limits)
    worker.show_metrics()
    async with probed(worker.ready):
        await worker.run(stop)
    backups.cancel()
