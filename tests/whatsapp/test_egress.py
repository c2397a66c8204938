"""Requests to addresses that somebody typed: to the open internet alone, however the inside is written down."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from tests.people import Person, client_for
from tests.whatsapp.receiver import ReceiverServer, receiving
from wharf.egress import UrlRefused, check_host, checked_url
from wharf.networks import is_allowed, parse_networks
from whatsapp.services.deliveries import Outgoing, Receiver
from whatsapp.webhooks.posting import MOST_READ, SHOWN, Answer, Poster

LOOPBACK = parse_networks("127.0.0.0/8")
EVENT = Outgoing(1, "event", "webhook.test", "", b"{}")

REFUSED = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0",  # noqa: S104  # refused, not bound to
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1",
    "64:ff9b:1::1", "fec0::1",
    # The same in IPv6's clothes: mapped, compatible, NAT64, 6to4, Teredo.
    "::ffff:127.0.0.1", "::ffff:a00:1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip
ALLOWED = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_of_the_inside_is_refused(address: str) -> None:
    assert not is_allowed(address, ())


@pytest.mark.parametrize("address", ALLOWED)
def test_an_address_of_the_internet_is_allowed(address: str) -> None:
    assert is_allowed(address, ())


def test_the_operator_allows_networks_and_nothing_beside_them() -> None:
    allowed = parse_networks("10.20.0.0/16, fd00:1::/32")

    assert [is_allowed(one, allowed) for one in ("10.20.1.1", "fd00:1::5")] == [True, True]
    assert [is_allowed(one, allowed) for one in ("10.21.0.1", "127.0.0.1", "fd00:2::5")] == [False] * 3
    with pytest.raises(ValueError, match="host bits"):
        parse_networks("10.20.1.1/16")


#: What getaddrinfo reads as 127.0.0.1 too, and names that lead inside.
SPELLINGS = [
    "https://127.0.0.1/", "https://2130706433/", "https://0177.0.0.1/", "https://0x7f.1/", "https://127.1/",
    "https://0x7f000001/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/", "https://LOCALHOST./",
    "https://１２７.0.0.1/", "https://127。0。0。1/", "https://[0:0:0:0:0:ffff:7f00:1]/", "https://0/",
]  # fmt: skip


@pytest.mark.parametrize("url", SPELLINGS)
def test_the_inside_is_refused_however_it_is_spelt(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_host(checked_url(url), ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "javascript:alert(1)", "example.org", "",
        "https://", "https://user:pw@example.org/", "https://user@example.org/", "https://example.org/#part",
        "https://example.org:25/", "https://example.org:22/", "https://example.org:0/", "https://example.org:99999/",
        "https://example.org/" + "x" * 2000, "https://exa mple.org/", "//example.org/",
    ],
)  # fmt: skip
def test_what_is_no_address_for_webhooks_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        checked_url(url)


def test_plain_http_is_for_the_operators_networks_alone() -> None:
    check_host("http://127.0.0.1:8080/", LOOPBACK)
    with pytest.raises(UrlRefused, match="https"):
        check_host("http://8.8.8.8/", LOOPBACK)
    check_host("https://8.8.8.8/", LOOPBACK)


# -- while sending ---------------------------------------------------------------------------------------------------
@pytest.fixture
def receiver() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


async def post(url: str, allowed: Any = LOOPBACK, **options: Any) -> Answer:
    async with Poster(Receiver(url, {}, b"secret"), allowed, **options) as poster:
        return await poster.post(EVENT)


def names(*answers: str) -> Callable[[str, int, int], list[Any]]:
    """A name server that says another address each time it is asked."""
    left = list(answers)

    def look_up(host: str, port: int, family: int) -> list[Any]:
        address = left.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return look_up


async def test_a_name_that_leads_inside_is_not_connected_to(receiver: ReceiverServer) -> None:
    url = f"https://hooks.example.org:{receiver.port}/"

    assert (await post(url, (), look_up=names("127.0.0.1"))).error == "address"
    assert receiver.heard == []


async def test_a_name_with_one_address_inside_is_refused_as_a_whole(receiver: ReceiverServer) -> None:
    def look_up(host: str, port: int, family: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.1", "10.0.0.7")]

    answer = await post(f"http://hooks.example.org:{receiver.port}/", look_up=look_up)

    assert (answer.error, receiver.heard) == ("address", [])


async def test_a_name_that_changes_its_mind_is_looked_up_once_and_each_connection_is_checked(
    receiver: ReceiverServer,
) -> None:
    """Allowed when it is saved, inside when it is used: what counts is the address of the connection."""
    url, look_up = f"http://hooks.example.org:{receiver.port}/", names("127.0.0.1", "10.0.0.7", "127.0.0.1")
    receiver.answers = lambda _: (200, {"Connection": "close"}, b"")
    async with Poster(Receiver(url, {}, b"secret"), LOOPBACK, look_up=look_up) as poster:
        answers = [await poster.post(EVENT) for _ in range(3)]

    assert [(answer.status, answer.error) for answer in answers] == [(200, ""), (None, "address"), (200, "")]
    assert len(receiver.heard) == 2
    assert receiver.heard[0].headers["host"] == f"hooks.example.org:{receiver.port}"


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("127.0.0.1", "address"), ("[::1]", "address"), ("[::ffff:127.0.0.1]", "address"), ("localhost", "address"),
        ("2130706433", "protocol"), ("127.1", "protocol"), ("0x7f.1", "address"),
    ],
)  # fmt: skip
async def test_nothing_inside_is_connected_to_without_leave(receiver: ReceiverServer, host: str, error: str) -> None:
    answer = await post(f"https://{host}:{receiver.port}/", ())

    assert (answer.status, answer.error) == (None, error)
    assert receiver.heard == []


async def test_redirects_are_not_followed(receiver: ReceiverServer) -> None:
    receiver.answers = lambda _: (302, {"Location": f"http://127.0.0.1:{receiver.port}/inside"}, b"")

    answer = await post(receiver.url)

    assert (answer.status, answer.is_delivered) == (302, False)
    assert [request.path for request in receiver.heard] == ["/hooks"]


async def test_a_huge_answer_is_read_in_part_and_counts(receiver: ReceiverServer) -> None:
    receiver.answers = lambda _: (200, {}, b"x" * (MOST_READ * 200))

    answer = await post(receiver.url)

    assert (answer.status, len(answer.response)) == (200, SHOWN)


async def test_a_receiver_that_says_nothing_is_left(receiver: ReceiverServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        answer = await post(f"http://127.0.0.1:{mute.getsockname()[1]}/", seconds=0.3)

    assert (answer.status, answer.error) == (None, "timeout")


async def test_a_body_that_never_ends_is_left_and_its_status_counts(receiver: ReceiverServer) -> None:
    receiver.answers = lambda _: (200, {"Content-Length": "1000"}, b"only this")

    answer = await post(receiver.url, seconds=0.5)

    assert (answer.status, answer.is_delivered) == (200, True)


@pytest.mark.parametrize(
    ("url", "error"),
    [("http://127.0.0.1:{closed}/", "connection"), ("https://127.0.0.1:{port}/", "tls")],
)
async def test_what_goes_wrong_has_a_word(receiver: ReceiverServer, url: str, error: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = await post(url.format(port=receiver.port, closed=closed.getsockname()[1]))

    assert (answer.status, answer.error) == (None, error)


async def test_an_answer_that_is_no_http_is_none() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example.org ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        answer = await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert (answer.status, answer.error) == (None, "protocol")


# -- over REST -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/", "ftp://x/"])
def test_an_endpoint_with_such_an_address_is_not_saved(acme_admin: Person, url: str) -> None:
    answer = client_for(acme_admin).post("/api/whatsapp/webhooks", {"url": url}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, "url_refused")
    assert list(answer.json()["fields"]) == ["url"]


@pytest.mark.django_db
def test_a_test_of_an_endpoint_is_guarded_like_a_delivery(
    acme_admin: Person, receiver: ReceiverServer, settings: Settings
) -> None:
    client = client_for(acme_admin)
    settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK
    made = client.post("/api/whatsapp/webhooks", {"url": receiver.url}, format="json").json()["data"]
    settings.WEBHOOK_ALLOWED_NETWORKS = ()

    answer = client.post(f"/api/whatsapp/webhooks/{made['id']}/test").json()["data"]

    assert (answer["delivered"], answer["error"], receiver.heard) == (False, "address", [])
