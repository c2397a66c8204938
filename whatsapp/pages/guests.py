"""Linking without an account: an invitation is made here, and whoever holds it links the phone here.

The secret stands behind the # of the address, which browsers send to nobody: it is in no log and no referrer. A script
hands it over once, and the browser's session remembers whose invitation it has.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import PageRequest
from tenants.context import run_in
from wharf.errors import WharfError
from wharf.meanings import meaning, say
from whatsapp.errors import InvitationNotFound, InvitationSpent
from whatsapp.pages.base import do, page, refusal, refuse_unstorable, show, wants_json
from whatsapp.pages.linking import WAYS, where_it_stands
from whatsapp.pages.sessions import form
from whatsapp.services import access, inviting, sessions
from whatsapp.services.inviting import LIFETIMES, Guest

GuestPage = Callable[[HttpRequest, Guest], HttpResponse]
#: The invitations that this browser has entered by.
_ENTERED: Final = "invitations"
_MOST_ENTERED: Final = 20


# -- for those who invite --------------------------------------------------------------------------------------------
@form
@page
def invite(request: PageRequest, session_id: str) -> HttpResponse:
    """Makes a link and shows it, once: it is in no address, and a second look at the page does not have it."""
    if request.method != "POST":
        return _invitations(request, session_id)
    hours = request.POST.get("hours", "")
    try:
        row, secret = inviting.invite(
            company=request.caller.company,
            session_id=session_id,
            hours=int(hours) if hours.isdecimal() and len(hours) < 5 else 0,
            by=request.caller.actor,
        )
    except WharfError as error:
        if meaning(error).http_status in (403, 404):
            raise
        return _invitations(request, session_id, {"error": say(error)}, status=meaning(error).http_status)
    address = request.build_absolute_uri(reverse("guest", args=[row.pk]))
    return _invitations(request, session_id, {"address": f"{address}#{secret}", "made": row})


def _invitations(
    request: PageRequest, session_id: str, more: Mapping[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    session = access.find_session(session_id, by=request.caller.actor, needs=access.LINK)
    context = {
        "session": session,
        "is_linked": session.placement.is_linked,
        "open": inviting.invitations_of(session_id, by=request.caller.actor),
        "lifetimes": LIFETIMES,
        **(more or {}),
    }
    return show(request, "pages/invite.html", context, status=status)


@require_POST
@page
def revoke(request: PageRequest, session_id: str, invitation_id: str) -> HttpResponse:
    back = reverse("invite", args=[session_id])
    return do(
        request,
        lambda: inviting.revoke(session_id=session_id, invitation_id=invitation_id, by=request.caller.actor),
        to=back,
        back=back,
    )


# -- for those who are invited ---------------------------------------------------------------------------------------
def for_guests(view: GuestPage) -> Callable[..., HttpResponse]:
    """A page for whoever has entered by the invitation; everybody else stands before the door."""

    @wraps(view)
    def respond(request: HttpRequest, invitation_id: str) -> HttpResponse:
        refuse_unstorable(request)
        try:
            if invitation_id not in request.session.get(_ENTERED, ()):
                response = _door(request, invitation_id)
            else:
                guest = inviting.guest_of(invitation_id)
                _require_same_house(request, guest)
                response = run_in(guest.company, view, request, guest)
        except WharfError as error:
            response = _turned_away(request, error)
        response.headers["Cache-Control"] = "no-store"
        return response

    return respond


def _door(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """The same for every address, valid or not: nobody learns anything without the secret."""
    if request.method not in ("GET", "HEAD"):
        raise InvitationNotFound
    return render(request, "pages/guest_door.html", {"invitation_id": invitation_id})


def _require_same_house(request: HttpRequest, guest: Guest) -> None:
    """A company's own host name knows no other company."""
    host_company = getattr(request, "host_company", None)
    if host_company is not None and host_company.pk != guest.company.pk:
        raise InvitationNotFound


def _turned_away(request: HttpRequest, error: WharfError) -> HttpResponse:
    if wants_json(request):
        return refusal(error)
    status = meaning(error).http_status
    return render(request, "pages/guest_over.html", {"reason": say(error), "code": error.code}, status=status)


@require_POST
def enter(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Hand over the secret; from here on this browser is let in, for as long as the invitation is good."""
    refuse_unstorable(request)
    try:
        inviting.enter(invitation_id, request.POST.get("secret", ""))
    except WharfError as error:
        return _turned_away(request, error)
    entered = [each for each in request.session.get(_ENTERED, ()) if each != invitation_id]
    request.session[_ENTERED] = [*entered, invitation_id][-_MOST_ENTERED:]
    address = reverse("guest", args=[invitation_id])
    return JsonResponse({"message": "", "url": address}) if wants_json(request) else redirect(address)


@require_safe
@for_guests
def link(request: HttpRequest, guest: Guest) -> HttpResponse:
    session = access.find_session(guest.session_id, by=guest.actor, needs=access.LINK)
    at = {name: reverse(f"guest-{name}", args=[guest.invitation.pk]) for name in ("code", "start")}
    context = where_it_stands(session, access.permissions_on(guest.session_id, guest.actor)) | {
        "at": at,
        "ways": WAYS,
        "is_guest": True,
        "guest": guest,
        "is_nothing_new": False,
    }
    if guest.has_linked and context["phase"] not in ("finishing", "connected"):
        raise InvitationSpent
    template = "pages/parts/link.html" if request.GET.get("part") == "link" else "pages/guest.html"
    return render(request, template, context)


@require_POST
@for_guests
def start(request: HttpRequest, guest: Guest) -> HttpResponse:
    return _do(
        request, guest, lambda: sessions.start(company=guest.company, session_id=guest.session_id, by=guest.actor)
    )


@require_POST
@for_guests
def code(request: HttpRequest, guest: Guest) -> HttpResponse:
    phone = request.POST.get("phone", "")
    return _do(
        request,
        guest,
        lambda: sessions.request_code(company=guest.company, session_id=guest.session_id, phone=phone, by=guest.actor),
    )


def _do(request: HttpRequest, guest: Guest, deed: Callable[[], object]) -> HttpResponse:
    if guest.has_linked:
        raise InvitationSpent
    here = reverse("guest", args=[guest.invitation.pk])
    return do(request, deed, to=here, back=here)
