"""How a host reaches its WhatsApp, and that nothing but a sandbox on this machine is ever believed to be one."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pytest_django import Settings

from fleet.models import Network
from whatsapp import networks
from whatsapp.engine.port import NetworkAccess
from whatsapp.networks import NetworkMissing, access_to

GOOD = {"proxy": "http://127.0.0.1:9", "ca": "PEM", "rootKey": "00"}

Serve = Callable[[bytes], str]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    networks._ask.cache_clear()
    yield
    networks._ask.cache_clear()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server on loopback that answers every request with these bytes, whatever they are."""
    servers: list[HTTPServer] = []

    def start(answer: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def http(body: object, status: str = "200 OK") -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{json.dumps(body)}".encode()


def test_whatsapp_itself_needs_nothing_said() -> None:
    assert access_to(Network.WHATSAPP) is None


def test_the_sandbox_tells_how_it_is_reached(serve: Serve, settings: Settings) -> None:
    settings.SANDBOX_URL = serve(http(GOOD))

    assert access_to(Network.SANDBOX) == NetworkAccess("http://127.0.0.1:9", "PEM", "00")


def test_without_a_sandbox_there_is_none(settings: Settings) -> None:
    settings.SANDBOX_URL = ""

    with pytest.raises(NetworkMissing, match="no sandbox"):
        access_to(Network.SANDBOX)


@pytest.mark.parametrize("url", ["http://sandbox.example:8080", "http://10.0.0.1", "http://127.0.0.1.example", "x"])
def test_a_sandbox_elsewhere_is_never_asked(settings: Settings, url: str) -> None:
    settings.SANDBOX_URL = url

    with pytest.raises(NetworkMissing, match="loopback"):
        access_to(Network.SANDBOX)


@pytest.mark.parametrize(
    "answer",
    [
        http([]),
        http(None),
        http("text"),
        http({"proxy": "x"}),
        http(GOOD, "500 Oops"),
        b"HTTP/1.0 200 OK\r\n\r\nnot JSON",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{}",
        b"",
    ],
)
def test_whatever_else_answers_there_is_no_sandbox(serve: Serve, settings: Settings, answer: bytes) -> None:
    settings.SANDBOX_URL = serve(answer)

    with pytest.raises(NetworkMissing):
        access_to(Network.SANDBOX)


def test_nobody_listening_is_no_sandbox(serve: Serve, settings: Settings) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:1"

    with pytest.raises(NetworkMissing):
        access_to(Network.SANDBOX)
