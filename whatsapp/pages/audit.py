"""Who did what in the company, for its admins: filtered, a page at a time, and as a table to take away."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import urlencode

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from accounts.models import Role
from accounts.pages import PageRequest
from accounts.permissions import Actor
from accounts.services import audit
from accounts.services.audit import Wanted
from audit.models import Entry
from audit.verbs import WORDS, ActorKind, TargetKind
from tenants.companies import zone_of
from tenants.context import arun_in, run_in
from tenants.models import Company
from wharf.errors import Sentence, sentence
from wharf.moments import moment
from whatsapp.models import Session
from whatsapp.pages.base import page, show

ROWS: Final = 50
#: Rows that leave together in an export.
AT_ONCE: Final = audit.MAX_LIMIT
_WIDEST: Final = 2**63 - 1

#: Who else than a person.
_KINDS: Final[dict[str, Sentence]] = {
    ActorKind.KEY: sentence("With the API key"),
    ActorKind.SIGNED: sentence("Program that signs its requests"),
    ActorKind.GUEST: sentence("Guest by a link"),
    ActorKind.OPERATOR: sentence("Operator of the platform"),
    ActorKind.SYSTEM: sentence("By itself"),
}
_FIELDS: Final[dict[str, Sentence]] = {
    "name": sentence("Name"), "first_name": sentence("First name"), "last_name": sentence("Last name"),
    "email": sentence("E-mail"), "role": sentence("Role"), "phone": sentence("Phone number"),
    "reason": sentence("Reason"), "network": sentence("Network"), "messages": sentence("Messages"),
    "unread": sentence("Unread"), "events": sentence("Events"), "host": sentence("Host name"),
    "ignores_groups": sentence("Ignores groups"), "is_archived": sentence("Archived"),
    "assignee_id": sentence("Assigned to"), "can_read": sentence("Reads"), "can_write": sentence("Answers"),
    "can_manage_chats": sentence("Manages chats"), "timezone": sentence("Time zone"),
    "currency": sentence("Currency"), "language": sentence("Language"), "url": sentence("Address"),
    "description": sentence("Description"), "kinds": sentence("Events"), "session_ids": sentence("Numbers"),
    "headers": sentence("Headers"), "is_active": sentence("Active"), "max_sessions": sentence("Numbers at most"),
    "max_managers": sentence("Managers at most"), "subscription_plan": sentence("Plan"),
    "subscription_status": sentence("Subscription"), "subscription_expires_at": sentence("Subscription until"),
    "sandbox_allowed": sentence("Sandbox allowed"), "actor_id": sentence("Person"), "verb": sentence("What"),
    "min_gap": sentence("Seconds between texts at least"), "max_gap": sentence("Seconds between texts at most"),
    "daily_limit": sentence("Texts a day"), "new_chat_limit": sentence("New chats a day"),
    "session_id": sentence("Number"), "since": sentence("From"), "until": sentence("Until"),
    "hours": sentence("Hours that it is good for"), "backup": sentence("Backup"), "people": sentence("People"),
    "numbers": sentence("Numbers"), "chats": sentence("Chats"),
}  # fmt: skip


# -- what is asked for -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Filter:
    """As the form says it; days are the company's own. `before` is a cursor."""

    person: str
    verb: str
    number: str
    since: date | None
    until: date | None
    before: int | None

    @classmethod
    def of(cls, request: HttpRequest) -> "Filter":
        """Rubbish narrows nothing."""
        said = request.GET
        verb, before = said.get("verb", ""), said.get("before", "")
        is_cursor = before.isascii() and before.isdigit() and int(before[:20]) <= _WIDEST
        return cls(
            person=said.get("person", "")[:32],
            verb=verb if verb in WORDS else "",
            number=said.get("number", "")[:32],
            since=_day(said.get("since", "")),
            until=_day(said.get("until", "")),
            before=int(before[:20]) if is_cursor else None,
        )

    def wanted(self, company: Company) -> Wanted:
        zone = zone_of(company)
        until = _begin(self.until + timedelta(days=1), zone) if self.until else None
        return Wanted(self.person, self.verb, self.number, _begin(self.since, zone) if self.since else None, until)

    def query(self, **more: object) -> str:
        said = {"person": self.person, "verb": self.verb, "number": self.number}
        days = {"since": self.since, "until": self.until}
        return urlencode({name: value for name, value in {**said, **days, **more}.items() if value})

    @property
    def is_narrow(self) -> bool:
        return bool(self.query())


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # The first and the last ones have no day before or after them.
    return day if 1970 <= day.year <= 9000 else None


