"""The company's settings, what it uses of its plan, and its subscription; for its admins."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from accounts.errors import AdminsOnly
from accounts.pages import PageRequest
from accounts.permissions import Permission, require
from accounts.services import companies
from tenants.companies import MAX_NAME, OWN_CLOCKS, offered_timezones
from tenants.models import Company, SubscriptionPlan, SubscriptionStatus
from wharf.errors import sentence
from whatsapp.pages.base import do, page, show, typed
from whatsapp.services import sessions

_STATUSES: Final[dict[str, str]] = {
    SubscriptionStatus.ACTIVE: sentence("active"),
    SubscriptionStatus.SUSPENDED: sentence("suspended"),
    SubscriptionStatus.CANCELLED: sentence("cancelled"),
    SubscriptionStatus.EXPIRED: sentence("expired"),
}
_PLANS: Final[dict[str, str]] = {
    SubscriptionPlan.BASIC: sentence("Basic"),
    SubscriptionPlan.PRO: sentence("Pro"),
    SubscriptionPlan.ENTERPRISE: sentence("Enterprise"),
}
#: What is offered first; any other of three capitals can be typed.
CURRENCIES: Final = ("KZT", "RUB", "USD", "EUR", "UZS", "KGS", "BYN", "AMD", "GEL", "TRY", "GBP")


@dataclass(frozen=True)
class Usage:
    """How much of one thing that the plan limits is used."""

    title: str
    count: int
    limit: int

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.count / self.limit)) if self.limit else 100

    @property
    def is_full(self) -> bool:
        return self.count >= self.limit


def usage_of(company: Company) -> Iterable[Usage]:
    yield Usage(gettext("Numbers"), sessions.count_live(), company.max_sessions)
    yield Usage(gettext("Managers"), companies.people_of(company).managers, company.max_managers)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def overview(request: PageRequest) -> HttpResponse:
    caller, company = request.caller, request.caller.company
    require(caller.actor, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    fields = _asked(request) if request.method == "POST" else _now(company)

    def ask(error: str = "") -> HttpResponse:
        return show(request, "pages/settings.html", _context(company, fields, error), status=400 if error else 200)

    if request.method != "POST":
        return ask()
    values = {name: fields[name] for name in companies.CHECKS}
    return do(
        request,
        lambda: companies.change(company=company, by=caller.actor, name=fields["name"], settings=values),
        to=reverse("settings"),
        done=sentence("Saved."),
        again=ask,
    )


def _now(company: Company) -> dict[str, str]:
    return {"name": company.name, **{name: getattr(company, name) for name in companies.CHECKS}}


def _asked(request: PageRequest) -> dict[str, str]:
    return {
        "name": typed(request, "name", most=MAX_NAME + 1),
        "language": typed(request, "language", most=8),
        "timezone": typed(request, "timezone", most=64) or OWN_CLOCKS,
        "currency": typed(request, "currency", most=3).upper(),
    }


def _context(company: Company, fields: dict[str, str], error: str) -> dict[str, Any]:
    return {
        **fields,
        "error": error,
        "max_name": MAX_NAME,
        "languages": settings.LANGUAGES,
        "zones": offered_timezones(),
        "chosen_zone": "" if fields["timezone"] == OWN_CLOCKS else fields["timezone"],
        "currencies": CURRENCIES,
        "usage": list(usage_of(company)),
        "plan": gettext(_PLANS[company.subscription_plan]),
        "status": gettext(_STATUSES[company.subscription_status]),
        "ends_at": company.subscription_expires_at,
    }
