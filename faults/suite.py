"""One run from a fresh folder to the verdict: the product, the load, the chaos, the calm after it, the ledger."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psycopg

from faults import truth
from faults.cast import Cast, assemble, state_of
from faults.chaos import Chaos, targets
from faults.ledger import Came, Evidence, Kill, Verdict, judge
from faults.load import Load, Reader
from faults.plan import Plan
from faults.receiver import Receiver
from faults.truth import Books
from tests.product import Product

#: Of WhatsApp's linked sessions, so many share a host, so that there are several to kill.
SESSIONS_PER_HOST: Final = 5
#: A send that WhatsApp never answers takes 75 s, a receiver that was down is spared for up to five minutes.
SETTLE_SECONDS: Final = 420.0
#: Nothing new for so long is the end.
QUIET_SECONDS: Final = 2.0
PROGRESS_SECONDS: Final = 5.0
LASTING: Final = ("web", "worker", "jobs", "webhooks", "valkey", "postgres")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    plan: Plan
    evidence: Evidence
    verdict: Verdict
    kills: Sequence[Kill]
    missed: Sequence[str]
    repeated: Mapping[str, int]
    seconds: float
    #: What the calm still waited for when it was over; empty when all had come to rest.
    unrest: str


def run(plan: Plan, folder: Path, say: Say) -> Outcome:
    """Bounded: the load's time and `SETTLE_SECONDS`, and what it takes to start and to link."""
    receiver = Receiver()
    product = Product(folder, ends_with_us=True, WHARF_SESSIONS_PER_HOST=str(SESSIONS_PER_HOST))
    try:
        say(f"starting the product in {folder}")
        product.starts()
        say(f"linking {plan.sessions} sessions of {plan.companies} companies")
        with _client_of(product) as sandbox:
            cast = assemble(product, sandbox, receiver, companies=plan.companies, sessions=plan.sessions)
            return Run(plan, product, receiver, cast, sandbox, say).go()
    finally:
        product.ends()
        receiver.stop()


