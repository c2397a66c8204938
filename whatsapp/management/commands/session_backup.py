"""`manage.py session_backup create|restore|list|verify|backup-all`: the keys of linked devices, kept and put back."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts.permissions import SYSTEM
from tenants.context import run_in
from tenants.models import Company
from wharf.commands import WharfCommand
from wharf.errors import WharfError
from wharf.meanings import say
from wharf.moments import moment
from wharf.tables import table, words_for_size
from whatsapp.services import backups, vault
from whatsapp.services.naming import find_meant


class Command(WharfCommand):
    help = "Keep, list, verify and restore encrypted copies of linked devices' keys."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, (about, takes_name) in _ACTIONS.items():
            action = actions.add_parser(name, help=about)
            if name != "backup-all":
                action.add_argument("session", help="The session's id, or with --company its name.")
            if takes_name:
                action.add_argument("name", nargs="?", default="", help="The backup's name; the newest without it.")
            action.add_argument("--company", default="", help="The company's slug or id.")
            action.add_argument("--json", action="store_true", help="Print one JSON object instead of sentences.")
            if name == "restore":
                _add_consents(action)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "backup-all":
            self._back_up_all(options)
            return
        company, session_id = find_meant(options["session"], options["company"])
        act: Callable[..., None] = getattr(self, f"_{options['action']}")
        act(options, company, session_id)

    def _create(self, options: dict[str, Any], company: Company, session_id: str) -> None:
        backup = run_in(company, backups.create, company=company, session_id=session_id, by=SYSTEM)
        self.tell(options, facts_of(backup), f"Backed up and read back: {backup.name} ({words_for_size(backup.size)}).")

    def _list(self, options: dict[str, Any], company: Company, session_id: str) -> None:
        found = run_in(company, backups.list_backups, session_id=session_id, by=SYSTEM)
        damaged = vault.unreadable_in(session_id)
        rows = [[one.name, one.label.kind, one.label.number, words_for_size(one.size)] for one in found]
        lines = table(["backup", "kind", "number", "size"], rows) if found else ["There are no backups."]
        lines += [f"Unreadable, and passed over: {name}" for name in damaged]
        self.tell(options, {"backups": [facts_of(one) for one in found], "unreadable": damaged}, *lines)

    def _verify(self, options: dict[str, Any], company: Company, session_id: str) -> None:
        seen = run_in(company, backups.verify, session_id=session_id, by=SYSTEM, name=options["name"])
        current = "the device that is linked now" if seen.is_current else "NOT the device that is linked now"
        facts = {**facts_of(seen.backup), "isCurrent": seen.is_current}
        self.tell(options, facts, f"{seen.backup.name} is whole and holds {current} ({seen.backup.label.number}).")

    def _restore(self, options: dict[str, Any], company: Company, session_id: str) -> None:
        consents = {name: options[name] for name in ("other_device", "from_lost_disk")}
        done = run_in(
            company,
            backups.restore,
            company=company,
            session_id=session_id,
            by=SYSTEM,
            name=options["name"],
            **consents,
        )
        kept = f"What was there before is kept as {done.safety.name}." if done.safety else "There was nothing to keep."
        if done.aside:
            kept = f"What was there before cannot be read; it lies in {done.aside}."
        facts = {
            **facts_of(done.verified.backup),
            "safety": done.safety.name if done.safety else None,
            "aside": str(done.aside) if done.aside else None,
        }
        self.tell(options, facts, f"Restored {done.verified.backup.name}.", kept, "Start the session to go online.")

    def _back_up_all(self, options: dict[str, Any]) -> None:
        """Goes on whatever happens to one; the exit code says whether all were backed up."""
        here = [row for row in backups.linked_here() if options["company"] in ("", row.company.slug, row.company_id)]
        attempts = list(backups.create_all(here, by=SYSTEM, kind=backups.Kind.MANUAL))
        failed = [one for one in attempts if one.backup is None]
        lines = [f"{one.company.slug} {one.session_id}: {_outcome(one)}" for one in attempts]
        facts = {"attempts": [_attempt(one) for one in attempts], "failed": len(failed)}
        self.tell(options, facts, *lines, f"Backed up {len(attempts) - len(failed)} of {len(attempts)} sessions here.")
        if failed:
            raise CommandError(f"{len(failed)} sessions were not backed up", returncode=1)


_ACTIONS = {
    "create": ("Back up one session's keys, running or not.", False),
    "restore": ("Put a backup in the place of a stopped session's keys.", True),
    "list": ("The session's backups, newest first.", False),
    "verify": ("Open a backup and read the device in it.", True),
    "backup-all": (f"Back up every linked session on this disk ({settings.STATE_DIR}).", False),
}


def _add_consents(action: CommandParser) -> None:
    action.add_argument(
        "--other-device", action="store_true", help="The backup holds another device than is linked now; put it back."
    )
    action.add_argument(
        "--from-lost-disk", action="store_true", help="The disk that had the keys, and its worker, are gone for good."
    )


def facts_of(backup: vault.Backup) -> dict[str, object]:
    label = backup.label
    return {
        "name": backup.name,
        "kind": label.kind,
        "sessionId": label.session,
        "company": label.company,
        "number": label.number,
        "createdAt": moment(label.moment),
        "bytes": backup.size,
        "storeBytes": label.size,
        "sha256": label.sha256,
    }


def _attempt(one: backups.Attempt) -> dict[str, object]:
    made = facts_of(one.backup) if one.backup else None
    return {"sessionId": one.session_id, "company": one.company.slug, "backup": made, "error": _problem(one)}


def _outcome(one: backups.Attempt) -> str:
    return one.backup.name if one.backup else f"NOT backed up: {_problem(one)}"


def _problem(one: backups.Attempt) -> str | None:
    if one.error is None:
        return None
    return say(one.error) if isinstance(one.error, WharfError) else str(one.error)
