"""`manage.py session_cleanup [--yes]`: what on this disk is of no use; with --yes it is moved to the trash."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from wharf.commands import WharfCommand
from whatsapp.services import cleanup
from whatsapp.services.cleanup import Failure, Item, Verdict


class Command(WharfCommand):
    help = "List what on this disk is provably of no use; with --yes clear it away. Keys of devices always stay."

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="Only say what would be done (so it is without --yes).")
        how.add_argument("--yes", action="store_true", help="Do it.")
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        items = cleanup.plan()
        done, failures = cleanup.carry_out(items) if options["yes"] else ([], [])
        lines = [f"{item.verdict:6} {item.path}: {item.why}" for item in items if item.is_odd or _goes(item)]
        lines += [f"FAILED {failure.item.path}: {failure.problem}" for failure in failures]
        facts = _facts(items, done, failures, is_done=options["yes"])
        self.tell(options, facts, *lines, _summary(items, done, failures))
        if options["yes"]:
            self._end(failures)
        elif not options["json"]:
            self.stdout.write("Nothing was changed; --yes does it.")

    def _end(self, failures: list[Failure]) -> None:
        if failures:
            raise CommandError(f"{len(failures)} could not be cleared away", returncode=1)


def _goes(item: Item) -> bool:
    return item.verdict != Verdict.KEEP


def _counts(items: list[Item], done: list[Item], failures: list[Failure]) -> dict[str, int]:
    garbage = sum(_goes(item) for item in items)
    return {
        "total": len(items),
        "garbage": garbage,
        "removed": len(done),
        "kept": len(items) - len(done),
        "odd": sum(item.is_odd for item in items),
        "errors": len(failures),
    }


def _summary(items: list[Item], done: list[Item], failures: list[Failure]) -> str:
    counts = _counts(items, done, failures)
    return "  ".join(f"{name.title()}: {count}" for name, count in counts.items())


def _facts(items: list[Item], done: list[Item], failures: list[Failure], *, is_done: bool) -> dict[str, object]:
    rows = [
        {"path": str(item.path), "verdict": item.verdict, "why": item.why, "odd": item.is_odd, "done": item in done}
        for item in items
    ]
    return {"dryRun": not is_done, **_counts(items, done, failures), "items": rows}
