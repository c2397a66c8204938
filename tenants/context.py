"""The one door into a company's schema: entered and left inside one synchronous call.

django-tenants keeps the schema on the database connection, and connections belong to threads. A schema set here and
trusted later is another company's by then, so nothing else in the project sets one.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections
from django_tenants.utils import get_public_schema_name, schema_context, tenant_context

from tenants.models import Company
from wharf.logs import about

P = ParamSpec("P")
R = TypeVar("R")


def run_in(company: Company, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` with the database pointed at `company`, then point it back.

    Results must be plain: a lazy queryset would run after the door has closed.
    """
    with tenant_context(company), about(company_id=company.pk):
        return function(*args, **kwargs)


def run_in_public(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` with the database pointed at what all companies share, then point it back."""
    return run_in_schema(get_public_schema_name(), function, *args, **kwargs)


def run_in_schema(schema: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """For schemas that belong to no company: the public one and the template."""
    with schema_context(schema):
        return function(*args, **kwargs)


async def arun_in(company: Company, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """`run_in` for coroutines, in a thread of its own: slow calls of one company do not queue others."""
    return await _in_thread(partial(run_in, company, function, *args, **kwargs))


async def arun_in_public(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """`run_in_public` for coroutines."""
    return await _in_thread(partial(run_in_public, function, *args, **kwargs))


async def _in_thread(call: Callable[[], R]) -> R:
    return await asyncio.to_thread(_give_connection_back, call)


def _give_connection_back(call: Callable[[], R]) -> R:
    """A thread that kept its connection would keep it from the pool for as long as the thread lives."""
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()