def _begin(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


# -- what is shown -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Change:
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """One deed in words; `number` is the session that it happened in, where it is about something in there."""

    key: str
    at: str
    who: str
    how: str
    what: str
    target: str
    number: str
    changes: list[Change]
    address: str


def row_of(entry: Entry, numbers: dict[str, str]) -> Row:
    is_session = entry.target_kind == TargetKind.SESSION
    is_own = entry.target_kind == TargetKind.PERSON and entry.target_id == entry.actor_id
    return Row(
        key=str(entry.pk),
        at=moment(entry.at) or "",
        who=gettext("Wharf") if entry.actor_kind == ActorKind.SYSTEM else entry.actor_name,
        how=_how(entry),
        what=audit.in_words(entry.verb),
        target="" if is_own else entry.target_name,
        number="" if is_session else numbers.get(entry.session_id, ""),
        changes=[_change(name, *pair) for name, pair in entry.changes.items()],
        address=entry.address,
    )


def _how(entry: Entry) -> str:
    text = _KINDS.get(entry.actor_kind)
    return ": ".join(filter(None, [gettext(text) if text else "", entry.key_name]))


def _change(name: str, before: object, after: object) -> Change:
    text = _FIELDS.get(name)
    if name == "messages" and isinstance(after, list):
        # Their ids are for programs.
        after = len(after)
    return Change(gettext(text) if text else name, _value(before), _value(after))


_ROLES: Final = {Role.ADMIN.value: sentence("administrator"), Role.MANAGER.value: sentence("manager")}


def _value(value: object) -> str:
    match value:
        case None | "" | []:
            return ""
        case bool():
            return gettext("yes") if value else gettext("no")
        case list():
            return ", ".join(str(each) for each in value)
        case str() if value in _ROLES:
            return gettext(_ROLES[value])
        case _:
            return str(value)


# -- the pages ---------------------------------------------------------------------------------------------------------
@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    by, company, asked = request.caller.actor, request.caller.company, Filter.of(request)
    found = audit.read(by=by, wanted=asked.wanted(company), before=asked.before, limit=ROWS)
    numbers = _numbers()
    context: dict[str, Any] = {
        "rows": [row_of(entry, numbers) for entry in found.entries],
        "asked": asked,
        "people": audit.people_of(company),
        "verbs": sorted(((str(verb), gettext(text)) for verb, text in WORDS.items()), key=lambda pair: pair[1]),
        "numbers": sorted(numbers.items(), key=lambda pair: pair[1].lower()),
        "older": asked.query(before=found.next) if found.next is not None else "",
        "newest": asked.query(),
        "zone": company.timezone,
    }
    return show(request, "pages/audit.html", context)


def _numbers() -> dict[str, str]:
    """All that there ever were: what happened in one that was put away did happen."""
    nameless = gettext("New number")
    return {row.pk: row.label or nameless for row in Session.objects.select_related("account")}


@require_safe
@page
def export(request: PageRequest) -> HttpResponse:
    """All rows of the filter as CSV, sent as they are read."""
    by, company, wanted = (
        request.caller.actor,
        request.caller.company,
        Filter.of(request).wanted(request.caller.company),
    )
    audit.note_export(company=company, by=by, wanted=wanted)
    pieces = _pieces(by, wanted, translation.get_language() or "")
    # Between two pieces nothing of the database is held.
    content = _in_threads(company, pieces) if isinstance(request, ASGIRequest) else _one_by_one(company, pieces)
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{company.slug}-{timezone.now():%Y-%m-%d}.csv"'
    return response  # type: ignore[return-value]  # an answer like any other


def _pieces(by: Actor, wanted: Wanted, language: str) -> Iterator[str]:
    with translation.override(language):
        text = audit.head_of_table()
    yield text
    before: int | None = None
    while True:
        found = audit.read(by=by, wanted=wanted, before=before, limit=AT_ONCE)
        with translation.override(language):
            text = audit.table(found.entries)
        yield text
        before = found.next
        if before is None:
            return


def _one_by_one(company: Company, pieces: Iterator[str]) -> Iterator[str]:
    while (piece := run_in(company, next, pieces, None)) is not None:
        yield piece


async def _in_threads(company: Company, pieces: Iterator[str]) -> AsyncIterator[str]:
    while (piece := await arun_in(company, next, pieces, None)) is not None:
        yield piece
