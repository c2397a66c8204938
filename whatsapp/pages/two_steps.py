"""Turning the log-in in two steps on and off: for everybody who logs in, also operators, who have no company."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.callers import caller_for_session
from accounts.models import User
from accounts.pages import COMPANY_KEY, PageRequest
from accounts.services import second_factor
from wharf.errors import WharfError, sentence
from wharf.meanings import say
from whatsapp import qr
from whatsapp.pages.base import show

TURNED_OFF = sentence("The log-in in two steps is off. Your password alone opens now.")


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def overview(request: HttpRequest) -> HttpResponse:
    user = request.user
    if not isinstance(user, User):
        return redirect_to_login(request.path, settings.LOGIN_URL)
    response = _done(request, user) if request.method == "POST" else _shown(request, user)
    response.headers["Cache-Control"] = "no-store"
    return response


def _done(request: HttpRequest, user: User) -> HttpResponse:
    """What the pressed button says."""
    code = request.POST.get("code", "").replace("\x00", "")[:32]
    try:
        match request.POST.get("do"):
            case "begin":
                return _shown(request, user, begins=True)
            case "on":
                return _shown(request, user, recovery=second_factor.turn_on(user, code))
            case "off":
                second_factor.turn_off(user, code)
                messages.success(request, gettext(TURNED_OFF))
    except WharfError as error:
        return _shown(request, user, error=say(error), begins=request.POST.get("do") == "on")
    return redirect(request.path)


@sensitive_variables()
def _shown(request: HttpRequest, user: User, *, begins: bool = False, **more: Any) -> HttpResponse:
    """Off, being turned on, or on; with the recovery codes only right after that."""
    is_on = second_factor.is_on(user)
    context: dict[str, Any] = {"is_on": is_on, **more}
    if begins and not is_on:
        offer = second_factor.offer(user)
        context |= {"secret": offer.secret, "picture": qr.svg(offer.uri)}
    return _in_frame(request, user, context, status=400 if more.get("error") else 200)


def _in_frame(request: HttpRequest, user: User, context: dict[str, Any], *, status: int) -> HttpResponse:
    """With the menu of their company, for who has one that they may work in."""
    host_company = getattr(request, "host_company", None)
    try:
        caller = caller_for_session(user, request.session.get(COMPANY_KEY), host_company)
    except WharfError:
        return render(request, "pages/two_steps.html", context, status=status)
    request.caller = caller  # type: ignore[attr-defined]
    return show(cast(PageRequest, request), "pages/two_steps.html", context, status=status)
