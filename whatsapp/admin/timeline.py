"""What happened to a session or a company as one story: what the worker saw, and what people did."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from audit.models import Entry
from audit.verbs import TargetKind
from fleet.reasons import SENTENCES, Reason
from wharf.errors import sentence
from whatsapp.models import Transition
from whatsapp.pages import audit
from whatsapp.pages.words import line_of, reason_text

LONGEST: Final = 100
HEAD: Final = (sentence("When"), sentence("What"), sentence("Why, or what changed"), sentence("Who, or in its words"))

_CELL: Final = "<td>{}</td>"
_TITLE: Final = "<th scope='col'>{}</th>"

#: (when, what, why or what changed, who or the engine's words)
Line = tuple[str, str, str, str]
_Event = tuple[datetime, str, str, str]


def of_session(session_id: str) -> list[Line]:
    """Newest first. Inside the company."""
    deeds = [_deed(row) for row in Entry.objects.filter(session_id=session_id).order_by("-id")[:LONGEST]]
    rows = Transition.objects.select_related("by_user").filter(session_id=session_id).order_by("-id")[:LONGEST]
    # From the first deed on, what people wished stands among the deeds.
    first = min((at for at, *_ in deeds), default=None)
    seen = (row for row in rows if first is None or row.at < first or not row.happening.startswith("wanted_"))
    return _in_order([*deeds, *(_change(row) for row in seen)])


def of_company() -> list[Line]:
    """What is about the company and its people, not about what they talk about. Inside the company."""
    kinds = (TargetKind.COMPANY, TargetKind.PERSON, TargetKind.KEY, TargetKind.WEBHOOK)
    rows = Entry.objects.filter(target_kind__in=kinds).exclude(verb="login").order_by("-id")[:LONGEST]
    return _in_order(_deed(row) for row in rows)


def _in_order(events: Iterable[_Event]) -> list[Line]:
    newest = sorted(events, key=lambda event: event[0], reverse=True)[:LONGEST]
    return [(clock(at), what, why, who) for at, what, why, who in newest]


def clock(at: datetime) -> str:
    """In the time zone of whoever reads."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def _deed(row: Entry) -> _Event:
    shown = audit.row_of(row, {})
    about = shown.target if row.target_kind != TargetKind.SESSION else ""
    return row.at, " – ".join(filter(None, [shown.what, about])), changes_of(shown)[:300], doer_of(shown)


def changes_of(shown: audit.Row) -> str:
    return "; ".join(f"{change.field}: {change.before or '–'} → {change.after or '–'}" for change in shown.changes)


def doer_of(shown: audit.Row) -> str:
    return f"{shown.who} ({shown.how})" if shown.how else shown.who


def _change(row: Transition) -> _Event:
    line = line_of(row, "")
    return row.at, line.title, line.reason, " – ".join(filter(None, [line.by, line.detail]))


def as_table(lines: Iterable[Sequence[str]], head: Sequence[str] = ()) -> SafeString:
    """`head` are sentences."""
    titles = format_html_join("", _TITLE, ((gettext(title),) for title in head))
    top = format_html("<thead><tr>{}</tr></thead>", titles) if head else ""
    rows = ((format_html_join("", _CELL, ((cell,) for cell in line)),) for line in lines)
    body = format_html_join("", "<tr>{}</tr>", rows)
    # It scrolls by itself where it is wider than its page, also by keys.
    return format_html("<div class='lines' tabindex='0'><table>{}<tbody>{}</tbody></table></div>", top, body)


def reasons() -> list[tuple[str, str]]:
    """Each that there is, with its sentence."""
    return [(reason.value, reason_text(reason)) for reason in Reason if SENTENCES[reason]]
