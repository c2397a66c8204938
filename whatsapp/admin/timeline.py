"""What happened to a session or a company as one story: what the worker saw, and what people did."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from accounts.services.audit import in_words
from audit.models import Entry
from audit.verbs import TargetKind
from fleet.reasons import SENTENCES, Reason
from whatsapp.models import Transition

LONGEST: Final = 100

_CELL: Final = "<td class='px-2 py-1 align-top'>{}</td>"

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
    return [(f"{at:%Y-%m-%d %H:%M:%S}", what, why, who) for at, what, why, who in newest]


def _deed(row: Entry) -> _Event:
    changes = "; ".join(f"{name}: {before} → {after}" for name, (before, after) in row.changes.items())
    about = row.target_name if row.target_kind != TargetKind.SESSION else ""
    who = f"{row.actor_name} ({row.actor_kind})"
    return row.at, " – ".join(filter(None, [in_words(row.verb), about])), changes[:300], who


def _change(row: Transition) -> _Event:
    asked = f"{row.by_user}: {row.happening}" if row.by_user else f"{row.before} → {row.after}"
    return row.at, asked, reason_in_words(row.reason), row.detail


def reason_in_words(reason: str) -> str:
    text = SENTENCES[Reason(reason)]
    return gettext(text) if text else ""


def as_table(lines: Iterable[tuple[str, ...]]) -> SafeString:
    rows = ((format_html_join("", _CELL, ((cell,) for cell in line)),) for line in lines)
    return format_html("<table><tbody>{}</tbody></table>", format_html_join("", "<tr>{}</tr>", rows))
