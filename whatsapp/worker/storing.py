"""The worker's calls into the services, from its event loop: each in a thread, in the right company.

A database that is away for a moment must not cost a message or a connection: such calls are said again until it is
back, until the session turns out to be another worker's, or until the worker that is to stop has no more time.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from tenants.context import arun_in
from tenants.models import Company
from wharf import metrics

log = logging.getLogger("whatsapp.worker")

P = ParamSpec("P")
R = TypeVar("R")

DATABASE_AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)
RETRY_SECONDS: Final = 1.0


#: So long a worker that is to stop goes on trying.
LAST_WORDS_SECONDS: Final = 5.0


class Storing:
    """The calls of one worker. Raises one of DATABASE_AWAY once it is `hasten`ed and the time is up."""

    def __init__(self) -> None:
        self._give_up_at = math.inf

    def hasten(self) -> None:
        """The worker is to stop: what cannot be stored soon stays in the journals, for the next one."""
        self._give_up_at = min(self._give_up_at, time.monotonic() + LAST_WORDS_SECONDS)

    async def in_company(self, company: Company, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """`function` in the company's schema, again and again while the database is away."""
        while True:
            try:
                return await arun_in(company, function, *args, **kwargs)
            except DATABASE_AWAY as error:
                if time.monotonic() > self._give_up_at:
                    raise
                metrics.DATABASE_RETRIES.inc()
                log.warning("the database is away (%s), trying again", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
