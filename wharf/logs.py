"""What a log line is about: ids that every line written meanwhile carries, and tracebacks without what rows hold.

Ids only: `about(session_id=...)` in the code that knows them, and the formatters (`config.logs`) put them into each
line, those of libraries included. Tasks and threads that are started inside inherit them.
"""

import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

#: The ids that a line may carry, in the order in which it does.
FIELDS: Final = ("company_id", "session_id", "endpoint_id", "event_id")
#: What an exception says of itself, at most.
LONGEST: Final = 300

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Lines written inside are about these; `ids` are of `FIELDS`."""
    token = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(token)


def ids() -> dict[str, str]:
    """What lines are about now."""
    now = _about.get()
    return {name: now[name] for name in FIELDS if now.get(name)}


def process_name() -> str:
    """Which of Wharf's processes this is: manage.py's command, else the web server."""
    program, *rest = sys.argv or [""]
    return rest[0] if Path(program).name == "manage.py" and rest else "web"


def connection_name(process: str) -> str:
    """What PostgreSQL calls that process's connections."""
    return f"wharf {process}"


# -- exceptions ------------------------------------------------------------------------------------------------------
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"
_QUOTED: Final = re.compile(r""""[^"]*"|'[^']*'|\([^)]*\)""", re.DOTALL)


def describe(error: BaseException) -> str:
    """The traceback with its causes. PostgreSQL tells in its errors what stands in a row; that is left out."""
    return "".join(_parts(error, set())).rstrip("\n")


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _parts(before, seen)
        yield _CAUSE if error.__cause__ else _CONTEXT
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_words(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _parts(one, seen)


def _words(error: BaseException) -> str:
    found = _database_error(error)
    return _said_by_database(found) if found is not None else str(error)[:LONGEST]


def _database_error(error: BaseException | None) -> Any:
    """psycopg's error, also behind the one that Django makes of it."""
    for one in (error, getattr(error, "__cause__", None)):
        if hasattr(one, "sqlstate") and hasattr(one, "diag"):
            return one
    return None


def _said_by_database(error: Any) -> str:
    """What it is and where, without values: the main sentence quotes them too."""
    first = _QUOTED.sub("…", error.diag.message_primary or type(error).__name__)
    places = (("table", error.diag.table_name), ("constraint", error.diag.constraint_name))
    where = ", ".join(f"{name} {value}" for name, value in places if value)
    return f"[{error.sqlstate}] {first[:LONGEST]}" + (f" ({where})" if where else "")
