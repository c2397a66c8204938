"""A real sandbox, a real worker with real hosts, and people who wait for what they expect to see."""

from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from django_tenants.utils import tenant_context
from pytest_django import DjangoDbBlocker, Settings

from sandbox.thread import SandboxThread
from sandbox.world.faults import Faults
from tenants.models import Company
from tests.whatsapp.desk import Desk
from tests.whatsapp.harbour import Harbour
from tests.whatsapp.vcl_back import PASSWORD, VclBack, made_beside
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


@pytest.fixture(scope="session")
def vcl_back_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[VclBack]:
    """The database of the older system A, as its users would bring it."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    with django_db_blocker.unblock(), made_beside(hashed) as made, django_db_blocker.block():
        yield made


@pytest.fixture
def a(vcl_back_database: VclBack) -> VclBack:
    vcl_back_database.empty()
    return vcl_back_database
