"""The base of every page that acts for a company: who is logged in, and for which company they work now."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.callers import Caller, caller_for_session
from tenants.context import run_in
from wharf.errors import WharfError

#: Where the log-in session keeps the company that its owner works for now.
COMPANY_KEY: Final = "company"

P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request of somebody who is logged in; `caller` says who, and where."""

    caller: Caller


Page = Callable[Concatenate[PageRequest, P], HttpResponse]


def company_page(page: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Run `page` inside the company of whoever is logged in; everybody else is sent to log in.

    The page must return a finished answer (`render`, not a template response): the company is left after it.
    """

    @wraps(page)
    def view(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
        try:
            caller = caller_for_session(
                request.user, request.session.get(COMPANY_KEY), getattr(request, "host_company", None)
            )
        except WharfError:
            # An account without a company, or in one that is suspended: there is nothing to show.
            logout(request)
            return redirect(settings.LOGIN_URL)
        request.caller = caller  # type: ignore[attr-defined]
        return run_in(caller.company, page, request, *args, **kwargs)  # type: ignore[arg-type]

    return view
