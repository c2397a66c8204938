"""Hearing of new work at once: PostgreSQL's notifications on a connection of their own.

Only for speed. A missed notification costs a tick's wait, for the worker looks by itself too.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import psycopg
from django.db import connection
from psycopg import sql

from fleet import hints
from fleet.hints import HINT_CHANNEL, Hint
from fleet.leases import WAKE_CHANNEL

log = logging.getLogger("whatsapp.worker")

RETRY_SECONDS: Final = 2.0


async def listen(wake: asyncio.Event, woken: set[str], hear: Callable[[Hint], None]) -> None:
    """Add the ids of sessions with new work to `woken` and set `wake`, until cancelled; reconnects by itself.

    `hear` is called with each hint.
    """
    while True:
        try:
            await _listen_once(wake, woken, hear)
        except (psycopg.Error, OSError) as error:
            log.warning("not hearing wake-ups (%s); looking every few seconds", type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _listen_once(wake: asyncio.Event, woken: set[str], hear: Callable[[Hint], None]) -> None:
    async with await psycopg.AsyncConnection.connect(**_parameters(), autocommit=True) as conn:
        for channel in (WAKE_CHANNEL, HINT_CHANNEL):
            await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        async for notice in conn.notifies():
            if notice.channel == HINT_CHANNEL:
                if hint := hints.read(notice.payload):
                    hear(hint)
            else:
                woken.add(notice.payload)
                wake.set()


def _parameters() -> dict[str, Any]:
    """The database's own, without what belongs to Django's pool."""
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "pool", "prepare_threshold"):
        parameters.pop(name, None)
    return parameters
