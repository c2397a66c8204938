"""`python -m bench.webhooks`: how fast messages and events leave for a receiver, at a low rate and in a burst.

The whole product runs, with one dispatcher; the receiver is a small HTTP server in a process of its own. An event's
time is that of its row, which is written last before the commit. About two minutes.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from bench import processes
from bench.__main__ import WARM_UP, percentiles
from tests.product import ROOT, ApiPerson, Product, Running, VirtualPhone
from tests.waiting import eventually

STEADY, STEADY_RATE, MESSAGES = 100, 5, 300
BURST, SESSIONS, LANES = 3000, 8, 6
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Seen(NamedTuple):
    """When its row was written and when it began to arrive (seconds since the epoch), and the message's text."""

    recorded: float
    came: float
    text: str


class Sink(asyncio.Protocol):
    """As fast as Python answers: counts requests, and notes when each begins and when its event was logged."""

    seen: list[Seen]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read, self._began = transport, b"", 0.0

    def data_received(self, data: bytes) -> None:
        self._began = self._began or time.time()
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0) if found else 0
        if found and len(rest) >= length:
            event = json.loads(rest[:length])
            recorded = datetime.fromisoformat(event["recordedAt"]).timestamp()
            self.seen.append(Seen(recorded, self._began, event["data"].get("message", {}).get("body", "")))
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


def seen(asking: Connection) -> list[Seen]:
    asking.send(None)
    found: list[Seen] = asking.recv()
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
    messages(product, admin)
    with receiving() as (url, asking):
        admin.post("/api/whatsapp/webhooks", url=url, types=["session.changed"])
        write(product, STEADY, sessions=SESSIONS, pause=1 / STEADY_RATE)
        rows = eventually(lambda: f if len(f := seen(asking)) >= STEADY else None, what="all of them")
        median, worst = percentiles([row.came - row.recorded for row in rows])
        print(
            f"  logged to first byte at the receiver, {STEADY_RATE}/s: p50 {median:.1f} ms, p99 {worst:.1f} ms",
            flush=True,
        )
    burst(product, admin)


# -- from a phone to the receiver --------------------------------------------------------------------------------------
def messages(product: Product, admin: ApiPerson) -> None:
    """The whole way: a phone sends, the row is written, the receiver has it."""
    customer, shop = product.phone("79990000000", "Customer"), product.phone("79990000010", "Shop")
    with receiving() as (url, asking):
        with admin.watching() as screen:
            screen.hears("snapshot")
            session = admin.creates_a_session("Shop")
            shop.scans(screen.qr(session))
            screen.shows(session, "connected")
        admin.post("/api/whatsapp/webhooks", url=url, types=["message.new"])
        send_steadily(customer, shop, asking)
        path = f"/api/whatsapp/sessions/{session}"
        with admin.watching() as screen:
            screen.hears("snapshot")
            admin.post(f"{path}/pause")
            screen.shows(session, "stopped")
        for number in range(BURST):
            customer.sends(shop, f"burst {number}")
        begin = partial(admin.post, f"{path}/start")
        measure(
            product, asking, "from a phone, durable", begin, BURST, kinds=("host", "worker", "webhooks", "postgres")
        )


def send_steadily(customer: VirtualPhone, shop: VirtualPhone, asking: Connection) -> None:
    sent: dict[str, float] = {}
    for number in range(WARM_UP + MESSAGES):
        began, text = time.monotonic(), f"steady {number}"
        sent[text] = time.time()
        customer.sends(shop, text)
        time.sleep(max(0.0, 1 / STEADY_RATE - (time.monotonic() - began)))
    rows = eventually(lambda: f if len(f := seen(asking)) >= len(sent) else None, what="all of them")
    rows = sorted(rows, key=lambda row: sent[row.text])[WARM_UP:]
    to_row, to_receiver = ([at(row) - sent[row.text] for row in rows] for at in (_RECORDED, _CAME))
    for what, taken in (("to its row", to_row), ("to the receiver", to_receiver)):
        median, worst = percentiles(taken)
        print(f"  a phone's message {what}, {STEADY_RATE}/s: p50 {median:.1f} ms, p99 {worst:.1f} ms", flush=True)


_RECORDED, _CAME = attrgetter("recorded"), attrgetter("came")


# -- events alone ------------------------------------------------------------------------------------------------------
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


def measure(
    product: Product,
    asking: Connection,
    what: str,
    begin: Callable[[], object],
    count: int,
    *,
    kinds: Sequence[str] = ("webhooks",),
) -> None:
    cpu, start = {kind: cpu_of(product, kind) for kind in kinds}, len(seen(asking))
    begin()
    rows = eventually(lambda: f if len(f := seen(asking)[start:]) >= count else None, within=120, what=what)
    arrivals = sorted(row.came for row in rows)
    rate = len(arrivals) / (arrivals[-1] - arrivals[0])
    each = {kind: (cpu_of(product, kind) - before) / len(arrivals) * 1000 for kind, before in cpu.items()}
    parts = ", ".join(f"{kind} {spent:.2f}" for kind, spent in each.items())
    print(
        f"  {len(arrivals)} events {what}: {rate:.0f}/s, {sum(each.values()):.2f} ms of CPU each ({parts})", flush=True
    )


def cpu_of(product: Product, kind: str) -> float:
    return processes.cpu_seconds(processes.by_kind(product.pid)[kind])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, Running(Path(folder)) as running:
        run(running)
