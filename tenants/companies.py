"""Companies after their birth: found, suspended, resumed, given another plan. Never deleted."""

import re
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Final, TypedDict, Unpack
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.db.models import Q

from tenants.errors import CompanyNotFound
from tenants.models import Company
from wharf.errors import Invalid, sentence

#: More than any plan has, and still a number that the column holds.
MOST: Final = 1_000_000
#: What a column and a check in `tenants.provisioning` allow.
MAX_NAME: Final = 120
#: The zone of a company that has chosen none: its people read times by their own clocks.
OWN_CLOCKS: Final = "UTC"
#: Folders of the time zone database that hold second names of zones, not places.
_NO_PLACES: Final = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/", "Arctic/", "Antarctica/")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class Changes(TypedDict, total=False):
    name: str
    language: str
    timezone: str
    currency: str
    subscription_plan: str
    subscription_status: str
    subscription_expires_at: datetime | None
    max_sessions: int
    max_managers: int
    max_agents: int
    max_monthly_calls: int
    sandbox_allowed: bool


def find_company(slug_or_id: str) -> Company:
    company = Company.objects.filter(Q(slug=slug_or_id) | Q(pk=slug_or_id)).first()
    if company is None:
        raise CompanyNotFound(company=slug_or_id)
    return company


def change_company(company: Company, **changes: Unpack[Changes]) -> None:
    """Write what is given and nothing else."""
    for name, value in changes.items():
        setattr(company, name, value)
    company.save(update_fields=[*changes, "updated_at"])


def zone_of(company: Company) -> tzinfo:
    """The time zone in which the company reads times; UTC when it has chosen none, or one that is no more."""
    try:
        return ZoneInfo(company.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@cache
def known_timezones() -> frozenset[str]:
    """All of them, by name. Python looks through some six hundred files for that."""
    return frozenset(available_timezones())


@cache
def offered_timezones() -> tuple[str, ...]:
    """Those that are called after a place, by name; any other known one may be typed too."""
    return tuple(sorted(name for name in known_timezones() if "/" in name and not name.startswith(_NO_PLACES)))


def checked_timezone(name: str) -> str:
    """Raises Invalid, as the checks below do."""
    if name not in known_timezones():
        raise Invalid(field="timezone", problem=sentence("This is not a time zone such as Europe/Moscow"))
    return name


def checked_currency(code: str) -> str:
    if not _CURRENCY.fullmatch(code):
        raise Invalid(field="currency", problem=sentence("This is not a currency of three capitals such as USD"))
    return code


def checked_language(code: str) -> str:
    if code not in dict(settings.LANGUAGES):
        raise Invalid(field="language", problem=sentence("This language is not spoken here"))
    return code


def suspend_company(company: Company) -> None:
    """Its people are refused from the next request on; its rows and its sessions' keys stay."""
    company.is_active = False
    company.save(update_fields=["is_active", "updated_at"])


def resume_company(company: Company) -> None:
    company.is_active = True
    company.save(update_fields=["is_active", "updated_at"])
