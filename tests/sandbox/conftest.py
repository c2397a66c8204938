"""One sandbox and one linked program for all tests that do them no harm; fresh ones for the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.thread import SandboxThread
from sandbox.world.faults import Faults
from sandbox.world.phone import Phone
from tests.sandbox.driver import Program

NUMBERS = (f"5511{n}" for n in itertools.count(900000001))


@dataclass
class Shop:
    """A business phone, and the program that is linked to it."""

    wa: SandboxThread
    phone: Phone
    program: Program
    client: str
    device: int


@pytest.fixture(scope="session")
def wa() -> Iterator[SandboxThread]:
    with SandboxThread(control=True) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def all_at_rest(request: pytest.FixtureRequest) -> Iterator[None]:
    """No fault outlives the test that needed it."""
    yield
    if "wa" in request.fixturenames:
        sandbox: SandboxThread = request.getfixturevalue("wa")
        sandbox.world.faults = Faults()


@pytest.fixture(scope="session")
def program(wa: SandboxThread) -> Iterator[Program]:
    """Starting one costs two seconds, so every test that can gets a client of its own in this one.

    Clients start one after another and are never stopped: neonize guards neither.
    """
    child = Program(wa.env)
    yield child
    child.kill()


def make_phone(wa: SandboxThread, name: str) -> Phone:
    return wa.phone(next(NUMBERS), name)


@pytest.fixture
def someone(wa: SandboxThread) -> Callable[..., Phone]:
    """Somebody with a number of their own."""
    return lambda name="Somebody": make_phone(wa, name)


def start_client(program: Program, store: Path) -> str:
    client = f"client-{next(NUMBERS)}"
    program.starts(store, client)
    program.qr(client)
    return client


def link(wa: SandboxThread, program: Program, client: str) -> Shop:
    phone = make_phone(wa, "Loja")
    device = wa.scan(phone, program.qr(client))
    program.connected(client=client)
    return Shop(wa, phone, program, client, device)


@pytest.fixture
def unlinked(program: Program, tmp_path: Path) -> str:
    """A client that shows a QR."""
    return start_client(program, tmp_path / "store.db")


@pytest.fixture(scope="session")
def shop(wa: SandboxThread, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """One for all tests that leave it linked, with the devices it has."""
    return link(wa, program, start_client(program, tmp_path_factory.mktemp("shop") / "store.db"))


@pytest.fixture
def own_shop(wa: SandboxThread, program: Program, unlinked: str) -> Shop:
    """For a test that takes it apart."""
    return link(wa, program, unlinked)


@pytest.fixture(scope="session")
def control(wa: SandboxThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=wa.url, timeout=30) as client:
        yield client
