"""Django's PostgreSQL backend, and a look at each pooled connection before it is used.

A pool does not notice that the server has hung up (a restart, a failover, an idle connection ended) until somebody uses
the connection: without this, that were as many failed requests and jobs as connections were idle. The pool's own check
costs a trip for each use, and waits for seconds between the dead ones that it finds. What the server said last lies in
the socket, and looking there costs a microsecond.
"""

import select
from contextlib import suppress
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raises `psycopg.OperationalError` when there is no database, `PoolTimeout` when none came in time."""
        connection = super().get_new_connection(conn_params)
        while self.pool and has_hung_up(connection):
            self.pool.putconn(connection)  # it discards what is closed
            connection = super().get_new_connection(conn_params)
        return connection


def has_hung_up(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has ended this connection, which nobody uses at the moment."""
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    # A notice, or the reason of the end and then the end: libpq tells them apart when it reads.
    while not connection.closed and look.poll(0):
        with suppress(psycopg.OperationalError):
            connection.pgconn.consume_input()
    return connection.closed
