"""A real sandbox, a real worker with real hosts, and people who wait for what they expect to see."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django_tenants.utils import tenant_context
from pytest_django import Settings

from sandbox.thread import SandboxThread
from sandbox.world.faults import Faults
from tenants.models import Company
from tests.whatsapp.desk import Desk
from tests.whatsapp.harbour import Harbour
from whatsapp import live, networks


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxThread]:
    """One local WhatsApp for the whole run: tests take numbers of their own."""
    with SandboxThread(control=True) as running:
        yield running


@pytest.fixture
def on_sandbox(sandbox: SandboxThread, settings: Settings) -> Iterator[SandboxThread]:
    settings.SANDBOX_URL = sandbox.url
    networks._ask.cache_clear()
    yield sandbox
    sandbox.world.faults = Faults()


@pytest.fixture
def harbour(live_companies: None, acme: Company, on_sandbox: SandboxThread, tmp_path: Path) -> Iterator[Harbour]:
    """Acme on the sandbox, with a worker running."""
    with Harbour.open(acme, on_sandbox, tmp_path) as running:
        yield running


@pytest.fixture
def desk(acme: Company) -> Iterator[Desk]:
    """A linked session of acme without an engine; the whole test is inside acme's schema."""
    with tenant_context(acme):
        yield Desk.open(acme)


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[live.Hint]:
    """What is published from here on, without waiting for commits."""
    published: list[live.Hint] = []
    monkeypatch.setattr(live, "publish", lambda *hints: published.extend(hints))
    return published
