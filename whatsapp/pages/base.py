"""What all pages share: who asks, what an expected failure looks like, and how a form is answered."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext

from accounts.callers import first_company_of
from accounts.models import Membership
from accounts.pages import COMPANY_KEY, Page, PageRequest, company_page
from tenants.companies import OWN_CLOCKS, zone_of
from wharf.errors import Invalid, Kind, WharfError
from wharf.meanings import meaning, say
from whatsapp.pages.menu import menu_for

P = ParamSpec("P")
T = TypeVar("T")

#: What ends the page itself; everything else is told where the person was.
_ENDS: Final = frozenset({Kind.NOT_FOUND, Kind.FORBIDDEN})


def page(view: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page for members of a company; strangers' ids are not found, and a missing right is said in words.

    Nothing here is for caches: pages show people's messages and codes that link a device.
    """
    guarded = company_page(_with_failures(view))

    @wraps(view)
    def respond(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        refuse_unstorable(request)
        if is_operator_of_no_company(request):
            return render(request, "pages/no_company.html")
        try:
            response = guarded(request, *args, **kwargs)
        except WharfError as error:
            # They are who they say, and there is nothing to show them here (any more).
            response = render(request, "pages/no_company.html", {"reason": say(error)}, status=403)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return respond


def refuse_unstorable(request: HttpRequest) -> None:
    """PostgreSQL's texts cannot hold a NUL, so nothing of ours has one in it."""
    said = (value for values in (request.GET, request.POST) for value in values.values())
    if "\x00" in request.path or any("\x00" in str(value) for value in said):
        raise BadRequest


def is_operator_of_no_company(request: HttpRequest) -> bool:
    """Operators work in the admin; here they belong nowhere, which is no reason to log them out."""
    user = request.user
    if not user.is_authenticated or not user.is_superuser or request.session.get(COMPANY_KEY):
        return False
    return getattr(request, "host_company", None) is None and first_company_of(user) is None


def _with_failures(view: Page[P]) -> Page[P]:
    @wraps(view)
    def respond(request: PageRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            with timezone.override(zone_of(request.caller.company)):
                return view(request, *args, **kwargs)
        except WharfError as error:
            if wants_json(request):
                return refusal(error)
            raise _as_page(error) from error

    return respond


def _as_page(error: WharfError) -> Exception:
    match error.kind:
        case Kind.NOT_FOUND:
            return Http404(say(error))
        case Kind.FORBIDDEN:
            return PermissionDenied(say(error))
        case _:
            return BadRequest(say(error))


def wants_json(request: HttpRequest) -> bool:
    """Our scripts say so when they send a form; a form that is sent without them does not."""
    return request.headers.get("Accept", "").startswith("application/json")


def _reason(error: WharfError) -> str:
    """What is wrong, in a sentence: the field has another name on a page than in the API."""
    return gettext(str(error.params["problem"])) if isinstance(error, Invalid) else say(error)


def refusal(error: WharfError) -> JsonResponse:
    return JsonResponse({"message": _reason(error), "code": error.code}, status=meaning(error).http_status)


# -- showing ---------------------------------------------------------------------------------------------------------
def show(
    request: PageRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    parts: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The whole page, or the one of its `parts` that a script asks for to bring it up to date."""
    part = (parts or {}).get(request.GET.get("part", ""))
    if part is not None:
        return render(request, part, context)
    return render(request, template, {**_frame(request), **context}, status=status)


def _frame(request: PageRequest) -> dict[str, Any]:
    """What stands around every page."""
    companies = [row.company for row in memberships_of(request)]
    here = request.resolver_match.url_name or "" if request.resolver_match else ""
    menu = menu_for(request.caller.actor, here)
    zone = request.caller.company.timezone
    return {
        "caller": request.caller,
        "companies": companies,
        "menu": menu,
        "zone": "" if zone == OWN_CLOCKS else zone,
    }


def memberships_of(request: PageRequest) -> list[Membership]:
    """Where they may change to; with people and companies."""
    # A host name of its own belongs to one company: nobody changes to another one there.
    if getattr(request, "host_company", None):
        return []
    rows = Membership.objects.confirmed().filter(user=request.caller.user, company__is_active=True)
    return list(rows.select_related("user", "company"))


def number(request: HttpRequest, name: str, *, most: int) -> int:
    """A number in the address, between 1 and `most`; rubbish counts as 1."""
    text = request.GET.get(name, "")
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return max(1, min(int(text), most)) if is_number else 1


def cursor(request: HttpRequest, name: str) -> int | None:
    """Where a list goes on, as a number in the address; rubbish is none at all."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def typed(request: HttpRequest, name: str, *, most: int) -> str:
    """What stands in a field of a form, without spaces around it, and no longer than is stored."""
    return request.POST.get(name, "").strip()[:most]


# -- doing -----------------------------------------------------------------------------------------------------------
def do(
    request: HttpRequest,
    deed: Callable[[], T],
    *,
    to: str | Callable[[T], str],
    done: str | Callable[[T], str] = "",
    back: str = "/",
    again: Callable[[str], HttpResponse] | None = None,
) -> HttpResponse:
    """Carry out what a form asks for. Afterwards the person stands at `to`, and reads `done`.

    When it cannot be done they are back at `back` with the reason, or see the form `again` with it.
    """
    try:
        result = deed()
    except WharfError as error:
        if error.kind in _ENDS or wants_json(request):
            raise
        return again(_reason(error)) if again else _back(request, error, back)
    address, sentence = (_for(result, value) for value in (to, done))
    if wants_json(request):
        return JsonResponse({"message": gettext(sentence) if sentence else "", "url": address})
    if sentence:
        messages.success(request, gettext(sentence))
    return redirect(address)


def _for(result: T, value: str | Callable[[T], str]) -> str:
    return value if isinstance(value, str) else value(result)


def _back(request: HttpRequest, error: WharfError, back: str) -> HttpResponse:
    messages.error(request, _reason(error))
    return redirect(back)
