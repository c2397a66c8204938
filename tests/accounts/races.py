"""Two at once, with certainty: one has begun and not committed, the other is seen waiting for it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import connection

from tests.waiting import eventually

P = ParamSpec("P")
R = TypeVar("R")


def in_its_own_connection(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """For threads, which would keep theirs."""
    try:
        return call(*args, **kwargs)
    finally:
        connection.close()


def wait_for_a_lock() -> None:
    """Until somebody waits for what this connection holds."""
    eventually(_somebody_waits, what="somebody waits for this transaction")


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        # Inside a transaction the first look would be repeated for ever: a connection made after it is never seen.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        (waiting,) = cursor.fetchone()
    return bool(waiting)
