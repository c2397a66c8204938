"""The base of every page that acts for a company: who is logged in, and for which company they work now."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Concatenate, Final, ParamSpec
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.callers import Caller, caller_for_session
from accounts.models import User
from tenants.context import run_in
from tenants.models import Company
from wharf.errors import NotAuthenticated

#: Where the log-in session keeps the company that its owner works for now.
COMPANY_KEY: Final = "company"

P = ParamSpec("P")


def caller_of_log_in(session_key: str, host_company: Company | None) -> Caller:
    """Who is logged in with this session now, for connections that outlive a request.

    The session is read again: logging out and a new password count at once. Raises NotAuthenticated, CompanyInactive,
    SubscriptionExpired.
    """
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User):
        raise NotAuthenticated
    return caller_for_session(user, request.session.get(COMPANY_KEY), host_company)


class PageRequest(HttpRequest):
    """A request of somebody who is logged in; `caller` says who, and where."""

    caller: Caller


def _way_back(request: HttpRequest) -> str:
    """Where to go on after the log-in: this page, or for what is sent the one it was sent from, if that is ours. An
    address that only takes what is sent shows nothing to who comes back to it."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return urlsplit(page)._replace(scheme="", netloc="").geturl() if page and is_ours else settings.LOGIN_REDIRECT_URL


Page = Callable[Concatenate[PageRequest, P], HttpResponse]


def company_page(page: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Run `page` inside the company of whoever is logged in; everybody else is sent to log in.

    The page must return a finished answer (`render`, not a template response): the company is left after it. Raises
    NotAuthenticated, CompanyInactive or SubscriptionExpired for an account without a company, or in one that is
    suspended or has not paid.
    """

    @wraps(page)
    def view(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(_way_back(request), settings.LOGIN_URL)
        company_id = request.session.get(COMPANY_KEY)
        caller = caller_for_session(request.user, company_id, getattr(request, "host_company", None))
        request.caller = caller  # type: ignore[attr-defined]
        return run_in(caller.company, page, request, *args, **kwargs)  # type: ignore[arg-type]

    return view