def _client_of(product: Product) -> httpx.Client:
    """For the sandbox. What a customer writes is written once, so no connection is kept that may just be closing."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=product.sandbox_url, timeout=60.0, trust_env=False, limits=limits)


class Run:
    """From the first message to the verdict."""

    def __init__(
        self, plan: Plan, product: Product, receiver: Receiver, cast: Cast, sandbox: httpx.Client, say: Say
    ) -> None:
        self._plan, self._product, self._receiver, self._cast = plan, product, receiver, cast
        self._sandbox, self._say = sandbox, say
        #: No more load and no more harm; and then no more reading.
        self._is_over, self._ended = threading.Event(), threading.Event()
        self._load = Load(cast, product.url, self._is_over)
        self._readers = [Reader(company, product.url, self._ended) for company in cast.companies]
        sessions = [(session.id, session.phone.number) for session in cast.sessions]
        self._chaos = Chaos(product.pid, sandbox, receiver, sessions, self._is_over)
        self._began = time.monotonic()

    def go(self) -> Outcome:
        self._began = time.monotonic()
        try:
            for reader in self._readers:
                reader.begin()
            self._disturb()
            self._chaos.calm()
            unrest = self._settle()
            return self._outcome(unrest)
        finally:
            self._ended.set()
            with suppress(httpx.HTTPError):
                self._chaos.calm()
            for reader in self._readers:
                reader.finish()

    # -- under load --------------------------------------------------------------------------------------------------
    def _disturb(self) -> None:
        plan, deadline = self._plan, self._began + self._plan.seconds + SETTLE_SECONDS
        with ThreadPoolExecutor(2) as pool:
            parts = [
                pool.submit(self._load.run, plan.incoming, plan.outgoing, self._began),
                pool.submit(self._chaos.run, plan.deeds, self._began),
            ]
            try:
                while wait(parts, PROGRESS_SECONDS, FIRST_EXCEPTION).not_done and time.monotonic() < deadline:
                    self._tell_progress()
                    _raise_failures(parts)
            finally:
                # What hangs by now is not done any more.
                self._is_over.set()
        _raise_failures(parts)

    def _tell_progress(self, rest: str = "") -> None:
        spoken, asked = f"{len(self._load.spoken)} written", f"{len(self._load.asked)} sends answered"
        heard = f"{self._receiver.count} events delivered, {sum(len(one.read) for one in self._readers)} read"
        done = f"{len(self._chaos.kills)} of {len(self._plan.deeds)} deeds done"
        self._say(f"{time.monotonic() - self._began:4.0f} s  {spoken}, {asked}, {heard}, {done}{rest}")

    # -- and after it ------------------------------------------------------------------------------------------------
    def _settle(self) -> str:
        """Until nothing is on its way any more; what was still, when that took too long."""
        deadline, told = time.monotonic() + SETTLE_SECONDS, 0.0
        while unrest := self._unrest():
            if time.monotonic() > deadline:
                return unrest
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self._tell_progress(f"; waiting for {unrest}")
            time.sleep(0.5)
        return ""

    def _unrest(self) -> str:
        """The first thing that is not at rest, empty when everything is and stays so."""
        try:
            if unrest := self._first_unrest():
                return unrest
            before = truth.tops(self._product.database_url, self._cast.companies)
            time.sleep(QUIET_SECONDS)
            after = truth.tops(self._product.database_url, self._cast.companies)
            return self._first_unrest() or ("" if before == after else "quiet")
        except (psycopg.OperationalError, httpx.HTTPError) as error:
            return type(error).__name__

    def _first_unrest(self) -> str:
        if gone := [kind for kind in LASTING if not targets(self._product.pid, kind)]:
            return f"{', '.join(gone)} to be back"
        if offline := sum(state_of(session) != "connected" for session in self._cast.sessions):
            return f"{offline} sessions to be connected"
        if count := truth.waiting(self._sandbox, self._cast):
            return f"{count} messages to be acknowledged"
        if count := truth.open_sends(self._product.database_url, self._cast.companies):
            return f"{count} sends to end"
        return self._unheard()

    def _unheard(self) -> str:
        tops = truth.tops(self._product.database_url, self._cast.companies)
        came = {(one.company, one.position) for one in self._receiver.came()}
        for company, reader in zip(self._cast.companies, self._readers, strict=True):
            if reader.cursor < tops[company.slug]:
                return "the reader"
            due = range(company.heard_from + 1, tops[company.slug] + 1)
            if missing := sum((company.slug, position) not in came for position in due):
                return f"{missing} deliveries"
        return ""

    # -- the evidence ------------------------------------------------------------------------------------------------
    def _outcome(self, unrest: str) -> Outcome:
        came, read = self._receiver.came(), [each for reader in self._readers for each in reader.read]
        books = truth.books(self._product.database_url, self._cast.companies)
        evidence = self._evidence(books, came, read)
        return Outcome(
            plan=self._plan,
            evidence=evidence,
            verdict=judge(evidence),
            kills=self._chaos.kills,
            missed=self._chaos.missed,
            repeated=self._load.repeated,
            seconds=time.monotonic() - self._began,
            unrest=unrest,
        )

    def _evidence(self, books: Books, came: Sequence[Came], read: Sequence[tuple[str, int, str]]) -> Evidence:
        companies = self._cast.companies
        return Evidence(
            companies=self._cast.owners,
            spoken=self._load.spoken,
            acknowledged=truth.acknowledged(self._sandbox, self._cast),
            asked=self._load.asked,
            rows=books.rows,
            log=books.log,
            came=came,
            unsigned=self._receiver.unsigned,
            read=read,
            heard_from={company.slug: company.heard_from for company in companies},
            read_from={one.slug: reader.start for one, reader in zip(companies, self._readers, strict=True)},
            arrived=truth.arrived(self._sandbox, self._cast),
            left=truth.left(self._sandbox, self._cast),
            kills=self._chaos.kills,
        )


def _raise_failures(parts: Iterable[Future[None]]) -> None:
    for part in parts:
        if part.done():
            part.result()
