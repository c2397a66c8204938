"""Pooled connections that PostgreSQL has ended meanwhile: nobody is given one."""

import select
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.waiting import eventually
from wharf.postgresql.base import has_hung_up

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def some() -> Iterator[list[Any]]:
    """Three users of the same pool."""
    wrappers = [connection.copy() for _ in range(3)]
    yield wrappers
    for wrapper in wrappers:
        wrapper.close()


def backends(wrappers: list[Any]) -> set[int]:
    for wrapper in wrappers:
        wrapper.ensure_connection()
    used = {wrapper.connection.info.backend_pid for wrapper in wrappers}
    for wrapper in wrappers:
        wrapper.close()
    return used


def end(pids: set[int]) -> None:
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as beside:
        # It returns when the backend is gone; a socket has its end by then.
        ended = beside.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [sorted(pids)])
        assert all(gone for (gone,) in ended)


def test_connections_that_the_server_ended_are_replaced_before_anybody_uses_them(some: list[Any]) -> None:
    ended = backends(some)

    end(ended)

    for wrapper in some:
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            assert cursor.fetchone()[0] not in ended


def test_a_notice_that_came_meanwhile_ends_nothing(some: list[Any]) -> None:
    listening = some[0]
    with listening.cursor() as cursor:
        cursor.execute("LISTEN a_word")

    with connection.cursor() as cursor:
        cursor.execute("NOTIFY a_word")

    eventually(lambda: select.select([listening.connection], [], [], 0)[0], what="it lies in the socket")
    assert not has_hung_up(listening.connection)
