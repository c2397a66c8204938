"""A schema copied from the template: the same tables, rows, constraints and indexes, under the same names.

PostgreSQL itself writes the statements: read with the template first on the search path its definitions come without a
schema, so that executed with the new schema first they build the same there. References to shared tables stay shared.
"""

from typing import Final

from django.db import connection

from tenants.context import run_in_schema

#: Starts with no company's `c_`, so it can never be one.
TEMPLATE: Final = "template"

_TABLES: Final = """
SELECT format('CREATE TABLE %%I (LIKE %%I.%%I INCLUDING ALL EXCLUDING INDEXES)%%s',
              relname, %(template)s::text, relname, ' WITH (' || array_to_string(reloptions, ', ') || ')')
FROM pg_class WHERE relnamespace = %(template)s::regnamespace AND relkind = 'r' ORDER BY relname
"""

_TABLE_COMMENTS: Final = """
SELECT format('COMMENT ON TABLE %%I IS %%L', relname, obj_description(oid, 'pg_class'))
FROM pg_class WHERE relnamespace = %(template)s::regnamespace AND relkind = 'r'
  AND obj_description(oid, 'pg_class') IS NOT NULL ORDER BY relname
"""

# Data migrations leave rows in the template, the record of the migrations themselves among them.
_ROWS: Final = """
SELECT format('INSERT INTO %%I (%%s) OVERRIDING SYSTEM VALUE SELECT %%2$s FROM %%I.%%1$I', relname,
              string_agg(quote_ident(attname), ', ' ORDER BY attnum), %(template)s::text)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = %(template)s::regnamespace AND relkind = 'r'
  AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
GROUP BY relname ORDER BY relname
"""

_SEQUENCES: Final = """
SELECT format('SELECT setval(pg_get_serial_sequence(%%L, %%L), last_value) FROM %%I.%%I WHERE is_called',
              quote_ident(owner.relname), attname, %(template)s::text, sequence.relname)
FROM pg_class sequence
JOIN pg_depend ON pg_depend.objid = sequence.oid AND deptype = 'i' AND refclassid = 'pg_class'::regclass
JOIN pg_class owner ON owner.oid = refobjid
JOIN pg_attribute ON attrelid = owner.oid AND attnum = refobjsubid
WHERE sequence.relnamespace = %(template)s::regnamespace AND sequence.relkind = 'S' ORDER BY sequence.relname
"""

_CONSTRAINTS: Final = """
SELECT format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', relname, conname, pg_get_constraintdef(pg_constraint.oid))
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE connamespace = %(template)s::regnamespace AND contype = ANY(%(kinds)s::"char"[]) ORDER BY relname, conname
"""

_INDEXES: Final = """
SELECT pg_get_indexdef(indexrelid, 0, true)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = %(template)s::regnamespace
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')) ORDER BY relname
"""

_TRIGGERS: Final = """
SELECT pg_get_triggerdef(pg_trigger.oid, true)
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = %(template)s::regnamespace AND NOT tgisinternal ORDER BY relname, tgname
"""

# What no statement above copies. Nothing of ours makes such things; who adds one hears of it at once.
_STRANGE: Final = """
SELECT format('the relation %%s', relname) FROM pg_class
WHERE relnamespace = %(template)s::regnamespace AND relkind NOT IN ('r', 'i', 'S')
UNION ALL SELECT format('the sequence %%s', relname) FROM pg_class
WHERE relnamespace = %(template)s::regnamespace AND relkind = 'S' AND NOT EXISTS (
    SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i' AND refclassid = 'pg_class'::regclass)
UNION ALL SELECT format('the function %%s', proname) FROM pg_proc WHERE pronamespace = %(template)s::regnamespace
UNION ALL SELECT format('the type %%s', typname) FROM pg_type
WHERE typnamespace = %(template)s::regnamespace AND typtype IN ('e', 'd', 'r')
UNION ALL SELECT format('the policy %%s', polname) FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
WHERE relnamespace = %(template)s::regnamespace
ORDER BY 1
"""


def clone_script() -> str:
    """The statements that build the template's equal in the first schema of the search path."""
    return run_in_schema(TEMPLATE, _statements)


def what_cannot_be_cloned() -> list[str]:
    return run_in_schema(TEMPLATE, _lines, _STRANGE)


def _statements() -> str:
    lines = [
        *_lines(_TABLES),
        *_lines(_TABLE_COMMENTS),
        *_lines(_ROWS),
        *_lines(_SEQUENCES),
        *_lines(_CONSTRAINTS, kinds=["p", "u", "x"]),
        *_lines(_INDEXES),
        # Last: a reference needs the unique key that it points to, and finds the rows in place.
        *_lines(_CONSTRAINTS, kinds=["f"]),
        *_lines(_TRIGGERS),
    ]
    return ";\n".join(lines)


def _lines(query: str, **params: list[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"template": TEMPLATE, **params})
        return [line for (line,) in cursor.fetchall()]
