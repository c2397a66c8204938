"""A company as its people see it: what it is, what it uses, what it may set, and what only the operator sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack, cast

from django.db import transaction

from accounts.errors import AdminsOnly, OperatorsOnly
from accounts.models import Membership, Role, User
from accounts.permissions import Actor, Permission, require
from audit.recording import changed, record_in
from audit.recording import company as the_company
from audit.verbs import Verb
from tenants.companies import (
    MOST,
    Changes,
    change_company,
    checked_currency,
    checked_language,
    checked_timezone,
    resume_company,
    suspend_company,
)
from tenants.domains import save_domain
from tenants.models import Company, Domain
from tenants.provisioning import Plan, checked_name, create_company
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
    _change(company, Verb.SETTINGS_CHANGED, by, values)


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
    _change(company, Verb.SETTINGS_CHANGED, by, {"name": name})


def change_limits(*, company: Company, by: Actor, limits: Mapping[str, int]) -> None:
    """Write what is given, by the older systems' names. Raises OperatorsOnly, Invalid."""
    require_operator(by)
    values: Changes = {}
    for name, field in LIMITS.items():
        if name in limits:
            values[field] = _checked_limit(name, limits[name])  # type: ignore[literal-required]
    _change(company, Verb.COMPANY_PLAN_CHANGED, by, values)


# -- by operators ------------------------------------------------------------------------------------------------------
#: What a company's own people may set; all else is its plan.
_SETTINGS = {*CHECKS, "name"}


@transaction.atomic
def create(*, by: Actor, name: str, slug: str | None = None, **plan: Unpack[Plan]) -> Company:
    """A company that can be used at once. Raises OperatorsOnly, and what `create_company` does."""
    require_operator(by)
    company = create_company(name=name, slug=slug, **plan)
    record_in(company, Verb.COMPANY_CREATED, the_company(company), by=by)
    return company


@transaction.atomic
def change_plan(*, company: Company, by: Actor, **values: Unpack[Changes]) -> None:
    """Write what is given, of plan and settings. Raises OperatorsOnly."""
    require_operator(by)
    own = {name: value for name, value in values.items() if name in _SETTINGS}
    rest = {name: value for name, value in values.items() if name not in _SETTINGS}
    for verb, part in ((Verb.SETTINGS_CHANGED, own), (Verb.COMPANY_PLAN_CHANGED, rest)):
        if part:
            _change(company, verb, by, cast(Changes, part))


@transaction.atomic
def suspend(*, company: Company, by: Actor) -> None:
    """Its people are refused from the next request on. Raises OperatorsOnly."""
    require_operator(by)
    suspend_company(company)
    record_in(company, Verb.COMPANY_SUSPENDED, the_company(company), by=by)


@transaction.atomic
def resume(*, company: Company, by: Actor) -> None:
    """Raises OperatorsOnly."""
    require_operator(by)
    resume_company(company)
    record_in(company, Verb.COMPANY_RESUMED, the_company(company), by=by)


@transaction.atomic
def set_domain(*, company: Company, by: Actor, name: str, is_primary: bool, domain: Domain | None = None) -> Domain:
    """A host name for the company, or other values for the row it has.

    Raises OperatorsOnly, DomainWrong, DomainTaken.
    """
    require_operator(by)
    before = domain.domain if domain and domain.pk else None
    made = save_domain(company=company, name=name, is_primary=is_primary, domain=domain)
    record_in(company, Verb.COMPANY_DOMAIN_SET, the_company(company), by=by, changes={"host": (before, made.domain)})
    return made


@transaction.atomic
def remove_domain(*, domain: Domain, by: Actor) -> None:
    """The host name leads nowhere any more. Raises OperatorsOnly."""
    require_operator(by)
    company, changes = domain.tenant, {"host": (domain.domain, None)}
    record_in(company, Verb.COMPANY_DOMAIN_REMOVED, the_company(company), by=by, changes=changes)
    domain.delete()


@transaction.atomic
def _change(company: Company, verb: Verb, by: Actor, values: Changes) -> None:
    """Write them, and write down what that changed, if anything. `company` may carry the new values already."""
    before = Company.objects.values(*values).get(pk=company.pk) if values else {}
    change_company(company, **values)
    if changes := changed(before, values):
        record_in(company, verb, the_company(company), by=by, changes=changes)


def require_operator(by: Actor) -> None:
    if not by.is_operator:
        raise OperatorsOnly


def limits_of(company: Company) -> dict[str, int]:
    return {name: getattr(company, field) for name, field in LIMITS.items()}


def _checked_limit(name: str, value: int) -> int:
    if not 0 <= value <= MOST:
        raise Invalid(field=name, problem=sentence("This is no number of things that a plan could have"))
    return value
