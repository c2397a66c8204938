"""A company of system A as ours: its name, settings and plan. One that is here already stays as it is."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast

from django.db import DatabaseError, transaction

from tenants.companies import MOST, checked_currency, checked_language, checked_timezone
from tenants.errors import CompanyIdWrong, SlugTaken, SlugWrong
from tenants.models import Company, SubscriptionPlan, SubscriptionStatus
from tenants.provisioning import Plan, create_company
from wharf.errors import Invalid
from whatsapp.imports import parsing
from whatsapp.imports.report import Cause, Report
from whatsapp.imports.source import Row

WHAT: Final = "companies"

_CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "timezone": checked_timezone,
    "currency": checked_currency,
    "language": checked_language,
}
_CHOICES: Final[dict[str, tuple[str, list[str]]]] = {
    "subscription_plan": ("subscriptionPlan", list(SubscriptionPlan.values)),
    "subscription_status": ("subscriptionStatus", list(SubscriptionStatus.values)),
}
_LIMITS: Final = {
    "max_sessions": "maxPhoneNumbers",
    "max_managers": "maxManagers",
    "max_agents": "maxAgents",
    "max_monthly_calls": "maxMonthlyCalls",
}


def name_of(row: Row) -> str:
    return parsing.name(row["name"], 120) or parsing.name(row["slug"], 120) or "Company"


@transaction.atomic
def take_company(row: Row, report: Report) -> Company | None:
    """The company, made if it is new; None when it cannot be."""
    if known := Company.objects.filter(pk=row["id"]).first():
        report.of(WHAT).known += 1
        return known
    try:
        company = _create(row, report)
    except (CompanyIdWrong, DatabaseError) as error:
        report.leave_out(WHAT, Cause.REFUSED if isinstance(error, DatabaseError) else Cause.COMPANY_ID, row["id"])
        return None
    report.of(WHAT).new += 1
    _keep_moment(company, is_active=row["isActive"] is not False, created_at=parsing.moment(row["createdAt"]))
    return company


def _create(row: Row, report: Report) -> Company:
    name, slug, plan = name_of(row), (row["slug"] or "").strip(), _plan(row, report)
    if name != " ".join((row["name"] or "").split()):
        report.note(WHAT, Cause.NAME, row["id"])
    try:
        return create_company(name=name, slug=slug, **plan)
    except (SlugTaken, SlugWrong):
        report.note(WHAT, Cause.SLUG, row["id"])
        return create_company(name=name, **plan)


def _plan(row: Row, report: Report) -> Plan:
    values: dict[str, Any] = {"id": row["id"]}
    values |= _settings(row) | _choices(row) | _limits(row)
    ends: datetime | None = parsing.moment(row["subscriptionExpiresAt"])
    said = [name for name in (*_CHECKS, *(each for each, _ in _CHOICES.values()), *_LIMITS.values()) if row[name]]
    if len(said) > len([name for name in values if name != "id" and values[name]]):
        report.note(WHAT, Cause.SETTING, row["id"])
    return cast(Plan, {**values, "subscription_expires_at": ends})


def _settings(row: Row) -> dict[str, str]:
    """Those that are understood; the others have our defaults."""
    found = {}
    for name, check in _CHECKS.items():
        try:
            found[name] = check((row[name] or "").strip())
        except Invalid:
            continue
    return found


def _choices(row: Row) -> dict[str, str]:
    return {name: row[column] for name, (column, known) in _CHOICES.items() if row[column] in known}


def _limits(row: Row) -> dict[str, int]:
    found = {name: row[column] for name, column in _LIMITS.items()}
    return {name: value for name, value in found.items() if isinstance(value, int) and 0 <= value <= MOST}


def _keep_moment(company: Company, *, is_active: bool, created_at: datetime | None) -> None:
    company.is_active = is_active
    company.save(update_fields=["is_active"])
    if created_at:
        Company.objects.filter(pk=company.pk).update(created_at=created_at)
