"""A company as its people see it: what it is, what it uses, what it may set, and what only the operator sets."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from accounts.errors import AdminsOnly, OperatorsOnly
from accounts.models import Membership, Role, User
from accounts.permissions import Actor, Permission, require
from tenants.companies import MOST, Changes, change_company, checked_currency, checked_language, checked_timezone
from tenants.models import Company
from tenants.provisioning import checked_name
from wharf.errors import Invalid, sentence

#: What may be set, and what each value has to be.
CHECKS = {"timezone": checked_timezone, "currency": checked_currency, "language": checked_language}
#: The older systems' names of the limits, and ours.
LIMITS = {
    "max_agents": "max_agents",
    "max_phone_numbers": "max_sessions",
    "max_managers": "max_managers",
    "max_monthly_calls": "max_monthly_calls",
}


@dataclass(frozen=True)
class People:
    """How many there are of each."""

    managers: int
    admins: int


def people_of(company: Company) -> People:
    roles = list(Membership.objects.filter(company=company).values_list("role", flat=True))
    return People(managers=roles.count(Role.MANAGER), admins=roles.count(Role.ADMIN))


def members_of(company: Company) -> list[Membership]:
    """Everybody, the first who joined first."""
    return list(Membership.objects.select_related("user").filter(company=company).order_by("created_at", "pk"))


def founder_of(company: Company) -> User | None:
    """The first admin who joined."""
    first = Membership.objects.select_related("user").filter(company=company, role=Role.ADMIN).order_by("created_at")
    row = first.first()
    return row.user if row else None


def change_settings(*, company: Company, by: Actor, settings: Mapping[str, str]) -> None:
    """Write what is given of time zone, currency and language. Raises AdminsOnly, Invalid."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    values: Changes = {}
    for name, check in CHECKS.items():
        if name in settings:
            values[name] = check(settings[name])  # type: ignore[literal-required]
    change_company(company, **values)


@transaction.atomic
def change(*, company: Company, by: Actor, name: str, settings: Mapping[str, str]) -> None:
    """Name and settings, all or nothing. Raises AdminsOnly, CompanyNameWrong, Invalid."""
    change_settings(company=company, by=by, settings=settings)
    rename(company=company, by=by, name=name)


def rename(*, company: Company, by: Actor, name: str) -> None:
    """Raises AdminsOnly (never for the name it has), CompanyNameWrong."""
    name = checked_name(name)
    if name == company.name:
        return
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    change_company(company, name=name)


def change_limits(*, company: Company, by: Actor, limits: Mapping[str, int]) -> None:
    """Write what is given, by the older systems' names. Raises OperatorsOnly, Invalid."""
    require_operator(by)
    values: Changes = {}
    for name, field in LIMITS.items():
        if name in limits:
            values[field] = _checked_limit(name, limits[name])  # type: ignore[literal-required]
    change_company(company, **values)


def require_operator(by: Actor) -> None:
    if not by.is_operator:
        raise OperatorsOnly


def limits_of(company: Company) -> dict[str, int]:
    return {name: getattr(company, field) for name, field in LIMITS.items()}


def _checked_limit(name: str, value: int) -> int:
    if not 0 <= value <= MOST:
        raise Invalid(field=name, problem=sentence("This is no number of things that a plan could have"))
    return value
