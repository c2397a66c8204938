"""API keys: which programs may speak for whom, until when and for what; for the company's admins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import AdminsOnly
from accounts.models import ApiKey
from accounts.pages import PageRequest
from accounts.permissions import Permission, Scope, require
from accounts.services import api_keys
from wharf.errors import sentence
from whatsapp.pages import once
from whatsapp.pages.base import do, page, show, typed

DAYS: Final = (30, 90, 365)
_SCOPES: Final[dict[Scope, tuple[str, str]]] = {
    Scope.READ: (sentence("Reading"), sentence("See numbers, chats and messages.")),
    Scope.SEND: (sentence("Sending"), sentence("Write texts and reactions.")),
    Scope.LINK: (sentence("Linking"), sentence("Add numbers, link phones, start and pause.")),
    Scope.MANAGE: (
        sentence("Managing"),
        sentence("People, access, webhooks and settings. Whoever holds it can reach everything in the end."),
    ),
}

form = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True)
class Shown:
    """A key as people see it."""

    id: str
    name: str
    start: str
    scopes: list[str]
    maker: str
    made_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    has_expired: bool


def shown(row: ApiKey) -> Shown:
    """Needs the maker selected."""
    return Shown(
        id=row.pk,
        name=row.name,
        start=row.start,
        scopes=[gettext(_SCOPES[Scope(name)][0]) for name in row.scopes],
        maker=row.made_by.full_name if row.made_by else "",
        made_at=row.created_at,
        used_at=row.last_used_at,
        expires_at=row.expires_at,
        has_expired=row.expires_at is not None and row.expires_at <= timezone.now(),
    )


@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    caller = request.caller
    rows = api_keys.keys_of(company=caller.company, by=caller.actor)
    return show(
        request, "pages/keys.html", {"keys": [shown(row) for row in rows]}, parts={"keys": "pages/parts/keys.html"}
    )


@require_safe
@page
def detail(request: PageRequest, key_id: str) -> HttpResponse:
    """The key itself stands there once, right after it was made."""
    caller = request.caller
    row = api_keys.find(company=caller.company, key_id=key_id, by=caller.actor)
    context = {"key": shown(row), "secret": once.take(request, row.pk), "url": settings.PUBLIC_URL}
    return show(request, "pages/key.html", context)


@form
@page
def add(request: PageRequest) -> HttpResponse:
    caller = request.caller
    require(caller.actor, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    chosen = request.POST.getlist("scopes") if request.method == "POST" else [Scope.READ, Scope.SEND]
    name, days = typed(request, "name", most=api_keys.MAX_NAME), request.POST.get("days", "90")

    def ask(error: str = "") -> HttpResponse:
        context = {
            "error": error,
            "name": name,
            "max_name": api_keys.MAX_NAME,
            "days": days,
            "choices": DAYS,
            "scopes": [(scope.value, *map(gettext, _SCOPES[scope]), scope in chosen) for scope in Scope],
        }
        return show(
            request,
            "pages/key_new.html",
            context,
            parts={"form": "pages/parts/key_new.html"},
            status=400 if error else 200,
        )

    if request.method != "POST":
        return ask()
    return do(
        request,
        lambda: _make(request, name=name, scopes=chosen, expires_at=_end(days)),
        to=lambda row: reverse("key", args=[row.pk]),
        again=ask,
    )


def _end(days: str) -> datetime | None:
    """Whatever is not offered is the shortest: nobody gets a key for ever by a slip."""
    if days == "":
        return None
    offered = {str(number): number for number in DAYS}
    return timezone.now() + timedelta(days=offered.get(days, DAYS[0]))


def _make(request: PageRequest, **asked: Any) -> ApiKey:
    caller = request.caller
    row, key = api_keys.create(company=caller.company, by=caller.actor, **asked)
    once.keep(request, row.pk, key)
    return row


@form
@page
def revoke(request: PageRequest, key_id: str) -> HttpResponse:
    """Asks first: programs that use it stop working."""
    caller, here = request.caller, reverse("key", args=[key_id])
    row = api_keys.find(company=caller.company, key_id=key_id, by=caller.actor)
    if request.method == "POST":
        return do(
            request,
            lambda: api_keys.revoke(company=caller.company, key_id=key_id, by=caller.actor),
            to=reverse("keys"),
            done=sentence("The key has been taken back. It opens nothing any more."),
            back=here,
        )
    words = {
        "title": gettext("Take this key back?"),
        "text": gettext(
            "Whatever program uses it is refused from now on. This cannot be undone; make a new key instead."
        ),
        "yes": gettext("Take it back for good"),
    }
    context = {"words": words, "subject": row.name, "detail": f"{row.start}…", "back": here, "goes": True}
    return show(request, "pages/confirm.html", context, parts={"form": "pages/parts/confirm.html"})
