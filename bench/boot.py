"""`python -m bench.boot [sessions]`: how long a cold start takes until all linked sessions are online.

The whole product runs. Phones of the sandbox are linked through the API, a part at a time, for each new link has a
process of its own until the worker starts anew; then everything is stopped, and started cold. By default 200 sessions,
50 of them in a host: about six minutes, most of them for linking.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psycopg

from bench import processes
from bench.__main__ import Figures
from tests.product import ApiPerson, Product, forget_database
from tests.waiting import eventually

SESSIONS, SESSIONS_PER_HOST = 200, 50
#: Linked before the worker is started anew, and side by side.
PART, HANDS = 25, 2
LONG: Final = 300.0
KINDS: Final = ("host", "worker", "web", "postgres", "sandbox", "valkey", "jobs", "webhooks")


class Boot:
    def __init__(self, product: Product, sessions: int) -> None:
        self.product = product
        self.sessions = sessions
        self.figures = Figures()
        self._asking = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]]

    def connect(self) -> None:
        self._connection = psycopg.connect(self.product.database_url, autocommit=True)
        ((self.schema,),) = self.ask("SELECT schema_name FROM tenants_company WHERE slug = 'demo'")

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Of the rows, and not of the API: asking often is not to be what is measured."""
        with self._asking:
            cursor = self._connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def run(self) -> None:
        self.connect()
        self.link_all()
        self._connection.close()
        self.product.stops()
        self.product.starts()
        self.connect()
        self.start_cold()
        self._connection.close()
        print("\n" + self.figures.table())

    # -- before ------------------------------------------------------------------------------------------------------
    def link_all(self) -> None:
        self.ask("UPDATE tenants_company SET max_sessions = %s WHERE slug = 'demo'", self.sessions + 10)
        people = [self.product.person(**self.product.demo["admin"]) for _ in range(HANDS)]
        began = time.monotonic()
        for first in range(0, self.sessions, PART):
            numbers = range(first, min(first + PART, self.sessions))
            with ThreadPoolExecutor(HANDS) as pool:
                list(pool.map(lambda number: self.link(people[number % HANDS], number), numbers))
            eventually(lambda: self.online() >= numbers[-1] + 1, within=LONG, what="the part is online")  # noqa: B023
            print(f"  {numbers[-1] + 1} linked after {time.monotonic() - began:.0f} s", flush=True)
            self.share_hosts()

    def link(self, admin: ApiPerson, number: int) -> None:
        phone = self.product.phone(str(79991000000 + number), f"Shop {number}")
        session = admin.creates_a_session(f"Boot {number}")
        shown = f"SELECT qr FROM {self.schema}.whatsapp_session WHERE id = %s"  # noqa: S608  # the product's own name
        phone.scans(eventually(lambda: self.ask(shown, session)[0][0], within=LONG, what="a QR code"))

    def share_hosts(self) -> None:
        """A worker that starts anew puts its sessions together; the runner starts it."""
        (before,) = processes.by_kind(self.product.pid)["worker"]
        count = self.online()
        os.kill(before, signal.SIGTERM)
        eventually(lambda: processes.by_kind(self.product.pid)["worker"] not in ([], [before]), within=LONG)
        eventually(lambda: self.online() == count, within=LONG, what="they are back")

    def online(self) -> int:
        query = (
            "SELECT count(*) FROM fleet_placement p JOIN fleet_worker w ON w.id = owner_id WHERE state = 'connected'"
        )
        return int(self.ask(query)[0][0])

    # -- the start ---------------------------------------------------------------------------------------------------
    def start_cold(self) -> None:
        print(f"a cold start with {self.sessions} sessions", flush=True)
        eventually(lambda: self.online() == self.sessions, within=LONG, what="all are online")
        kinds = processes.by_kind(self.product.pid)
        cpu = {kind: processes.cpu_seconds(kinds[kind]) for kind in KINDS}
        self.times(processes.started_at(kinds["worker"][0]))
        for kind in KINDS:
            self.figures.add(f"CPU until then, {kind}", cpu[kind], None, "s", 1)
        self.memory(kinds)

    def times(self, began: float) -> None:
        """From the worker's birth, as the rows have it."""
        query = f"""
            SELECT extract(epoch FROM max(at)) FROM {self.schema}.whatsapp_transition
            WHERE after = 'connected' GROUP BY session_id ORDER BY 1
        """  # noqa: S608  # the product's own name
        times = [float(at) - began for (at,) in self.ask(query)]
        for share, name in ((0, "the first"), (len(times) // 2, "half"), (len(times) - 1, "all")):
            self.figures.add(f"worker's start until {name} of {len(times)} are connected", times[share], None, "s", 1)

    def memory(self, kinds: dict[str, list[int]]) -> None:
        sizes = sorted((processes.pss_mb(pid) for pid in kinds["host"]), reverse=True)
        # Without those that are kept warm.
        full = sizes[: -(-self.sessions // SESSIONS_PER_HOST)]
        self.figures.add("PSS of a full host", max(sizes), None, "MB")
        self.figures.add("PSS of hosts per linked session", sum(full) / self.sessions, None, "MB", 2)
        for kind in KINDS[1:]:
            self.figures.add(f"PSS of {kind}", sum(processes.pss_mb(pid) for pid in kinds[kind]), None, "MB")


def main() -> None:
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with tempfile.TemporaryDirectory(prefix="wharf-boot-") as folder:
        product = Product(Path(folder), WHARF_SESSIONS_PER_HOST=str(SESSIONS_PER_HOST))
        try:
            product.starts()
            Boot(product, sessions).run()
        finally:
            product.ends()
        forget_database(product.folder)


if __name__ == "__main__":
    main()
