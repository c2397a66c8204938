"""Statements that go to the database together, for the few ways that every message takes.

Each statement that waits for its answer costs a trip to the database and back, which for a small one is most of what
it costs. Inside `together` nothing waits; when it ends, all answers are there (psycopg's pipeline mode).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)

_DATABASE: Final = "default"


class Answer:
    """The rows of one statement, to be read after the end of `together`."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def rows(self) -> list[tuple[Any, ...]]:
        with self._cursor as cursor:
            return list(cursor.fetchall())

    def load(self, model: type[M]) -> list[M]:
        """The rows as instances of `model`; all its columns must be there, others become attributes."""
        with self._cursor as cursor:
            found = cursor.fetchall()
            names = [column.name for column in cursor.description]
        return [_instance(model, dict(zip(names, row, strict=True))) for row in found]


def _instance(model: type[M], values: dict[str, Any]) -> M:
    names, readers = _columns(model)
    for name, read in readers.items():
        values[name] = read(values[name], None, connection)
    row = model.from_db(_DATABASE, names, [values.pop(name) for name in names])
    for name, value in values.items():
        setattr(row, name, value)
    return row


@cache
def _columns(model: type[Model]) -> tuple[list[str], dict[str, Callable[..., Any]]]:
    """The names of a model's columns, and how the ORM reads those that come as something else (JSON, as text)."""
    fields = model._meta.concrete_fields
    readers = {field.attname: field.from_db_value for field in fields if hasattr(field, "from_db_value")}
    return [field.attname for field in fields], readers


def as_arrays(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Any number of rows, but none is too few, as one parameter a column: for `unnest`.

    The planner takes it for a few rows. An UPDATE from a `jsonb_to_recordset` cost the database half as much again.
    """
    return [list(column) for column in zip(*rows, strict=True)]


def insert(rows: Sequence[Model]) -> None:
    """Store new rows of one model, as `bulk_create` does, for half of what that costs: what they have in common is said
    once, and nobody asks each field of each row how it is written. So it is for models that have keys of their own
    and columns that PostgreSQL takes as they are (no JSON)."""
    if not rows:
        return
    names, types = _types(type(rows[0]))
    columns = [[getattr(row, name) for row in rows] for name in names]
    differing = tuple(any(value != column[0] for value in column) for column in columns)
    arrays = [column for column, differs in zip(columns, differing, strict=True) if differs]
    common = [column[0] for column, differs in zip(columns, differing, strict=True) if not differs]
    with connection.cursor() as cursor:
        cursor.execute(_insert(type(rows[0])._meta.db_table, names, types, differing), [*common, *arrays])
    for row in rows:
        row._state.adding, row._state.db = False, _DATABASE


@cache
def _types(model: type[Model]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(attributes, types of their columns)"""
    fields = model._meta.concrete_fields
    return tuple(field.attname for field in fields), tuple(str(field.db_type(connection)) for field in fields)


@cache
def _insert(table: str, names: tuple[str, ...], types: tuple[str, ...], differing: tuple[bool, ...]) -> str:
    columns = list(zip(names, types, differing, strict=True))
    values = [f'"{name}"' if differs else f"%s::{kind}" for name, kind, differs in columns]
    arrays = [f"%s::{kind}[]" for _, kind, differs in columns if differs]
    own = [f'"{name}"' for name, _, differs in columns if differs]
    source = f" FROM unnest({', '.join(arrays)}) AS row({', '.join(own)})" if arrays else ""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table}" ({quoted}) SELECT {", ".join(values)}{source}'  # names of models


Ask = Callable[[str, Sequence[Any]], Answer]


@contextmanager
def together() -> Iterator[Ask]:
    """Yields `ask(sql, parameters)`; what is asked is answered at the end of the block.

    Of the ORM only what asks the database for nothing belongs inside (`bulk_create` of rows with ids of their own):
    how many rows an UPDATE touched, for one, is not known yet there.
    """

    def ask(sql: str, parameters: Sequence[Any]) -> Answer:
        cursor = connection.cursor()
        cursor.execute(sql, parameters)
        return Answer(cursor)

    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield ask
