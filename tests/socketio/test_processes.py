"""Web processes as they are in production: several at once, asked to stop, with everything in the log."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis
from django.conf import settings
from django.db import connection

from config.stack.plan import FRAMES
from tests.people import Person
from tests.product import ROOT, free_port
from tests.socketio.conftest import NEEDS_CLIENTS, Connect
from tests.socketio.scene import Scene
from tests.waiting import eventually
from tests.whatsapp.desk import text
from whatsapp.live import log_channel

pytestmark = [NEEDS_CLIENTS, pytest.mark.django_db(transaction=True)]

MANNERS = ("--ws", FRAMES, "--timeout-graceful-shutdown", "8", "--log-level", "debug")
Start = Callable[[], "Process"]


class Process:
    """A web process on the test's database."""

    def __init__(self, log: Path) -> None:
        port = free_port()
        self.url, self._log = f"http://127.0.0.1:{port}", log
        database = urlsplit(os.environ["WHARF_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), *MANNERS],
                cwd=ROOT,
                env=os.environ | {"WHARF_DATABASE_URL": database.geturl(), "WHARF_LOG_LEVEL": "DEBUG"},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        with httpx.Client(trust_env=False) as client:
            eventually(lambda: self._is_serving(client), what=f"the web process serves\n{self.log()}")

    def _is_serving(self, client: httpx.Client) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return client.get(f"{self.url}/health/live").status_code == 200
        except httpx.HTTPError:
            return False

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def is_asked_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ends(self) -> int:
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes: list[Process] = []

    def begin() -> Process:
        processes.append(Process(tmp_path / f"web-{len(processes)}.log"))
        return processes[-1]

    yield begin
    for each in processes:
        each.is_asked_to_stop()
        each.ends()


def test_each_hears_everything_once_whichever_process_it_is_at(
    connect: Connect, start: Start, scene: Scene, acme_admin: Person
) -> None:
    clients = [connect(acme_admin, at=start().url) for _ in range(2)]
    for client in clients:
        assert client.calls("whatsapp:join_session", scene.of_session)["success"]
    scene.tell(text("Hello?"))
    # What one process is asked to do, those at the other hear.
    clients[0].calls("whatsapp:mark_chat_as_read", scene.of_chat())

    for client in clients:
        assert client.hears("whatsapp:new_message")["message"]["body"] == "Hello?"
        assert client.hears("whatsapp:chat_updated")["chat"]["unreadCount"] == 2
        assert client.hears("whatsapp:chat_updated")["chat"]["unreadCount"] == 0
        rest = client.rest()
        assert not {"whatsapp:new_message", "whatsapp:chat_updated"} & set(rest)


def test_a_process_that_is_asked_to_stop_lets_its_connections_go(
    connect: Connect, start: Start, scene: Scene, acme_admin: Person
) -> None:
    web = start()
    ways: list[dict[str, Any]] = [{}, {"transports": ["polling"]}, {"version": 2}]
    clients = [connect(acme_admin, at=web.url, reconnection=False, **way) for way in ways]
    for client in clients:
        client.hears("connection-confirmed")
    web.is_asked_to_stop()

    for client in clients:
        assert client.hears("disconnect") in ("transport close", "transport error", "io server disconnect")
    assert web.ends() in (0, -signal.SIGTERM)
    assert "exceeded" not in web.log(), web.log()
    assert "Traceback" not in web.log(), web.log()


def test_who_waits_for_events_is_answered_when_the_process_is_asked_to_stop(start: Start, acme_admin: Person) -> None:
    web = start()
    address, signed = f"{web.url}/api/whatsapp/events", {"Authorization": f"Bearer {acme_admin.token}"}
    with httpx.Client(headers=signed, trust_env=False, timeout=60) as client, ThreadPoolExecutor() as aside:
        waiting = aside.submit(client.get, address, params={"after": "now", "wait": 30})
        eventually(lambda: is_heard(log_channel(acme_admin.company.schema_name)), what="somebody waits")
        web.is_asked_to_stop()
        answer = waiting.result()

    assert (answer.status_code, answer.json()["data"]["events"]) == (200, [])
    assert web.ends() in (0, -signal.SIGTERM)
    assert "exceeded" not in web.log(), web.log()


def is_heard(channel: str) -> bool:
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        return bool(valkey.pubsub_numsub(channel)[0][1])


def test_no_token_and_no_text_is_logged(connect: Connect, start: Start, scene: Scene, acme_admin: Person) -> None:
    web = start()
    client = connect(version=2, at=web.url, transportOptions={}, query={"token": acme_admin.token})
    client.hears("connection-confirmed")
    client.calls("whatsapp:join_session", scene.of_session)
    scene.tell(text("Nobody else's business"))
    client.hears("whatsapp:new_message")
    client.calls("whatsapp:send_message", {**scene.of_chat(), "message": "Nor this"})

    secrets = (acme_admin.token, "Nobody else's", "Nor this")
    assert not [secret for secret in secrets if secret in web.log()]
