"""The one place of dispatch: HTTP, sockets and the server's own messages, as a server sends them."""

import json
import warnings
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from django.test import Client

from config import sockets
from config.asgi import application
from tenants.domains import save_domain
from tenants.models import Company
from tests.people import Person
from tests.sockets import Socket
from tests.waiting import PATIENCE
from wharf.errors import Kind
from wharf.meanings import MEANINGS

GONE = MEANINGS[Kind.NOT_FOUND].ws_close


async def whoami(scope: Any, receive: Any, send: Any) -> None:
    """A consumer that says what it was told about its caller."""
    await receive()
    user = scope.get("user")
    host_company = scope["host_company"]
    await send({"type": "websocket.accept"})
    told = {"user": getattr(user, "email", None), "host": host_company.slug if host_company else None}
    await send({"type": "websocket.send", "text": json.dumps(told)})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a socket and returns what its consumer was told."""
    monkeypatch.setattr(sockets, "_routed", whoami)
    monkeypatch.setattr(sockets, "_with_session", AuthMiddlewareStack(whoami))

    async def open_socket(**more: Any) -> Any:
        socket = Socket(application, "/ws/anything", **more)
        assert await socket.connect() is None
        return await socket.receive()

    return open_socket


@pytest.fixture
def cookie(acme_admin: Person) -> str:
    client = Client()
    client.force_login(acme_admin.user)
    return f"sessionid={client.cookies['sessionid'].value}"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened


@pytest.mark.django_db(transaction=True)
async def test_http_reaches_django(client: httpx.AsyncClient) -> None:
    response = await client.get("/health/ready")

    assert (response.status_code, response.json()["database"]) == (200, "ok")


@pytest.mark.django_db(transaction=True)
async def test_static_files_are_served_without_a_warning(client: httpx.AsyncClient) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        response = await client.get("/static/admin/css/base.css")

    assert (response.status_code, response.headers["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    assert "body" in response.text


@pytest.mark.django_db(transaction=True)
async def test_a_socket_to_nowhere_is_closed() -> None:
    assert await Socket(application, "/ws/nowhere").connect() == GONE


@pytest.mark.django_db(transaction=True)
async def test_a_socket_to_an_unknown_host_is_closed() -> None:
    assert await Socket(application, "/ws/anything", host="elsewhere.test").connect() == GONE


@pytest.mark.django_db(transaction=True)
async def test_our_own_pages_bring_their_session(told: Any, cookie: str) -> None:
    assert (await told(cookie=cookie, origin="http://testserver"))["user"] == "admin@acme.test"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.test", "http://testserver.evil.test", "http://testserver:81", "http://evil@testserver:3"],
)
async def test_a_session_is_not_believed_from_another_site(told: Any, cookie: str, origin: str) -> None:
    assert (await told(cookie=cookie, origin=origin))["user"] is None


@pytest.mark.django_db(transaction=True)
async def test_a_socket_knows_whose_host_it_came_to(told: Any, acme: Company) -> None:
    await sync_to_async(save_domain)(company=acme, name="chat.acme.test")

    assert (await told(host="chat.acme.test"))["host"] == "acme"
    assert (await told())["host"] is None


async def test_a_server_may_start_and_stop() -> None:
    server: Any = ApplicationCommunicator(application, {"type": "lifespan"})  # type: ignore[no-untyped-call]
    await server.send_input({"type": "lifespan.startup"})
    assert await server.receive_output(PATIENCE) == {"type": "lifespan.startup.complete"}
    await server.send_input({"type": "lifespan.shutdown"})
    assert await server.receive_output(PATIENCE) == {"type": "lifespan.shutdown.complete"}
    await server.wait()
