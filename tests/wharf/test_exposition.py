"""Processes without a web server show metrics and probes at an address of their own, and live without it."""

import asyncio
import logging
import socket
import threading
from typing import Any

import httpx
import pytest

from wharf.errors import WharfError
from wharf.exposition import probed

TOKEN = "an operators' token of forty characters!"


@pytest.fixture
def address(settings: Any) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.METRICS_ADDRESS = f"127.0.0.1:{probe.getsockname()[1]}"
    settings.METRICS_TOKEN = TOKEN
    return f"http://{settings.METRICS_ADDRESS}"


async def well() -> None:
    """Ready."""


async def get(url: str, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url, headers=headers)


async def test_a_process_shows_its_metrics_to_whoever_has_the_token(address: str) -> None:
    async with probed(well):
        shown = await get(f"{address}/metrics", TOKEN)
        refused = [(await get(f"{address}/metrics", token)).status_code for token in ("", "wrong")]
        missing = await get(f"{address}/admin/", TOKEN)

    assert shown.status_code == 200
    assert "wharf_messages_in_flight" in shown.text
    assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert refused == [401, 401]
    assert missing.status_code == 404


async def test_without_a_token_only_the_probes_answer(address: str, settings: Any) -> None:
    settings.METRICS_TOKEN = ""

    async with probed(well):
        answers = [await get(f"{address}{path}", TOKEN) for path in ("/metrics", "/health/live", "/health/ready")]

    assert [answer.status_code for answer in answers] == [404, 200, 200]


async def test_a_process_that_cannot_work_lives_and_is_not_ready(address: str) -> None:
    async def unwell() -> None:
        raise WharfError

    async with probed(unwell):
        live, ready = await get(f"{address}/health/live"), await get(f"{address}/health/ready")

    assert (live.status_code, ready.status_code, ready.json()) == (200, 503, {"status": "unavailable"})


async def test_a_loop_that_hangs_does_not_live(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.exposition.LIVE_SECONDS", 0.2)
    answers: list[int] = []
    asked = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False) as client:
            answers.append(client.get(f"{address}/health/live").status_code)
        asked.set()

    async with probed(well):
        threading.Thread(target=ask, daemon=True).start()
        assert asked.wait(20), "the probe was not answered"  # the loop stands still meanwhile

    assert answers == [503]


async def test_an_address_that_is_taken_costs_the_metrics_alone(
    address: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        async with probed(well):
            await asyncio.sleep(0)

    assert f"no metrics at {settings.METRICS_ADDRESS}" in caplog.text


async def test_a_client_that_hangs_up_is_no_news(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async with probed(well):
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(b"GET /health/live HTTP/1.1\r\n")
        writer.transport.abort()
        assert (await get(f"{address}/health/live")).status_code == 200

    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_address_is_free_again_afterwards(address: str) -> None:
    for _ in range(2):
        async with probed(well):
            assert (await get(f"{address}/health/live")).status_code == 200
    with pytest.raises(httpx.ConnectError):
        await get(f"{address}/health/live")


async def test_without_an_address_nothing_listens(settings: Any) -> None:
    settings.METRICS_ADDRESS = ""
    before = threading.active_count()

    async with probed(well):
        assert threading.active_count() == before
