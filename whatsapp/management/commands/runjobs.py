"""`manage.py runjobs`: run queued and periodic jobs until told to stop."""

import asyncio
from typing import Any, cast

from django.core.management.base import BaseCommand
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

from wharf.exposition import probed


class Command(BaseCommand):
    help = "Run background jobs."

    def handle(self, *args: Any, **options: Any) -> None:
        connector = cast(DjangoConnector, app.connector)
        with app.replace_connector(connector.get_worker_connector()) as running:
            asyncio.run(_run(running))


async def _run(running: App) -> None:
    async with running.open_async(), probed(running.check_connection_async):
        await running.run_worker_async(name="jobs", wait=True, install_signal_handlers=True)
