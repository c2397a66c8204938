"""Companies for tests: made once by real provisioning, and put back as they were after every test.

`acme` and `globex` have real schemas for the whole run. A test in a transaction (`db`) leaves no trace of itself. One
without (`transactional_db`, `live_server`) is cleaned up after here, because Django's own flush knows the public
tables alone: it would leave the companies' rows where they are, and remove the companies themselves.
"""

from collections.abc import Iterable
from typing import Final

from django.db import connection
from django_tenants.utils import get_public_schema_name

from tenants.cloning import TEMPLATE
from tenants.context import run_in_public
from tenants.models import Company
from tenants.provisioning import create_company

#: Written by migrations, not by tests.
KEPT: Final = {"django_migrations", "django_content_type", "auth_permission", "procrastinate_version"}

_made: dict[str, Company] = {}


def make_companies(*slugs: str) -> None:
    """Outside any transaction, once a run."""
    for slug in slugs:
        create_company(name=slug.title(), slug=slug, max_sessions=5, language="en")


def find_companies() -> None:
    """Once in each of a run's processes: they are what is put back."""
    _made.update({company.slug: company for company in Company.objects.all()})


def company(slug: str) -> Company:
    """A fresh copy, so that one test's changes to the object are not another's."""
    return Company.objects.get(pk=_made[slug].pk)


def clean_up() -> None:
    """Empty everything a test may have written, drop the companies it made, and put ours back."""
    connection.rollback() if connection.in_atomic_block else None
    run_in_public(_clean_up)


def _clean_up() -> None:
    ours = {made.schema_name for made in _made.values()}
    schemas = [schema for schema in _schemas() if schema.startswith("c_")]
    statements = [f'DROP SCHEMA "{schema}" CASCADE' for schema in schemas if schema not in ours]
    # Rows go in any order: this session fires no triggers, hence checks no references.
    statements += ["SET session_replication_role = replica"]
    statements += [f"DELETE FROM {table}" for table in _tables([get_public_schema_name(), *ours])]  # noqa: S608
    statements += ["SET session_replication_role = DEFAULT"]
    with connection.cursor() as cursor:
        cursor.execute(";\n".join(statements))
    Company.objects.bulk_create([Company(**_values(made)) for made in _made.values()])


def _values(made: Company) -> dict[str, object]:
    return {field.attname: getattr(made, field.attname) for field in Company._meta.concrete_fields}


def _schemas() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname <> %s", [TEMPLATE])
        return [schema for (schema,) in cursor.fetchall()]


def _tables(schemas: Iterable[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%%I.%%I', nspname, relname) "
            "FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE relkind = 'r' AND nspname = ANY(%s) AND relname <> ALL(%s)",
            [list(schemas), list(KEPT)],
        )
        return [table for (table,) in cursor.fetchall()]
