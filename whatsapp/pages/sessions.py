"""The list of sessions, one session's own page, and what people do with them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Membership, Role
from accounts.pages import PageRequest
from accounts.permissions import Permission, Rights
from fleet.models import Network
from wharf.errors import sentence
from whatsapp.errors import ControlDenied, CreationDenied
from whatsapp.models import ManagerAccess, Session
from whatsapp.pages.base import do, number, page, show
from whatsapp.pages.cards import card_of, cards_for
from whatsapp.pages.errors import NoRightChosen
from whatsapp.pages.words import Line, line_of
from whatsapp.services import access, history, queue, sessions

#: Rows of history on one page.
HISTORY: Final = 30

form = require_http_methods(["GET", "HEAD", "POST"])


# -- all of them -----------------------------------------------------------------------------------------------------
@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    by = request.caller.actor
    context = {"cards": cards_for(by), "may_create": Permission.SESSION_CREATE in by.permissions}
    return show(request, "pages/sessions.html", context, parts={"cards": "pages/parts/cards.html"})


@form
@page
def create(request: PageRequest) -> HttpResponse:
    """Made and started at once; its link page is where to go on."""
    by, company = request.caller.actor, request.caller.company
    if Permission.SESSION_CREATE not in by.permissions:
        raise CreationDenied
    name, network = request.POST.get("name", ""), request.POST.get("network", "") or Network.WHATSAPP

    def ask(error: str = "") -> HttpResponse:
        context = {
            "error": error,
            "name": name,
            "network": network,
            "with_sandbox": company.sandbox_allowed and bool(settings.SANDBOX_URL),
            "max_name": sessions.MAX_NAME,
        }
        return show(
            request,
            "pages/new_session.html",
            context,
            parts={"form": "pages/parts/new_session.html"},
            status=400 if error else 200,
        )

    if request.method != "POST":
        return ask()
    return do(
        request,
        lambda: sessions.create(company=company, by=by, name=name, network=network),
        to=lambda session: reverse("link", args=[session.pk]),
        again=ask,
    )


# -- one of them -----------------------------------------------------------------------------------------------------
@require_safe
@page
def detail(request: PageRequest, session_id: str) -> HttpResponse:
    by = request.caller.actor
    session = access.find_session(session_id, by=by)
    card = card_of(session, access.permissions_on(session_id, by))
    at = number(request, "page", most=1000)
    lines = _history(request, session_id, at)
    context: dict[str, Any] = {
        "card": card,
        "session": session,
        "lines": lines[:HISTORY],
        "older": at + 1 if len(lines) > HISTORY else 0,
    }
    if card.can.grants and "part" not in request.GET:
        context |= _grants(request, session_id)
    parts = {name: f"pages/parts/{name}.html" for name in ("summary", "history")}
    return show(request, "pages/session.html", context, parts=parts)


def _history(request: PageRequest, session_id: str, at: int) -> list[Line]:
    """One row more than is shown tells whether there are older ones."""
    rows = history.transitions_of(session_id, by=request.caller.actor, number=at, limit=HISTORY)
    more = history.transitions_of(session_id, by=request.caller.actor, number=at * HISTORY + 1, limit=1)
    return [line_of(row, timezone.localtime(row.at).isoformat(timespec="seconds")) for row in [*rows, *more]]


def _grants(request: PageRequest, session_id: str) -> dict[str, Any]:
    """Who has rights here, and who of the company could get some."""
    granted: dict[str, ManagerAccess] = {
        row.user_id: row for row in access.grants_of(session_id, by=request.caller.actor)
    }
    managers = Membership.objects.filter(company=request.caller.company, role=Role.MANAGER, user__is_active=True)
    others = [row.user for row in managers.select_related("user") if row.user_id not in granted]
    return {"grants": list(granted.values()), "others": others}


def _deed(verb: Callable[..., Session], done: str) -> Callable[..., HttpResponse]:
    """A button: it says what is wanted and comes back to where it was pressed."""

    @require_POST
    @page
    def press(request: PageRequest, session_id: str) -> HttpResponse:
        company, by = request.caller.company, request.caller.actor
        here = reverse("session", args=[session_id])
        return do(
            request,
            lambda: verb(company=company, session_id=session_id, by=by),
            to=_came_from(request, session_id) or here,
            done=done,
            back=here,
        )

    return press


def _came_from(request: PageRequest, session_id: str) -> str:
    """The page whose button was pressed, by its short name."""
    names = {"list": reverse("sessions"), **{name: reverse(name, args=[session_id]) for name in ("link", "queue")}}
    return names.get(request.POST.get("from", ""), "")


start = _deed(sessions.start, sentence("The session is being started."))
hold = _deed(queue.pause, sentence("Nothing is sent until you let it. The number stays connected."))
release = _deed(queue.resume, sentence("Messages are being sent again."))
pause = _deed(sessions.pause, sentence("The session is being stopped. An existing link is kept."))


def _confirmed(
    verb: Callable[..., Session], question: Mapping[str, str], done: str, to: str
) -> Callable[..., HttpResponse]:
    """A deed that asks first: a page of its own, which scripts show as a dialog."""

    @form
    @page
    def ask(request: PageRequest, session_id: str) -> HttpResponse:
        company, by = request.caller.company, request.caller.actor
        session = _controlled(request, session_id)
        here = reverse("session", args=[session_id])
        if request.method == "POST":
            return do(
                request,
                lambda: verb(company=company, session_id=session_id, by=by),
                to=reverse(to) if to == "sessions" else here,
                done=done,
                back=here,
            )
        words = {name: gettext(text) for name, text in question.items()}
        context = {
            "card": card_of(session, access.permissions_on(session_id, by)),
            "words": words,
            "back": here,
            "goes": to == "sessions",
        }
        return show(request, "pages/confirm.html", context, parts={"form": "pages/parts/confirm.html"})

    return ask


def _controlled(request: PageRequest, session_id: str) -> Session:
    return access.find_session(
        session_id, by=request.caller.actor, needs=Permission.SESSION_CONTROL, denied=ControlDenied
    )


unlink = _confirmed(
    sessions.unlink,
    {
        "title": sentence("Unlink this number?"),
        "text": sentence(
            "The device is logged out at WhatsApp and its keys are erased. Chats and messages are kept, "
            "and come back when the same number is linked again."
        ),
        "yes": sentence("Unlink"),
    },
    sentence("The number is being unlinked. Chats and messages are kept."),
    "session",
)
archive = _confirmed(
    sessions.archive,
    {
        "title": sentence("Put this number in the archive?"),
        "text": sentence("It goes out of sight and no longer counts for your plan. Chats and messages are kept."),
        "yes": sentence("Archive"),
    },
    sentence("The session is in the archive."),
    "sessions",
)


@form
@page
def rename(request: PageRequest, session_id: str) -> HttpResponse:
    company, by = request.caller.company, request.caller.actor
    session = _controlled(request, session_id)
    name = request.POST.get("name", session.name)

    def ask(error: str = "") -> HttpResponse:
        context = {"session": session, "name": name, "error": error, "max_name": sessions.MAX_NAME}
        return show(
            request,
            "pages/rename.html",
            context,
            parts={"form": "pages/parts/rename.html"},
            status=400 if error else 200,
        )

    if request.method != "POST":
        return ask()
    return do(
        request,
        lambda: sessions.change(company=company, session_id=session_id, name=name, by=by),
        to=reverse("session", args=[session_id]),
        done=sentence("Renamed."),
        again=ask,
    )


@require_POST
@page
def ignored(request: PageRequest, session_id: str) -> HttpResponse:
    """What is not kept of what is said."""
    caller, here = request.caller, reverse("session", args=[session_id])
    return do(
        request,
        lambda: sessions.change(
            company=caller.company,
            session_id=session_id,
            by=caller.actor,
            ignores_groups="ignores_groups" in request.POST,
        ),
        to=here,
        done=sentence("Saved."),
        back=here,
    )


# -- who may -----------------------------------------------------------------------------------------------------------
@require_POST
@page
def grant(request: PageRequest, session_id: str) -> HttpResponse:
    """Rights for a manager, or other ones than before. None at all is no grant: that is `revoke`."""
    asked = request.POST
    rights = Rights(*(name in asked for name in ("can_read", "can_write", "can_manage_chats")))
    here = reverse("session", args=[session_id]) + "#access"
    return do(
        request,
        lambda: _grant(request, session_id, asked.get("manager", ""), rights),
        to=here,
        done=sentence("The access has been saved."),
        back=here,
    )


def _grant(request: PageRequest, session_id: str, manager_id: str, rights: Rights) -> None:
    caller = request.caller
    if rights == Rights():
        raise NoRightChosen
    access.grant(company=caller.company, session_id=session_id, manager_id=manager_id, rights=rights, by=caller.actor)


@require_POST
@page
def revoke(request: PageRequest, session_id: str, manager_id: str) -> HttpResponse:
    caller = request.caller
    return do(
        request,
        lambda: access.revoke(company=caller.company, session_id=session_id, manager_id=manager_id, by=caller.actor),
        to=reverse("session", args=[session_id]) + "#access",
        done=sentence("The access has been revoked."),
    )
