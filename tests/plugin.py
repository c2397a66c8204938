"""Gives every test run its own PostgreSQL and Valkey before Django reads its settings; nothing stays."""

import os
import secrets
import tempfile
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from config.stack.embedded import EmbeddedStack
from config.stack.valkey import Valkey

#: Made by the run's controller; pytest-xdist's workers find them in the environment they inherit.
_INHERITED = ("WHARF_SECRET_KEY", "WHARF_DATABASE_URL", "WHARF_REDIS_URL")
_EXIT = pytest.StashKey[ExitStack]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Runs around pytest-django's hook of the same name, which imports the settings."""
    with ExitStack() as until_failure:
        _prepare(until_failure)
        result = yield
        early_config.stash[_EXIT] = until_failure.pop_all()
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash.get(_EXIT, ExitStack()).close()


def _prepare(exit_stack: ExitStack) -> None:
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    # A database that happens to be exported in the shell is never touched by a test.
    for name in [name for name in os.environ if name.startswith("WHARF_")]:
        if not (is_worker and name in _INHERITED):
            del os.environ[name]
    os.environ["WHARF_STATE_DIR"] = exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="wharf-tests-"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    if is_worker:
        _join_stack(exit_stack, os.environ["PYTEST_XDIST_WORKER"])
    else:
        _start_stack(exit_stack)


def _start_stack(exit_stack: ExitStack) -> None:
    stack = exit_stack.enter_context(EmbeddedStack(throwaway=True))
    os.environ["WHARF_SECRET_KEY"] = secrets.token_urlsafe(48)
    os.environ["WHARF_DATABASE_URL"] = stack.database_url
    os.environ["WHARF_REDIS_URL"] = stack.redis_url


def _join_stack(exit_stack: ExitStack, worker: str) -> None:
    """pytest-django makes each worker a database; Valkey's channels know no walls: one server a worker."""
    valkey = Valkey.beside(os.environ["WHARF_REDIS_URL"], worker)
    exit_stack.callback(valkey.stop)
    valkey.start()
    valkey.wait_ready()
    os.environ["WHARF_REDIS_URL"] = valkey.url
