"""`manage.py runjobs`: run queued and periodic jobs until told to stop."""

from typing import Any, cast

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector


class Command(BaseCommand):
    help = "Run background jobs."

    def handle(self, *args: Any, **options: Any) -> None:
        connector = cast(DjangoConnector, app.connector)
        with app.replace_connector(connector.get_worker_connector()) as running:
            running.run_worker(name="jobs", wait=True, install_signal_handlers=True)
