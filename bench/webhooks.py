"""`python -m bench.webhooks`: how fast events leave for a receiver, at a low rate and in a burst.

The whole product runs, with one dispatcher; the receiver is a small HTTP server in a process of its own. An event's
time is that of its row, which is written last before the commit. About half a minute.
"""

import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from bench import processes
from bench.__main__ import percentiles
from tests.product import ROOT, ApiPerson, Product, Running
from tests.waiting import eventually

STEADY, STEADY_RATE = 100, 5
BURST, SESSIONS, LANES = 3000, 8, 6
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """As fast as Python answers: counts requests, and notes when each begins and when its event was logged."""

    seen: list[tuple[float, float]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read, self._began = transport, b"", 0.0

    def data_received(self, data: bytes) -> None:
        self._began = self._began or time.time()
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0) if found else 0
        if found and len(rest) >= length:
            recorded = datetime.fromisoformat(json.loads(rest[:length])["recordedAt"]).timestamp()
            self.seen.append((recorded, self._began))
            self._read, self._began = rest[length:], 0.0
            self._transport.write(_ANSWER)


def serve(listening: socket.socket, answers: Connection) -> None:
    """Answer requests; send what was seen whenever it is asked for."""
    Sink.seen = []

    def tell() -> None:
        answers.recv()
        answers.send(Sink.seen)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(Sink, sock=listening)
        loop.add_reader(answers.fileno(), tell)
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def receiving() -> Iterator[tuple[str, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        child = multiprocessing.get_context("fork").Process(target=serve, args=(listening, theirs), daemon=True)
        child.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/", ours
        child.terminate()


def seen(asking: Connection) -> list[tuple[float, float]]:
    asking.send(None)
    found: list[tuple[float, float]] = asking.recv()
    return found


#: Run beside the product: events of several sessions, each in a transaction of its own, as services write them.
_WRITE = """
import time
from tenants.context import run_in
from tenants.models import Company
from whatsapp.services import news
company = Company.objects.get()
@news.writing
def write(number):
    session = "bench%d" % (number % SESSIONS)
    news.tell(company, "session.changed", {"id": session, "name": "x" * 600}, session_id=session)
for number in range(COUNT):
    run_in(company, write, number)
    time.sleep(PAUSE)
"""


def write(product: Product, count: int, *, sessions: int, pause: float = 0.0) -> None:
    names = {"COUNT": count, "SESSIONS": sessions, "PAUSE": pause}
    code = "".join(f"{name} = {value}\n" for name, value in names.items()) + _WRITE
    command = [sys.executable, "-m", "config.stack", "manage", "shell", "-c", code]
    environment = os.environ | {"RUN_DIR": str(product.folder / "var")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def run(product: Product) -> None:
    admin = product.person(**product.demo["admin"])
    with receiving() as (url, asking):
        admin.post("/api/whatsapp/webhooks", url=url, types=["session.changed"])
        write(product, STEADY, sessions=SESSIONS, pause=1 / STEADY_RATE)
        rows = eventually(lambda: f if len(f := seen(asking)) >= STEADY else None, what="all of them")
        median, worst = percentiles([came - recorded for recorded, came in rows])
        print(
            f"  logged to first byte at the receiver, {STEADY_RATE}/s: p50 {median:.1f} ms, p99 {worst:.1f} ms",
            flush=True,
        )
    burst(product, admin)


def burst(product: Product, admin: ApiPerson) -> None:
    """At full speed while they are written, and again as a backlog that several replays send at full speed."""
    with receiving() as (url, asking):
        hook = admin.post("/api/whatsapp/webhooks", url=url, types=["session.changed"])["data"]["id"]
        measure(product, asking, "as they are written", partial(write, product, BURST, sessions=SESSIONS), BURST)
        everything = {"from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"}

        def replay() -> None:
            for _ in range(LANES):
                admin.post(f"/api/whatsapp/webhooks/{hook}/replay", **everything)

        measure(product, asking, f"as {LANES} replays", replay, LANES * (BURST + STEADY))


def measure(product: Product, asking: Connection, what: str, begin: Callable[[], None], count: int) -> None:
    pids = processes.by_kind(product.pid)["webhooks"]
    cpu, start = processes.cpu_seconds(pids), len(seen(asking))
    begin()
    rows = eventually(lambda: f if len(f := seen(asking)[start:]) >= count else None, within=120, what=what)
    arrivals = sorted(came for _, came in rows)
    rate = len(arrivals) / (arrivals[-1] - arrivals[0])
    each = (processes.cpu_seconds(pids) - cpu) / len(arrivals) * 1000
    print(f"  {len(arrivals)} events {what}: {rate:.0f}/s, {each:.2f} ms of the dispatcher's CPU each", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, Running(Path(folder)) as running:
        run(running)
