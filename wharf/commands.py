"""The base of our commands: English sentences, an exit code for every kind of failure, and JSON for scripts."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from wharf.errors import WharfError
from wharf.meanings import meaning, say

_SHORTEST: Final = 0.05
_DAY: Final = 24 * 60 * 60


def seconds(said: str) -> float:
    """How often to look, as an option's `type`, up to once a day. Without a pause it would only keep a core busy."""
    try:
        every = float(said)
    except ValueError:
        every = 0.0
    if not _SHORTEST <= every <= _DAY:
        raise ArgumentTypeError(f"between {_SHORTEST} and {_DAY} seconds are expected")
    return every


class WharfCommand(BaseCommand):
    """An expected failure ends the process with its sentence and the exit code of its kind (`wharf.meanings`)."""

    # The checks import every page and endpoint, which costs a second; `manage.py check` is there for them.
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]

    def execute(self, *args: Any, **options: Any) -> str | None:
        with translation.override("en"):
            try:
                return super().execute(*args, **options)
            except WharfError as error:
                raise CommandError(say(error), returncode=meaning(error).exit_code) from error

    def add_json(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of sentences.")

    def add_password(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the password from standard input; without this one is made and printed once.",
        )

    def read_password(self, options: Mapping[str, Any]) -> str | None:
        return sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else None

    def tell(self, options: Mapping[str, Any], facts: Mapping[str, object], *sentences: str) -> None:
        """The facts as JSON where that is asked for, else the sentences."""
        lines = [json.dumps(facts, ensure_ascii=False)] if options["json"] else sentences
        for line in lines:
            self.stdout.write(line)
