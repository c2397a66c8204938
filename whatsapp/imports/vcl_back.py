"""System A's whole database, company by company. May be run again: it takes what is new, and changes nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction

from accounts.permissions import SYSTEM
from audit import recording as audit
from audit.verbs import Verb
from tenants.context import run_in, run_in_public
from whatsapp.imports import access, chats, companies, messages, people, sessions
from whatsapp.imports.intake import Intake, Say
from whatsapp.imports.people import Owners
from whatsapp.imports.report import Cause, Report
from whatsapp.imports.source import Row, Source, open_source

#: What the audit tells of, and how the report calls it.
_TOLD: Final = {
    "people": (people.USERS, people.MANAGERS),
    "numbers": (sessions.WHAT,),
    "chats": (chats.WHAT,),
    "messages": (messages.WHAT,),
}
#: Tables of the source, and how the report calls their rows.
_WHAT: Final = {
    "User": people.USERS,
    "Manager": people.MANAGERS,
    "WhatsAppSession": sessions.WHAT,
    "WhatsAppManagerAccess": access.WHAT,
    "WhatsAppChat": chats.WHAT,
    "WhatsAppMessage": messages.WHAT,
}


def import_all(address: str, *, is_dry_run: bool, say: Say) -> Report:
    """Take everything that can be taken. A dry run does the same, and takes it back company by company.

    `address` is a database's; raises the errors of `whatsapp.imports.errors`.
    """
    report = Report(is_dry_run)
    with open_source(address) as source:
        owners, reached = people.read_owners(source), []
        for row in source.companies():
            with _trial(is_dry_run):
                reached += [row["id"]] if _take_company(row, source, owners, report, say) else []
        _count_strays(source, reached, report)
    return report


@contextmanager
def _trial(is_dry_run: bool) -> Iterator[None]:
    """One transaction that leaves nothing; of a real run each step commits by itself, so that it can be resumed."""
    if not is_dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _take_company(row: Row, source: Source, owners: Owners, report: Report, say: Say) -> bool:
    """Whether the rows of the company were looked at."""
    if not row["id"]:
        report.leave_out(companies.WHAT, Cause.NO_ID, None)
        return False
    if run_in_public(people.is_only_registered, source, row["id"]):
        run_in_public(people.take_registrations, source, row, report)
        return True
    company = run_in_public(companies.take_company, row, report)
    if company is None:
        return False
    say(f"{company.slug}: taking people, sessions and chats")
    run_in(company, _take_rows, Intake(source, report, say, company), owners)
    return True


def _take_rows(intake: Intake, owners: Owners) -> None:
    """Inside the company's schema."""
    steps: list[Callable[[Intake], None]] = [
        sessions.take_sessions,
        access.take_access,
        chats.take_chats,
        messages.take_messages,
    ]
    before = _taken(intake.report)
    people.take_people(intake, owners)
    for step in steps:
        step(intake)
    _write_down(intake, before)


def _taken(report: Report) -> dict[str, int]:
    return {name: report.new(*kinds) for name, kinds in _TOLD.items()}


def _write_down(intake: Intake, before: dict[str, int]) -> None:
    """One line of the company's audit for all that came in this run; none if nothing did."""
    came = {name: count - before[name] for name, count in _taken(intake.report).items()}
    if changes := {name: (None, count) for name, count in came.items() if count}:
        audit.record(Verb.COMPANY_IMPORTED, audit.company(intake.company), by=SYSTEM, changes=changes)


def _count_strays(source: Source, company_ids: list[str], report: Report) -> None:
    for table, what in _WHAT.items():
        for row_id in source.strays(table, company_ids):
            report.leave_out(what, Cause.NO_COMPANY, row_id)
