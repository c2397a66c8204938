"""Advisory locks that hold over processes: an upgrade works alone, and companies are made while none is running."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from django.db import connection

from tenants.errors import UpgradeRunning

#: Any two numbers that nothing else in the database uses.
_UPGRADE: Final = (0x57484152, 1)
_PATIENCE_SECONDS: Final = 10.0


@contextmanager
def upgrading_alone() -> Iterator[None]:
    """Wait until no other upgrade runs and no company is being made, then keep both out.

    The lock lives on a connection of its own: migrations close Django's, and the pool would hand a locked one on.
    """
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as own:
        own.execute("SELECT pg_advisory_lock(%s, %s)", _UPGRADE)
        try:
            yield
        finally:
            # Said, and not left to the end of the connection, which the server notices a moment later.
            with suppress(psycopg.Error):
                own.execute("SELECT pg_advisory_unlock(%s, %s)", _UPGRADE)


def keep_upgrades_out() -> None:
    """Until this transaction ends. Raises UpgradeRunning when an upgrade takes longer than a person waits."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while not _locked_shared():
        if time.monotonic() > give_up_at:
            raise UpgradeRunning
        time.sleep(0.1)


def _locked_shared() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s, %s)", _UPGRADE)
        (locked,) = cursor.fetchone()
    return bool(locked)
