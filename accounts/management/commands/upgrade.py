"""`manage.py upgrade`: the database brought to this code's migrations. Run it after every deploy, from any replica."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.demo import create_demo
from tenants.upgrading import upgrade
from wharf.commands import WharfCommand


class Command(WharfCommand):
    help = "Bring the shared schema, the template and every company's schema to the current migrations."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--then-demo", type=Path, metavar="FILE", help="Then do what `create_demo --output` does.")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = upgrade(self.stdout.write)
        if options["then_demo"]:
            create_demo(options["then_demo"], self.stdout.write)
        if failed:
            raise CommandError(f"Not upgraded: {', '.join(failed)}")
