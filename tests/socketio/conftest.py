"""A web server on the test's database, and clients from npm."""

import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import uvicorn

from config.asgi import dispatcher
from tenants.context import run_in
from tenants.models import Company
from tests.people import Person
from tests.product import free_port
from tests.socketio.clients import AS_DOCUMENTED, NODE, Client
from tests.socketio.scene import Scene
from tests.waiting import eventually
from tests.whatsapp.desk import Desk, text
from whatsapp.socketio.server import SocketIO

HAS_CLIENTS: Final = shutil.which("node") is not None and (NODE / "node_modules").is_dir()
NEEDS_CLIENTS = pytest.mark.skipif(
    not HAS_CLIENTS, reason="needs node, and socket.io-client in tests/socketio/node (`make test` brings it: npm ci)"
)

Connect = Callable[..., Client]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of one web process, in a thread: its settings can be changed by tests."""
    port = free_port()
    config = uvicorn.Config(
        dispatcher(SocketIO()), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=8
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    eventually(lambda: running.started, what="the web server starts")
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(20)


@pytest.fixture
def connect(server: str) -> Iterator[Connect]:
    """`connect(person, version=4, token=..., **options)` opens a connection to `/whatsapp`."""
    clients: list[Client] = []

    def open_client(
        person: Person | None = None,
        *,
        version: int = 4,
        token: str | None = None,
        namespace: str = "/whatsapp",
        at: str = "",
        **options: Any,
    ) -> Client:
        token = person.token if person and token is None else token
        if version == 4:
            options = AS_DOCUMENTED | {"auth": {"token": token} if token is not None else {}} | options
        else:
            carried = {"extraHeaders": {"Authorization": f"Bearer {token}"}}
            options = {"transportOptions": {"polling": carried, "websocket": carried}} | options
        clients.append(Client(version, (at or server) + namespace, **options))
        return clients[-1]

    yield open_client
    for client in clients:
        client.ends()


@pytest.fixture
def scene(live_companies: None, acme: Company) -> Scene:
    """A number of acme's that is connected, with a question of Bob's."""
    return Scene(run_in(acme, _with_a_question, acme))


def _with_a_question(company: Company) -> Desk:
    desk = Desk.open(company)
    desk.tell(text("Are you open?"))
    return desk


@pytest.fixture
def unlinked(live_companies: None, acme: Company) -> Scene:
    """A session of acme's that has just been started."""
    return Scene(run_in(acme, Desk.unlinked, acme))
