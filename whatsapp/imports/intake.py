"""One company's import on its way: what has been taken so far, by the ids that the source uses."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import DatabaseError, transaction

from tenants.models import Company
from whatsapp.imports.parsing import kept_id
from whatsapp.imports.report import Cause, Report
from whatsapp.imports.source import Row, Source
from whatsapp.models import Imported

#: People and machines read along.
Say = Callable[[str], None]
#: Takes a row; says whether it is new here, or why it is left out.
Take = Callable[[Row], Cause | bool]


@dataclass(frozen=True)
class TakenChat:
    """Where messages of a chat of the source go. `is_old`: it was here before this run."""

    id: str
    account_id: str
    contact_id: str | None
    is_old: bool


@dataclass
class Intake:
    source: Source
    report: Report
    say: Say
    company: Company
    #: Users and managers: the person's id here.
    people: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    #: Each session's account; sessions without a number have none.
    accounts: dict[str, str] = field(default_factory=dict)
    chats: dict[str, TakenChat] = field(default_factory=dict)

    def known(self, kind: str) -> dict[str, str]:
        """What earlier runs took: source's id to ours."""
        return dict(Imported.objects.filter(kind=kind).values_list("source_id", "target_id"))

    def remember(self, kind: str, source_id: str, target_id: str) -> None:
        Imported.objects.create(kind=kind, source_id=kept_id(source_id), target_id=target_id)

    def each(self, what: str, rows: Iterable[Row], take: Take) -> None:
        take_each(self.report, what, rows, take)


def take_each(report: Report, what: str, rows: Iterable[Row], take: Take) -> None:
    """Take row by row, and count. A row that the database refuses is left out alone."""
    for row in rows:
        outcome = _try(row, take) if row["id"] else Cause.NO_ID
        if isinstance(outcome, Cause):
            report.leave_out(what, outcome, row["id"])
        elif outcome:
            report.of(what).new += 1
        else:
            report.of(what).known += 1


def _try(row: Row, take: Take) -> Cause | bool:
    try:
        with transaction.atomic():
            return take(row)
    except DatabaseError:
        return Cause.REFUSED
