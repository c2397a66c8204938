"""One process of many at a time: a lock in the database, which goes when its holder does."""

from typing import Any, Final

import psycopg
from django.db import OperationalError, connection

#: As in `tenants.locks`; the second numbers tell what is locked.
_SPACE: Final = 0x57484152
MONITOR: Final = 2


class Solo:
    """Ask `is_mine` again before each thing that only one process may do: the lock may have been lost meanwhile."""

    def __init__(self, what: int) -> None:
        self._what = what
        self._own: psycopg.Connection[Any] | None = None

    def is_mine(self) -> bool:
        """Whether we are the one, which we become if nobody is. Raises OperationalError when the database is away."""
        try:
            return self._holds() or self._takes()
        except psycopg.Error as error:
            self.give_back()
            raise OperationalError("the lock cannot be asked for") from error

    def _holds(self) -> bool:
        if self._own is None:
            return False
        # Lost with the connection, of which a look is the only sign.
        self._own.execute("SELECT 1")
        return True

    def _takes(self) -> bool:
        own = psycopg.connect(**connection.get_connection_params(), autocommit=True)
        row = own.execute("SELECT pg_try_advisory_lock(%s, %s)", (_SPACE, self._what)).fetchone()
        if row and row[0]:
            self._own = own
            return True
        own.close()
        return False

    def give_back(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None
