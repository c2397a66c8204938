"""A schema as PostgreSQL's catalogue describes it, with its own name left out, so that two can be compared."""

import re

from django.db import connection

from tenants.context import run_in_schema

#: PostgreSQL writes the casts of a condition on texts one way when it was parsed from a model's SQL, another way when
#: it was parsed from its own writing; it plans with both alike.
_TEXT_CASTS = re.compile(r"::(text|character varying)(\[\])?|[()]")

_QUESTIONS = {
    "columns": """
        SELECT relname, row_number() OVER (PARTITION BY relname ORDER BY attnum), attname,
               format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
               attstorage, attcompression, attcollation::regcollation, pg_get_expr(adbin, adrelid),
               col_description(pg_class.oid, attnum)
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        LEFT JOIN pg_attrdef ON adrelid = pg_class.oid AND adnum = attnum
        WHERE relnamespace = %(schema)s::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        ORDER BY relname, attname""",
    "tables": """
        SELECT relname, relkind, reloptions, obj_description(oid, 'pg_class') FROM pg_class
        WHERE relnamespace = %(schema)s::regnamespace AND relkind <> 'i' ORDER BY relname""",
    "constraints": """
        SELECT relname, conname, contype, condeferrable, condeferred, convalidated,
               pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE connamespace = %(schema)s::regnamespace ORDER BY relname, conname""",
    "indexes": """
        SELECT table_.relname, index_.relname, indisunique, indisprimary, indisvalid,
               pg_get_indexdef(indexrelid, 0, true)
        FROM pg_index JOIN pg_class index_ ON index_.oid = indexrelid JOIN pg_class table_ ON table_.oid = indrelid
        WHERE index_.relnamespace = %(schema)s::regnamespace ORDER BY 1, 2""",
    "sequences": """
        SELECT sequencename, data_type, start_value, increment_by, cycle, last_value
        FROM pg_sequences WHERE schemaname = %(schema)s ORDER BY sequencename""",
    "triggers": """
        SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid, true)
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = %(schema)s::regnamespace AND NOT tgisinternal ORDER BY 1, 2""",
    "migrations": "SELECT app, name FROM django_migrations ORDER BY id",
}


def differences(first: str, second: str) -> list[str]:
    """What one schema has and the other lacks, a line each; empty when they are equal."""
    one, other = describe(first), describe(second)
    return [
        f"only {schema}: {question} {row}"
        for question in _QUESTIONS
        for schema, mine, theirs in ((first, one, other), (second, other, one))
        for row in mine[question]
        if row not in theirs[question]
    ]


def describe(schema: str) -> dict[str, list[tuple[object, ...]]]:
    return run_in_schema(schema, _answers, schema)


def _answers(schema: str) -> dict[str, list[tuple[object, ...]]]:
    answers = {}
    with connection.cursor() as cursor:
        for name, question in _QUESTIONS.items():
            cursor.execute(question, {"schema": schema} if "%(schema)s" in question else None)
            answers[name] = cursor.fetchall()
    answers["indexes"] = [tuple(map(_without_text_casts, row)) for row in answers["indexes"]]
    return answers


def _without_text_casts(value: object) -> object:
    return _TEXT_CASTS.sub("", value) if isinstance(value, str) else value
