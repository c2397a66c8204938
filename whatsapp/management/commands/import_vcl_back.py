"""`manage.py import_vcl_back --from env:NAME`: take over companies from the older system A (docs/migrating.md)."""

from typing import Any

from django.core.management.base import CommandParser

from wharf.commands import WharfCommand
from whatsapp.imports.source import read_address
from whatsapp.imports.vcl_back import import_all


class Command(WharfCommand):
    help = "Take companies, people, chats and messages from vcl-back's database. May be run again for what is new."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            required=True,
            metavar="SOURCE",
            help="env:NAME or file:PATH, which keep the password out of sight, or postgresql://… itself.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Tell what would happen, and leave nothing.")
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        report = import_all(read_address(options["source"]), is_dry_run=options["dry_run"], say=self.stderr.write)
        self.tell(options, report.facts(), *report.sentences())
