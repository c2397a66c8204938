"""Hearing of new work at once: PostgreSQL's notifications on a connection of their own.

Only for speed. A missed notification costs a tick's wait, for the worker looks by itself too.
"""

import asyncio
import logging
from typing import Any, Final

import psycopg
from django.db import connection
from psycopg import sql

from fleet.leases import WAKE_CHANNEL

log = logging.getLogger("whatsapp.worker")

RETRY_SECONDS: Final = 2.0


async def listen(wake: asyncio.Event, woken: set[str]) -> None:
    """Add the ids of sessions with new work to `woken` and set `wake`, until cancelled; reconnects by itself."""
    while True:
        try:
            await _listen_once(wake, woken)
        except (psycopg.Error, OSError) as error:
            log.warning("not hearing wake-ups (%s); looking every few seconds", type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _listen_once(wake: asyncio.Event, woken: set[str]) -> None:
    async with await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True) as conn:
        await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WAKE_CHANNEL)))
        async for notice in conn.notifies():
            woken.add(notice.payload)
            wake.set()


def _parameters() -> dict[str, Any]:
    """The database's own, without what belongs to Django's pool."""
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "pool", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters
