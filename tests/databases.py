"""A test process's own database: a copy of one that the run's first process to need it makes, as an installation would.

Migrating and making companies takes a processor ten seconds; copying what came of it takes a quarter of one.
"""

import os
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from tenants.upgrading import upgrade
from tests import companies

#: What is copied. It is marked as a template when it is whole.
ORIGINAL: Final = "wharf_original"
#: The lock that is held while somebody makes it, or copies it.
_MAKING: Final = 1


def have_own_database(process: str) -> None:
    """Let Django use a new database, with the template schema and the companies in it."""
    name = f"test_wharf_{process}"
    with psycopg.connect(os.environ["WHARF_DATABASE_URL"], autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_MAKING])
        if not _is_made(server):
            _make(server)
        _create(server, name, ORIGINAL)
    _use(name)
    companies.find_companies()


def _is_made(server: psycopg.Connection) -> bool:
    query = "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate"
    return server.execute(query, [ORIGINAL]).fetchone() is not None


def _make(server: psycopg.Connection) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(ORIGINAL)))
    _create(server, ORIGINAL, "template0")
    _use(ORIGINAL)
    assert upgrade(lambda sentence: None) == []
    companies.make_companies("acme", "globex")
    _let_go()
    server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(ORIGINAL)))


def _create(server: psycopg.Connection, name: str, template: str) -> None:
    names = [sql.Identifier(each) for each in (name, template)]
    server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))


def _use(name: str) -> None:
    _let_go()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def _let_go() -> None:
    connection.close()
    pooled: Any = connection
    pooled.close_pool()
