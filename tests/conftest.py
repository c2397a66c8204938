"""What every test may ask for: two companies that must never meet, their people, and clients that carry their tokens.

Companies      `acme`, `globex`: real schemas, made once a run. Ask for them instead of making a company; a test that
               needs more calls `tenants.provisioning.create_company` (about 0.02 s).
               `run_in(acme, function, ...)` from `tenants.context` is the way into their tables, in tests too.
People         `acme_admin`, `acme_manager`, `globex_admin`, `globex_manager`, `operator` (acting for acme). Each is a
               `tests.people.Person`: `.user`, `.company`, `.actor` (services' `by`), `.token`, `.password`.
               `make_person(company, Role.MANAGER, email=...)` from `tests.people` makes more.
Clients        `api(person)` is DRF's APIClient with the person's token, asking in English; `api()` carries none;
               `api(person, language="")` sends no Accept-Language, as the older systems' clients do.
Sockets        `tests.sockets.Socket(application, "/ws/...")` is a WebSocket client for ASGI applications and consumers.
Transactions   Everything above works in a test's transaction (the default, nothing to ask for: `acme` brings the
               database) and without one: add the marker `@pytest.mark.django_db(transaction=True)`, or the fixtures
               `transactional_db` or `live_companies` (which is both companies), whenever another thread, a consumer,
               a worker or a process must see the rows. Afterwards all rows of all companies and all shared rows are
               deleted, companies that the test made are dropped, and acme and globex are there again: about 20 ms.
"""

from collections.abc import Iterator
from typing import Protocol
from zlib import crc32

import pytest
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from accounts.models import Role
from tenants.models import Company
from tests import companies
from tests.databases import have_own_database
from tests.people import Person, client_for, make_operator, make_person


class ApiClients(Protocol):
    def __call__(self, person: Person | None = None, *, language: str = "en") -> APIClient: ...


def pytest_configure() -> None:
    from django.conf import settings

    # The real one takes a tenth of a second on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Every client of Django's has middleware of its own, which would look through all files of the site first.
    settings.WHITENOISE_AUTOREFRESH = True
    # Where no worker runs, nobody is going to answer.
    settings.LINKING_SECONDS = 0.0
    # How Django's test clients call the host.
    settings.PLATFORM_HOSTS = [*settings.PLATFORM_HOSTS, "testserver"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whoever asks for a company asks for the test database: pytest-django looks at marks and its own fixtures alone,
    and would otherwise leave a run of nothing but such tests on the real one."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)
    for item in items:
        if {"acme", "globex", "operator"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.django_db, append=False) if not item.get_closest_marker("django_db") else None


def _turn(item: pytest.Item) -> tuple[bool, int]:
    """Among several processes: the longest first, then file by file in an order that has nothing to do with names.
    What waits (for workers and browsers) runs beside what computes then, and not all of it at the end."""
    return item.get_closest_marker("story") is None, crc32(str(item.path.relative_to(item.config.rootpath)).encode())


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker, worker_id: str
) -> Iterator[None]:
    """Instead of pytest-django's. It goes with the run's server."""
    with pytest.MonkeyPatch.context() as patch:
        with django_db_blocker.unblock():
            have_own_database(worker_id)
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: companies.clean_up())
        yield


@pytest.fixture
def acme(_django_db_helper: None) -> Company:
    return companies.company("acme")


@pytest.fixture
def globex(_django_db_helper: None) -> Company:
    return companies.company("globex")


@pytest.fixture
def live_companies(transactional_db: None, acme: Company, globex: Company) -> tuple[Company, Company]:
    """acme and globex in a test whose rows everybody sees."""
    return acme, globex


@pytest.fixture
def acme_admin(acme: Company) -> Person:
    return make_person(acme, Role.ADMIN)


@pytest.fixture
def acme_manager(acme: Company) -> Person:
    return make_person(acme, Role.MANAGER)


@pytest.fixture
def globex_admin(globex: Company) -> Person:
    return make_person(globex, Role.ADMIN)


@pytest.fixture
def globex_manager(globex: Company) -> Person:
    return make_person(globex, Role.MANAGER)


@pytest.fixture
def operator(acme: Company) -> Person:
    return make_operator(acme)


@pytest.fixture
def api() -> ApiClients:
    return client_for
