"""The way in stands any visitor, and leads nowhere but here."""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.protocol.noise import Authority, Handshake
from sandbox.protocol.websocket import MAX_MESSAGE
from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tests.sandbox.conftest import Shop
from tests.sandbox.driver import until


class Visitor:
    """Somebody who comes to the door."""

    def __init__(self, wa: SandboxThread) -> None:
        self._wa, self._opened = wa, list[socket.socket]()

    def arrives(self) -> socket.socket:
        port = int(self._wa.sandbox.proxy.rsplit(":", 1)[1])
        self._opened.append(socket.create_connection(("127.0.0.1", port), 20))
        return self._opened[-1]

    def connects(self, host: str = "web.whatsapp.com", name: str = "") -> ssl.SSLSocket:
        """Through CONNECT and TLS, as a client does."""
        plain = self.arrives()
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert b" 200 " in plain.recv(4096)
        context = ssl.create_default_context(cadata=self._wa.sandbox.ca)
        inside = context.wrap_socket(plain, server_hostname=name or host)
        self._opened.append(inside)
        return inside

    def leaves(self) -> None:
        for connection in self._opened:
            connection.close()


UPGRADE = b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16))
UPGRADE += b"\r\n\r\n"


@pytest.fixture
def visitor(wa: SandboxThread) -> Iterator[Visitor]:
    somebody = Visitor(wa)
    yield somebody
    somebody.leaves()


def rest_of(connection: socket.socket) -> bytes:
    """Everything until the other side hangs up."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except (ConnectionError, ssl.SSLError):
        pass
    return received


def websocket_frame(data: bytes) -> bytes:
    mask, n = bytes(4), len(data)
    size = bytes([0x80 | n]) if n < 126 else b"\xfe" + n.to_bytes(2, "big")
    return b"\x82" + size + mask + data


def test_rubbish_is_hung_up_on(visitor: Visitor) -> None:
    for rubbish in (b"\0\1\2\3\r\n\r\n", b"\r\n\r\n", b"GET\r\n\r\n", os.urandom(70_000) + b"x" * 70_000):
        guest = visitor.arrives()
        try:
            guest.sendall(rubbish)
        except ConnectionError:
            continue
        assert rest_of(guest) == b""


def test_plain_http_is_refused(visitor: Visitor) -> None:
    guest = visitor.arrives()
    guest.sendall(b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")

    assert rest_of(guest).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "web.whatsapp.com.example.com", "evilwhatsapp.net"])
def test_other_hosts_are_refused_and_never_asked(visitor: Visitor, host: str) -> None:
    guest = visitor.arrives()
    guest.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())

    assert rest_of(guest).startswith(b"HTTP/1.1 403 ")


def test_unknown_media_are_not_found(visitor: Visitor) -> None:
    guest = visitor.connects("mmg.whatsapp.net")
    guest.sendall(b"GET /v/other?ccb=1 HTTP/1.1\r\nHost: mmg.whatsapp.net\r\n\r\n")

    assert rest_of(guest).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "words",
    [
        b"rubbish instead of an upgrade\r\n\r\n",
        b"GET /ws/chat HTTP/1.1\r\nHost: web.whatsapp.com\r\n\r\n",
        UPGRADE + websocket_frame(b"not a handshake at all"),
        UPGRADE + websocket_frame(b"WA\x06\x03\0\0\2\x12\x34"),
        UPGRADE + b"\x82\xff" + (MAX_MESSAGE + 1).to_bytes(8, "big"),
        UPGRADE + b"\x88\x80" + bytes(4),
    ],
)
def test_half_a_handshake_is_hung_up_on(visitor: Visitor, words: bytes) -> None:
    guest = visitor.connects()
    guest.sendall(words)

    answer = rest_of(guest)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 101 ")


def test_strangers_disturb_nobody_who_is_online(shop: Shop, visitor: Visitor, someone: Callable[..., Phone]) -> None:
    for _ in range(20):
        guest = visitor.arrives()
        guest.sendall(os.urandom(200) + b"\r\n\r\n")
        guest.close()
    until(lambda: shop.wa.watch.connections >= 1, "the shop online")

    shop.wa.send_text(someone("Bob"), shop.phone, "still there?")

    shop.program.hears("still there?", client=shop.client)


def test_no_other_address_is_ever_listened_on() -> None:
    for host in ("0.0.0.0", "127.0.0.2", "::1", "192.168.0.1"):  # noqa: S104
        with pytest.raises(ValueError, match=r"127\.0\.0\.1 alone"):
            Sandbox(host=host)


def test_a_server_status_is_given_instead_of_an_upgrade(wa: SandboxThread, visitor: Visitor) -> None:
    wa.faults.http_status = 503
    guest = visitor.connects()
    guest.sendall(UPGRADE)

    assert rest_of(guest).startswith(b"HTTP/1.1 503 ")


def test_the_certificate_is_for_whatsapps_names_only(visitor: Visitor) -> None:
    visitor.connects("web.whatsapp.com")

    with pytest.raises(ssl.SSLCertVerificationError):
        visitor.connects("web.whatsapp.com", name="example.com")


def test_the_state_folder_holds_the_certificate(tmp_path: Path) -> None:
    with SandboxThread(tmp_path) as wa:
        assert (tmp_path / "ca.pem").read_text() == wa.sandbox.ca
        first = wa.sandbox.root_key
    with SandboxThread(tmp_path) as wa:
        assert wa.sandbox.root_key == first


def test_a_handshake_needs_whatsapps_prologue() -> None:
    with pytest.raises(Exception, match="not a WhatsApp client"):
        Handshake(Authority(), b"XX\6\3")
