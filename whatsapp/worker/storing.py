"""The worker's calls into the services, from its event loop: each in a thread, in the right company.

A database that is away for a moment must not cost a message or a connection: such calls are said again until it is
back, or until the session turns out to be another worker's.
"""

import asyncio
import logging
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


async def in_company(company: Company, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """`function` in the company's schema, again and again while the database is away."""
    while True:
        try:
            return await arun_in(company, function, *args, **kwargs)
        except DATABASE_AWAY as error:
            metrics.DATABASE_RETRIES.inc()
            log.warning("the database is away (%s), trying again", type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
