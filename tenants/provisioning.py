"""A new company in one transaction: its row, and its schema as a copy of the template's."""

import re
from datetime import datetime
from itertools import chain, count
from typing import Any, Final, TypedDict, Unpack

from anyascii import anyascii
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from django.utils.text import slugify
from django_tenants.utils import quote_schema_name

from tenants.cloning import clone_script
from tenants.companies import MAX_NAME
from tenants.context import run_in, run_in_public
from tenants.errors import CompanyIdWrong, CompanyNameWrong, DatabaseNotReady, SlugTaken, SlugWrong
from tenants.locks import keep_upgrades_out
from tenants.models import Company
from wharf.ids import ID_LENGTH, new_id

SLUG_LENGTH: Final = 80
#: The id is part of the schema's name.
_ID: Final = re.compile(rf"[a-z0-9_-]{{1,{ID_LENGTH}}}")
_SLUG: Final = re.compile(rf"[a-zA-Z0-9_-]{{1,{SLUG_LENGTH}}}")


class Plan(TypedDict, total=False):
    """What a company may start with besides its name; `id` is for companies that come from an older system."""

    id: str
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


def create_company(*, name: str, slug: str | None = None, **plan: Unpack[Plan]) -> Company:
    """Make a company that can be used at once.

    Without `slug` one is made from the name and numbered when it is taken. Make the company before its people:
    references from its tables to theirs lock both for the moment of their making.
    """
    return run_in_public(_create, name=checked_name(name), slug=slug, plan=plan)


def slug_from(name: str) -> str:
    """Latin letters for any alphabet; never empty."""
    return slugify(anyascii(name))[: SLUG_LENGTH - 10].strip("-") or "company"


def checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise CompanyNameWrong
    return name


@transaction.atomic
def _create(*, name: str, slug: str | None, plan: Plan) -> Company:
    keep_upgrades_out()
    script = _template_script()
    company = _save_row(name=name, slug=slug, plan=plan)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {quote_schema_name(company.schema_name)}")
    run_in(company, _execute, script)
    return company


def _template_script() -> str:
    try:
        with transaction.atomic():
            return clone_script()
    except ProgrammingError as error:
        raise DatabaseNotReady from error


def _execute(script: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(script)


def _save_row(*, name: str, slug: str | None, plan: Plan) -> Company:
    values: dict[str, Any] = {"id": new_id(), **plan}
    if not _ID.fullmatch(values["id"]):
        raise CompanyIdWrong
    values |= {"name": name, "schema_name": f"c_{values['id']}"}
    if slug is not None:
        if not _SLUG.fullmatch(slug):
            raise SlugWrong
        if not (company := _insert(values, slug)):
            raise SlugTaken(slug=slug)
        return company
    base = slug_from(name)
    candidates = chain([base], (f"{base}-{number}" for number in count(2)))
    taken = set(Company.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    # Another transaction may take a free one first; then the next is tried.
    return next(made for slug in candidates if slug not in taken and (made := _insert(values, slug)))


def _insert(values: dict[str, object], slug: str) -> Company | None:
    """The saved row, or None when the slug is taken; waits for a transaction that is just taking it."""
    company = Company(**values, slug=slug)
    try:
        with transaction.atomic():
            company.save(force_insert=True)
    except IntegrityError:
        if not Company.objects.filter(slug=slug).exists():
            raise
        return None
    return company
