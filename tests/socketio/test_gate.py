"""The door: rubbish, floods, silence and strange requests, frame by frame and request by request."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.people import Person
from tests.socketio.raw import Raw
from whatsapp.socketio import gate

pytestmark = pytest.mark.django_db(transaction=True)

POLLING = {"EIO": "4", "transport": "polling"}


@pytest.fixture
def http(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server}/socket.io/", timeout=20, trust_env=False) as client:
        yield client


def opened(http: httpx.Client, version: str = "4") -> dict[str, str]:
    """The query of a polling connection."""
    answer = http.get("", params={**POLLING, "EIO": version})
    found = re.search(r'"sid":"([^"]+)"', answer.text)
    assert found, answer.text
    return {**POLLING, "EIO": version, "sid": found[1]}


def test_a_handshake_says_what_the_older_system_said(http: httpx.Client) -> None:
    answer = http.get("", params=POLLING)
    told = httpx.Response(200, content=answer.text[1:]).json()

    assert (told["pingTimeout"], told["pingInterval"], told["upgrades"]) == (30_000, 10_000, ["websocket"])


@pytest.mark.parametrize(
    "query",
    [{}, {"EIO": "2"}, {"EIO": "5"}, {"EIO": "x"}, {**POLLING, "j": "0"}, {**POLLING, "transport": "telegraph"}],
)
def test_what_is_no_such_request_is_refused(http: httpx.Client, query: dict[str, str]) -> None:
    assert http.get("", params=query).status_code == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_connections_are_refused(http: httpx.Client, method: str) -> None:
    assert http.request(method, "", params={**POLLING, "sid": "nobody"}, content="40").status_code == 400


def test_pages_of_other_sites_may_connect(http: httpx.Client) -> None:
    origin = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "authorization"}
    answer = http.options("", params=POLLING, headers=origin)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-headers"] == "authorization"


@pytest.mark.parametrize("version", ["4", "3"])
def test_a_connection_that_posts_rubbish_ends(http: httpx.Client, version: str) -> None:
    query = opened(http, version)

    assert http.post("", params=query, content="42[").status_code == 400
    assert http.post("", params=query, content="40" if version == "4" else "2:40").status_code == 400


def test_a_body_that_is_too_long_ends_the_connection(http: httpx.Client) -> None:
    query = opened(http)

    assert http.post("", params=query, content="4" + "x" * (gate.MAX_BYTES + 1)).status_code == 400
    assert http.post("", params=query, content="40").status_code == 400


def test_a_held_request_is_answered_soon(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a web process that is asked to stop need not wait for it."""
    monkeypatch.setattr(gate, "POLL_SECONDS", 0.05)

    assert http.get("", params=opened(http)).text == "6"


def test_older_clients_are_pinged_back(http: httpx.Client) -> None:
    query = opened(http, "3")
    assert http.get("", params=query).text == "2:40"

    assert http.post("", params=query, content="1:2").status_code == 200
    assert http.get("", params=query).text == "1:3"


def test_who_joins_nothing_is_sent_away(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "JOIN_SECONDS", 0.05)
    query = opened(http)

    told = http.get("", params=query)
    assert told.text == "1" or told.status_code == 400, "who is late finds nobody"
    assert http.get("", params=query).status_code == 400


async def test_a_socket_that_sends_rubbish_ends(acme_admin: Person) -> None:
    async with Raw(acme_admin.token) as raw:
        await raw.send("rubbish")
        assert await raw.is_ended()


async def test_a_frame_that_is_too_long_ends_the_connection(acme_admin: Person) -> None:
    async with Raw(acme_admin.token) as raw:
        await raw.send('42/whatsapp,1["x","' + "y" * gate.MAX_BYTES + '"]')
        assert await raw.is_ended()


async def test_a_flood_ends_the_connection(acme_admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "FRAMES_AT_ONCE", 5)
    monkeypatch.setattr(gate, "FRAMES_A_SECOND", 0)
    async with Raw(acme_admin.token) as raw:
        for _ in range(5):
            await raw.send("3")
        assert await raw.is_ended()


async def test_handlers_of_ours_cannot_be_called_from_outside(acme_admin: Person) -> None:
    async with Raw(acme_admin.token) as raw:
        await raw.send('42/whatsapp,["disconnect","x"]')
        assert await raw.is_ended()


async def test_a_second_joining_of_the_namespace_harms_nobody(acme_admin: Person) -> None:
    async with Raw(acme_admin.token) as raw:
        await raw.send(f'40/whatsapp,{{"token":"{acme_admin.token}"}}')
        assert (await raw.calls("no-such-event"))["code"] == "unknown_event"


async def test_older_sockets_are_pinged_back(acme_admin: Person) -> None:
    async with Raw(acme_admin.token, version=3) as raw:
        await raw.send("2")
        assert await raw.frame() == "3"
