"""`manage.py runsandbox`: the same program under Django's roof."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from sandbox import running


class Command(BaseCommand):
    help = "Runs the sandbox: a local WhatsApp with virtual phones, reachable from this machine alone."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        running.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        sys.exit(running.run(options["port"], options["state"]))
