"""Reading a company's audit: for its admins, filtered, newest first, a page or all of it."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.errors import AdminsOnly
from accounts.models import Membership
from accounts.permissions import Actor, Permission, require
from audit import recording
from audit.models import Entry
from audit.verbs import WORDS, Verb
from tenants.models import Company
from wharf.errors import sentence
from wharf.moments import moment

MAX_LIMIT: Final = 200


@dataclass(frozen=True)
class Wanted:
    """What to read; what is empty narrows nothing. `since` is included, `until` is not."""

    actor_id: str = ""
    verb: str = ""
    session_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def apply(self, rows: QuerySet[Entry]) -> QuerySet[Entry]:
        said = {"actor_id": self.actor_id, "verb": self.verb, "session_id": self.session_id}
        said |= {"at__gte": self.since, "at__lt": self.until}  # type: ignore[dict-item]
        return rows.filter(**{name: value for name, value in said.items() if value})


@dataclass(frozen=True)
class Stretch:
    """A page of it; `next` is the cursor of the one after, None at the end."""

    entries: list[Entry]
    next: int | None


def read(*, by: Actor, wanted: Wanted, before: int | None = None, limit: int = 50) -> Stretch:
    """What comes before the cursor `before`. Inside the company. Raises AdminsOnly."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    limit = min(limit, MAX_LIMIT)
    rows = wanted.apply(Entry.objects.all())
    rows = rows.filter(pk__lt=before) if before is not None else rows
    found = list(rows.order_by("-id")[: limit + 1])
    return Stretch(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def note_export(*, company: Company, by: Actor, wanted: Wanted) -> None:
    """Before anything leaves. Raises AdminsOnly."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    asked = {name: (None, value) for name, value in vars(wanted).items() if value}
    recording.record_in(company, Verb.AUDIT_EXPORTED, recording.company(company), by=by, changes=asked)


def people_of(company: Company) -> list[tuple[str, str]]:
    """(id, name) of those who may be asked for, by name: who is there, and who has been there."""
    rows = Membership.objects.filter(company=company).select_related("user")
    here = {row.user_id: " ".join(row.names).strip() or row.user.email for row in rows}
    gone = Entry.objects.filter(verb=Verb.PERSON_REMOVED).values_list("target_id", "target_name")
    return sorted({**dict(gone), **here}.items(), key=lambda pair: pair[1].lower())


def in_words(verb: str) -> str:
    """The words for a verb; one of an older version stands for itself."""
    text = WORDS.get(verb)
    return gettext(text) if text else verb


# -- as a table --------------------------------------------------------------------------------------------------------
#: What a spreadsheet takes for a formula when a cell begins with it.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
#: Tells spreadsheets that this is UTF-8.
BOM: Final = "\ufeff"
_HEAD: Final = (
    sentence("Time (UTC)"), sentence("Who"), sentence("Who it is"), sentence("API key"), sentence("What"),
    sentence("Verb"), sentence("About"), sentence("Its id"), sentence("Number's id"), sentence("Changes"),
    sentence("Address"),
)  # fmt: skip


def head_of_table() -> str:
    return BOM + _lines([[gettext(title) for title in _HEAD]])


def table(entries: Iterable[Entry]) -> str:
    """Their lines as CSV, in the language of whoever reads."""
    return _lines(
        [
            *(moment(row.at) or "", row.actor_name, row.actor_kind, row.key_name, in_words(row.verb), row.verb),
            *(row.target_name, row.target_id, row.session_id),
            json.dumps(row.changes, ensure_ascii=False) if row.changes else "",
            row.address,
        ]
        for row in entries
    )


def _lines(rows: Iterable[list[str]]) -> str:
    paper = io.StringIO()
    csv.writer(paper).writerows([[_harmless(cell) for cell in row] for row in rows])
    return paper.getvalue()


def _harmless(cell: str) -> str:
    """Names are what people say they are, and must not be calculated by who opens the table."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULAS) else cell
