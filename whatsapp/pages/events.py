"""The company's event log as it grows, for admins (docs/events.md)."""

from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.pages import PageRequest
from whatsapp import shapes
from whatsapp.catalogue import KINDS
from whatsapp.pages.base import cursor, page, show
from whatsapp.pages.event_words import as_text, kind_groups, labels_of, rows_of, title_of
from whatsapp.services import access, feed
from whatsapp.services.feed import Wanted

#: Rows on one page, and at most of what came since; where more came, the page begins anew with these.
ROWS: Final = 50
NEWS: Final = 100


@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    """`?part=news&after=` is what came after a cursor, for a script that was told that something did."""
    by, is_news = request.caller.actor, request.GET.get("part") == "news"
    wanted, before, after = _wanted(request), cursor(request, "before"), cursor(request, "after") or 0
    limit = NEWS if is_news else ROWS
    past = feed.look_back(by=by, before=before, after=after if is_news else 0, wanted=wanted, limit=limit)
    context: dict[str, Any] = {
        "events": rows_of(past.events),
        "top": past.top,
        "is_gap": is_news and past.before is not None,
        "older": past.before,
        "is_newest": before is None,
        "window": feed.WINDOW,
        "query": _query(wanted),
        "wanted": wanted,
        "kept_days": settings.EVENT_DAYS,
    }
    if not is_news:
        context |= {"groups": kind_groups(), "numbers": _numbers(request, wanted)}
    return show(request, "pages/events.html", context, parts={"news": "pages/parts/events.html"})


def _wanted(request: PageRequest) -> Wanted:
    """What the address asks for; kinds that there are not are left out."""
    kinds = [kind for kind in KINDS if kind in request.GET.getlist("type")]
    return Wanted(kinds, request.GET.get("number", "")[:32])


def _query(wanted: Wanted) -> str:
    """The filter as it stands in an address."""
    return urlencode([*(("type", kind) for kind in wanted.kinds), ("number", wanted.session_id)])


def _numbers(request: PageRequest, wanted: Wanted) -> dict[str, str]:
    ids = [row.pk for row in access.visible_sessions(request.caller.actor)]
    return labels_of([*ids, wanted.session_id])


@require_safe
@page
def event(request: PageRequest, event_id: str) -> HttpResponse:
    """One event as programs get it; scripts show it as a dialog."""
    caller = request.caller
    row = feed.find(event_id, by=caller.actor)
    text = as_text(shapes.event(row, caller.company.pk))
    context = {"title": title_of(row.kind), "kind": row.kind, "text": text, "back": reverse("events")}
    return show(request, "pages/payload.html", context, parts={"form": "pages/parts/payload.html"})
