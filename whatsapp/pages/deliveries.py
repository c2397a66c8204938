"""One webhook endpoint's page: its log of deliveries as it grows, what was given up, and sending again."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import PageRequest
from tenants.companies import zone_of
from wharf.errors import sentence
from wharf.meanings import say
from whatsapp.pages.base import cursor, do, page, show
from whatsapp.pages.endpoint_words import tries_of
from whatsapp.pages.errors import BadStretch
from whatsapp.pages.event_words import as_text, title_of
from whatsapp.pages.webhooks import around, form
from whatsapp.services import webhooks

#: Lines of the log on one page, and of what was given up.
LINES: Final = 50
LETTERS: Final = 20
#: What people choose from, and what it asks the log for.
_OUTCOMES: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "failed": {"is_delivered": False},
    "taken": {"is_delivered": True},
}
PARTS: Final = {
    "summary": "pages/parts/endpoint_summary.html",
    "tries": "pages/parts/tries.html",
    "letters": "pages/parts/letters.html",
}


@require_safe
@page
def detail(request: PageRequest, endpoint_id: str) -> HttpResponse:
    """A part that is asked for costs what it shows, and no more."""
    part = request.GET.get("part", "")
    asked = {part} if part in PARTS else set(PARTS)
    context: dict[str, Any] = {"endpoint": webhooks.find(endpoint_id, by=request.caller.actor)}
    if "summary" in asked:
        context |= around(request, endpoint_id)
    if "tries" in asked:
        context |= _tries(request, endpoint_id)
    if "letters" in asked:
        context |= _letters(request, endpoint_id)
    return show(request, "pages/webhook.html", context, parts=PARTS)


def _tries(request: PageRequest, endpoint_id: str) -> dict[str, Any]:
    """One line more than is shown tells whether there are older ones."""
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in _OUTCOMES else ""
    filters = dict(_OUTCOMES[outcome])
    if event := request.GET.get("event", "")[:64]:
        filters["event_id"] = event
    before = cursor(request, "before")
    rows = webhooks.deliveries_of(endpoint_id, by=request.caller.actor, before=before, limit=LINES + 1, **filters)
    older = rows[LINES - 1].pk if len(rows) > LINES else 0
    return {"tries": tries_of(rows[:LINES]), "older": older, "outcome": outcome, "event": event, "before": before}


def _letters(request: PageRequest, endpoint_id: str) -> dict[str, Any]:
    before = request.GET.get("letters_before", "")[:64]
    rows = webhooks.dead_letters_of(endpoint_id, by=request.caller.actor, before=before, limit=LETTERS + 1)
    return {"letters": tries_of(rows[:LETTERS]), "older_letters": rows[LETTERS - 1].pk if len(rows) > LETTERS else ""}


@require_safe
@page
def event(request: PageRequest, endpoint_id: str, event_id: str) -> HttpResponse:
    """The body of a request, for reading; scripts show it as a dialog."""
    caller = request.caller
    body = webhooks.body_of(company=caller.company, endpoint_id=endpoint_id, event_id=event_id, by=caller.actor)
    context = {
        "title": title_of(str(body.get("type", ""))),
        "kind": body.get("type", ""),
        "text": as_text(body),
        "back": reverse("webhook", args=[endpoint_id]),
    }
    return show(request, "pages/payload.html", context, parts={"form": "pages/parts/payload.html"})


# -- again -------------------------------------------------------------------------------------------------------------
@require_POST
@page
def redeliver(request: PageRequest, endpoint_id: str, delivery_id: int) -> HttpResponse:
    caller, here = request.caller, reverse("webhook", args=[endpoint_id])
    return do(
        request,
        lambda: webhooks.redeliver(
            company=caller.company, endpoint_id=endpoint_id, delivery_id=delivery_id, by=caller.actor
        ),
        to=here,
        done=sentence("The event is being sent again."),
        back=here,
    )


@require_POST
@page
def revive(request: PageRequest, endpoint_id: str) -> HttpResponse:
    """Send again what was given up: one event, or all of them as far as one replay reaches."""
    caller, here = request.caller, reverse("webhook", args=[endpoint_id])

    def deed() -> int:
        named = request.POST.getlist("event")
        rows = [] if named else webhooks.dead_letters_of(endpoint_id, by=caller.actor, limit=webhooks.MAX_IDS)
        return webhooks.replay_events(
            company=caller.company,
            endpoint_id=endpoint_id,
            event_ids=named[: webhooks.MAX_IDS] or [row.event_id for row in rows],
            by=caller.actor,
        )

    return do(request, deed, to=here, done=_sent_again, back=here)


def _sent_again(count: int) -> str:
    words = ngettext("%(count)s event is being sent again.", "%(count)s events are being sent again.", count)
    return words % {"count": count}


@form
@page
def replay(request: PageRequest, endpoint_id: str) -> HttpResponse:
    """First from when to when, then how many events that is, and then they are sent again."""
    caller = request.caller
    row = webhooks.find(endpoint_id, by=caller.actor)
    zone = zone_of(caller.company)
    said = _said(request, zone)
    about: Any = {"endpoint_id": endpoint_id, "by": caller.actor}

    def ask(error: str = "", count: int | None = None) -> HttpResponse:
        context = {"endpoint": row, "said": said, "zone": str(zone), "error": error, "count": count}
        return show(request, "pages/replay.html", context, status=400 if error else 200)

    def deed() -> int:
        begin, end = stretch(said, zone)
        return webhooks.replay_between(company=caller.company, begin=begin, end=end, **about)

    if request.method == "POST":
        return do(request, deed, to=reverse("webhook", args=[endpoint_id]), done=_sent_again, again=ask)
    if "begin" not in request.GET:
        return ask()
    try:
        begin, end = stretch(said, zone)
    except BadStretch as error:
        return ask(say(error))
    return ask(count=webhooks.count_between(begin=begin, end=end, **about))


def _said(request: PageRequest, zone: tzinfo) -> dict[str, str]:
    """The two fields; at first they are the last hour."""
    asked = request.POST if request.method == "POST" else request.GET
    now = timezone.now().astimezone(zone)
    return {
        "begin": asked.get("begin", f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}"),
        "end": asked.get("end", f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M}"),
    }


def stretch(said: dict[str, str], zone: tzinfo) -> tuple[datetime, datetime]:
    """What two fields for local times say, in UTC. Raises BadStretch."""
    try:
        begin, end = (
            datetime.fromisoformat(said[name]).replace(tzinfo=zone).astimezone(UTC) for name in ("begin", "end")
        )
    except (ValueError, OverflowError) as error:
        raise BadStretch from error
    if begin > end:
        raise BadStretch
    return begin, end
