"""Companies after their birth: found, suspended, resumed, given another plan. Never deleted."""

from typing import TypedDict, Unpack

from django.db.models import Q

from tenants.errors import CompanyNotFound
from tenants.models import Company


class Changes(TypedDict, total=False):
    name: str
    language: str
    timezone: str
    max_sessions: int
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
    company.save(update_fields=list(changes))


def suspend_company(company: Company) -> None:
    """Its people are refused from the next request on; its rows and its sessions' keys stay."""
    company.is_active = False
    company.save(update_fields=["is_active"])


def resume_company(company: Company) -> None:
    company.is_active = True
    company.save(update_fields=["is_active"])
