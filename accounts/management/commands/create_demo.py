"""`manage.py create_demo --output FILE`: a company to try everything with; its passwords are in the file alone."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from accounts.demo import create_demo
from wharf.commands import WharfCommand


class Command(WharfCommand):
    help = "Make the demo company and its people, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, required=True, help="The JSON file that tells the passwords.")

    def handle(self, *args: Any, **options: Any) -> None:
        create_demo(options["output"], self.stdout.write)
