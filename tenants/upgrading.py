"""Every schema brought to the migrations that this code has: the shared one, the template, then the companies behind.

Who is up to date is found with one question to the database, not with one run of `migrate` a company.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_tenants.utils import app_labels, get_public_schema_name, quote_schema_name

from tenants.cloning import TEMPLATE, what_cannot_be_cloned
from tenants.context import run_in_public
from tenants.errors import TemplateNotClonable
from tenants.locks import upgrading_alone
from tenants.models import Company

logger = logging.getLogger(__name__)

Say = Callable[[str], None]
Migration = tuple[str, str]

#: How many schemas are asked about in one statement: each costs a lock until the statement ends.
_AT_ONCE: Final = 500


def upgrade(say: Say) -> list[str]:
    """Bring everything up to date; return the names of the companies where that failed.

    May be run by any number of processes at once: they take turns, and the later ones find nothing to do. A failure
    in what all companies share is raised: nothing else could work.
    """
    with upgrading_alone():
        return run_in_public(_upgrade, say)


def companies_behind() -> list[Company]:
    """The companies whose schema lacks a migration of this code."""
    by_schema = {company.schema_name: company for company in Company.objects.order_by("created_at")}
    behind = _behind(by_schema, _migrations_of_companies())
    return [company for schema, company in by_schema.items() if schema in behind]


def _upgrade(say: Say) -> list[str]:
    public = get_public_schema_name()
    if _behind([public], _migrations()):
        say("Upgrading what all companies share.")
        _migrate(public)
    if _behind([TEMPLATE], _migrations_of_companies()):
        say("Upgrading the template of new companies.")
        _upgrade_template()
    behind = companies_behind()
    if not behind:
        say("Everything is up to date.")
    return [company.name for n, company in enumerate(behind, 1) if not _upgrade_one(company, f"{n}/{len(behind)}", say)]


def _upgrade_template() -> None:
    _make_schema(TEMPLATE)
    _migrate(TEMPLATE)
    if things := what_cannot_be_cloned():
        raise TemplateNotClonable(things=", ".join(things))


def _upgrade_one(company: Company, which: str, say: Say) -> bool:
    """False, after a report, when it failed: the other companies must not wait for this one."""
    say(f"Upgrading {company.name} ({company.slug}), {which}.")
    try:
        _migrate(company.schema_name)
    except Exception:
        logger.exception("company %s (%s) was not upgraded", company.slug, company.schema_name)
        say(f"{company.name} ({company.slug}) was NOT upgraded.")
        return False
    return True


def _migrate(schema: str) -> None:
    """Run Django's migrations in `schema`, where its own tables are; whatever happens, end where we started."""
    run_in_public(call_command, "migrate_schemas", schema_name=schema, interactive=False, verbosity=0)


def _make_schema(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_schema_name(schema)}")


@cache
def _migrations() -> frozenset[Migration]:
    return frozenset(MigrationLoader(None).graph.nodes)


def _migrations_of_companies() -> frozenset[Migration]:
    """Those that make a difference in a company's schema; the rest is only written down there, whenever one runs."""
    ours = app_labels(settings.TENANT_APPS)
    return frozenset((app, name) for app, name in _migrations() if app in ours)


def _behind(schemas: Iterable[str], wanted: frozenset[Migration]) -> set[str]:
    """Which of `schemas` lack one of the `wanted` migrations, or even the table that records them."""
    schemas = list(schemas)
    recorded = _with_a_record(schemas)
    lacking = (found for part in _parts(sorted(recorded)) for found in _lacking(part, wanted))
    return (set(schemas) - recorded) | set(lacking)


def _with_a_record(schemas: list[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE relname = 'django_migrations' AND nspname = ANY(%s)",
            [schemas],
        )
        return {schema for (schema,) in cursor.fetchall()}


def _parts(schemas: list[str]) -> Iterator[list[str]]:
    return (schemas[start : start + _AT_ONCE] for start in range(0, len(schemas), _AT_ONCE))


def _lacking(schemas: list[str], wanted: frozenset[Migration]) -> list[str]:
    one = "SELECT %s WHERE EXISTS (SELECT app, name FROM wanted EXCEPT SELECT app, name FROM {}.django_migrations)"
    union = " UNION ALL ".join(one.format(quote_schema_name(schema)) for schema in schemas)
    apps, names = zip(*sorted(wanted), strict=True) if wanted else ((), ())
    query = f"WITH wanted (app, name) AS (SELECT * FROM unnest(%s::text[], %s::text[])) {union}"  # noqa: S608  # quoted
    with connection.cursor() as cursor:
        cursor.execute(query, [list(apps), list(names), *schemas])
        return [schema for (schema,) in cursor.fetchall()]
