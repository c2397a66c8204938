"""Queries of the ORM that are compiled once, for those that every request asks.

Django builds a query and its SQL anew each time, which costs several times what the database takes to answer it. The
query stays the ORM's: what it selects and how rows become objects is Django's to say, once and at each row.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, Final, Generic, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler

M = TypeVar("M", bound=Model)

_DATABASE: Final = "default"
#: Begins what stands for a parameter while the query is compiled; no text that PostgreSQL holds does.
_MARK: Final = "\0"


class Compiled(Generic[M]):
    """`make(**texts)` builds the queryset; it is called once, with marks, and must not look at what it is given.

    Its parameters are texts. Nothing of the company is in the SQL: tables are found by the connection's search path.
    """

    def __init__(self, make: Callable[..., QuerySet[M]]) -> None:
        self._make = make
        self._compiled: tuple[SQLCompiler, str, Sequence[Any]] | None = None

    def all(self, **texts: str) -> list[M]:
        compiler, sql, places = self._compiled or self._compile(texts)
        parameters = tuple(texts[place[1:]] if _is_mark(place) else place for place in places)
        asked: Any = _Asked(compiler, sql, parameters)
        return list(ModelIterable(asked))

    def first(self, **texts: str) -> M | None:
        """The first as the database gives them; for what is unique."""
        return next(iter(self.all(**texts)), None)

    def _compile(self, names: Iterable[str]) -> tuple[SQLCompiler, str, Sequence[Any]]:
        queryset = self._make(**{name: _MARK + name for name in names})
        if queryset.query.select_for_update:
            raise TypeError("Django would not see whether it is asked in a transaction")
        compiler = queryset.order_by().query.get_compiler(using=_DATABASE)
        sql, places = compiler.as_sql()
        if {place for place in places if _is_mark(place)} != {_MARK + name for name in names}:
            raise TypeError("a parameter is not in the query as the text that it is")
        self._compiled = compiler, sql, places
        return self._compiled


def _is_mark(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_MARK)


class _Asked:
    """What Django's iterable of models wants of a queryset: here one that has its SQL already."""

    db = _DATABASE
    _known_related_objects: Final[dict[Any, Any]] = {}

    def __init__(self, compiler: Any, sql: str, parameters: Sequence[Any]) -> None:
        # Compilers know their connection, and that belongs to a thread.
        self._compiler = copy(compiler)
        self._compiler.connection = connections[self.db]
        self._compiler.as_sql = lambda: (sql, parameters)
        self.query = self

    def get_compiler(self, using: str) -> Any:
        return self._compiler
