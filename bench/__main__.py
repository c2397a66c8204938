"""Run everything once and print the table. Bounded: about five minutes on two cores."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import processes
from bench.disk import Disk
from bench.floor import Bare
from tests.product import Product, Running, Screen, VirtualPhone
from tests.waiting import eventually

STEADY_MESSAGES, STEADY_RATE = 300, 5
#: Before these count: a device that was just linked, and a client that just began, have more to do than receive.
WARM_UP = 50
BURST, SENDS, SESSIONS = 2000, 300, 20
BATCHED, BATCH, ROUNDS = 4000, 50, 3


@dataclass
class Figures:
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, wharf: float, bare: float | None, unit: str, digits: int = 0) -> None:
        ratio = f"{wharf / bare:.2f}x" if bare else ""
        floor = f"{bare:.{digits}f} {unit}" if bare is not None else ""
        self.rows.append((what, f"{wharf:.{digits}f} {unit}", floor, ratio))
        print(f"  {what}: {self.rows[-1][1]}  {floor} {ratio}", flush=True)

    def note(self, sentence: str) -> None:
        """For the reader of the table, below it."""
        self.notes.append(sentence)
        print(f"  {sentence}", flush=True)

    def table(self) -> str:
        head = ("", "Wharf", "bare neonize", "ratio")
        rows = [head, ("---",) * 4, *self.rows]
        return "\n".join(["| " + " | ".join(row) + " |" for row in rows] + ["", *self.notes])


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """(p50, p99) in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return statistics.median(seconds) * 1000, cuts[98] * 1000


@dataclass
class Round:
    """Messages a second, and milliseconds of CPU a message for each kind of process."""

    rate: float
    cpu: dict[str, float]


def _median(rounds: Sequence[Round]) -> Round:
    cpu = {kind: statistics.median(one.cpu[kind] for one in rounds) for kind in rounds[0].cpu}
    return Round(statistics.median(one.rate for one in rounds), cpu)


class Listener:
    """Reads the live socket all the time and notes when each text and each status came."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.texts: dict[str, float] = {}
        self.statuses: dict[str, dict[str, float]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for message in self._screen.stream():
            now = time.time()
            if message["type"] == "message.new":
                self.texts.setdefault(message["message"]["body"], now)
            elif message["type"] == "message.status":
                self.statuses.setdefault(message["id"], {}).setdefault(message["status"], now)

    def hears(self, message: str, status: str) -> float:
        return eventually(lambda: self.statuses.get(message, {}).get(status), within=120, what=status)

    def has(self, prefix: str, count: int) -> bool:
        return sum(text.startswith(prefix) for text in list(self.texts)) >= count


class Bench:
    def __init__(self, product: Product, figures: Figures) -> None:
        self.product, self.figures = product, figures
        _, self.admin = product.makes_a_company("Bench", sessions=SESSIONS)
        self.customer = product.phone("79990000000", "Customer")
        self.bare_phone = product.phone("79990000001", "Bare")

    def run(self) -> None:
        self.link()
        self.steady()
        self.burst()
        self.sends()
        self.memory()
        self.batches()

    # -- linking -----------------------------------------------------------------------------------------------------
    def link(self) -> None:
        print("linking", flush=True)
        self.bare = Bare(self.product.sandbox_url, self.product.folder).starts()
        # Both with neonize imported and ready: ours is a warm host.
        self.bare_phone.scans(self.bare.hears("qr")["text"])
        linked = self.bare.hears("connected")["at"]
        scanned = self.bare.hears("qr")["at"]
        self.shop = self.product.phone("79990000010", "Shop 0")
        eventually(lambda: len(processes.by_kind(self.product.pid)["host"]) >= 1, what="a warm host")
        time.sleep(3)
        with self.admin.watching() as screen:
            screen.hears("snapshot")
            asked = time.time()
            self.session = self.admin.creates_a_session("Bench 0")
            qr = screen.qr(self.session)
            self.figures.add("create to first QR on the WebSocket", (time.time() - asked) * 1000, None, "ms")
            scan = time.time()
            self.shop.scans(qr)
            screen.shows(self.session, "connected")
            self.figures.add("scan to connected", (time.time() - scan) * 1000, (linked - scanned) * 1000, "ms")

    # -- messages in ---------------------------------------------------------------------------------------------------
    def steady(self) -> None:
        print(f"inbound, {STEADY_MESSAGES} at {STEADY_RATE} a second", flush=True)
        with self.admin.watching() as screen:
            screen.hears("snapshot")
            listener = Listener(screen)
            ours = self._at_five_a_second(self.shop, lambda text: listener.texts.get(text))
        disk = Disk(self.product.folder).start()
        floor = self._at_five_a_second(
            self.bare_phone, lambda text: next((m["at"] for m in self.bare.messages() if m["text"] == text), None)
        )
        answers = disk.stop()
        p50, p99 = percentiles(answers)
        self.figures.note(
            f"The disk alone, beside the bare client: a block written and synced in {p50:.1f} ms, p99 {p99:.1f}, "
            f"the slowest of {len(answers)} in {max(answers) * 1000:.0f}."
        )
        for name, index in (("p50", 0), ("p99", 1)):
            self.figures.add(
                f"inbound at 5/s, phone to WebSocket, {name}",
                percentiles(ours)[index],
                percentiles(floor)[index],
                "ms",
                1,
            )

    def _at_five_a_second(self, to: VirtualPhone, heard: Callable[[str], float | None]) -> list[float]:
        sent: dict[str, float] = {}
        for number in range(WARM_UP + STEADY_MESSAGES):
            began = time.monotonic()
            text = f"steady {to.number} {number}"
            sent[text] = time.time()
            self.customer.sends(to, text)
            time.sleep(max(0.0, 1 / STEADY_RATE - (time.monotonic() - began)))
        taken = [eventually(partial(heard, text), what=text) - at for text, at in sent.items()]
        return taken[WARM_UP:]

    def burst(self) -> None:
        print(f"inbound, a burst of {BURST}", flush=True)
        path = f"/api/whatsapp/sessions/{self.session}"
        with self.admin.watching() as screen:
            self.admin.post(f"{path}/pause")
            screen.shows(self.session, "stopped")
            self._fill(self.shop, "burst")
            before = self._cpu()
            listener = Listener(screen)
            self.admin.post(f"{path}/start")
            eventually(lambda: listener.has("burst", BURST), within=120, what="the burst is through")
            ours, used = self._rate(listener.texts, "burst"), self._used(before, BURST)
        self.bare.stops()
        self._fill(self.bare_phone, "burst")
        self.bare.starts().hears("connected")
        began = 0.0
        eventually(lambda: len(self.bare.messages()) >= BURST, within=120, what="the bare burst is through")
        floor = self._rate({m["text"]: m["at"] for m in self.bare.messages()}, "burst")
        bare_cpu = (self.bare.cpu() - began) / BURST * 1000
        self.figures.add("inbound burst, stored and live", ours, floor, "msg/s")
        self._cpu_rows("inbound message", used, bare_cpu)

    def _fill(self, to: VirtualPhone, prefix: str) -> None:
        """Messages that wait for a device that is away."""
        for number in range(BURST):
            self.customer.sends(to, f"{prefix} {number}")

    def _rate(self, texts: dict[str, float], prefix: str) -> float:
        times = sorted(at for text, at in texts.items() if text.startswith(prefix))
        return len(times) / (times[-1] - times[0])

    def _cpu(self) -> dict[str, float]:
        return {kind: processes.cpu_seconds(pids) for kind, pids in processes.by_kind(self.product.pid).items()}

    def _used(self, before: dict[str, float], count: int) -> dict[str, float]:
        after = self._cpu()
        return {
            kind: (after[kind] - before.get(kind, 0.0)) / count * 1000 for kind in ("host", "worker", "web", "postgres")
        }

    def _cpu_rows(self, what: str, used: dict[str, float], bare: float) -> None:
        self.figures.add(f"CPU per {what}, host", used["host"], bare, "ms", 2)
        self.figures.add(f"CPU per {what}, all of Wharf", sum(used.values()), bare, "ms", 2)
        for kind in ("worker", "web", "postgres"):
            self.figures.add(f"CPU per {what}, {kind}", used[kind], None, "ms", 2)

    # -- messages out --------------------------------------------------------------------------------------------------
    def sends(self) -> None:
        print(f"{SENDS} sends", flush=True)
        before_bare, began = self.bare.cpu(), time.time()
        self.bare.sends(SENDS, self.customer.number)
        floor, bare_cpu = SENDS / (time.time() - began), (self.bare.cpu() - before_bare) / SENDS * 1000
        path = f"/api/whatsapp/sessions/{self.session}/messages"
        with self.admin.watching() as screen:
            listener, before = Listener(screen), self._cpu()
            with ThreadPoolExecutor(4) as pool:
                texts = [f"out {number}" for number in range(SENDS)]
                ids = list(pool.map(lambda t: self.admin.post(path, phone=self.customer.number, message=t), texts))
            acks = sorted(listener.hears(answer["data"]["id"], "server_ack") for answer in ids)
            used = self._used(before, SENDS)
        self.figures.add("sends over REST to WhatsApp's acknowledgement", SENDS / (acks[-1] - acks[0]), floor, "msg/s")
        self._cpu_rows("send, REST included", used, bare_cpu)

    # -- memory --------------------------------------------------------------------------------------------------------
    def memory(self) -> None:
        print(f"memory with {SESSIONS} linked sessions in one host", flush=True)
        self.sessions = [self.session]
        alone, bare = self._largest_host(), processes.pss_mb(self.bare.pid)
        self.figures.add("PSS of a host with one session (bare: one client)", alone, bare, "MB")
        for number in range(1, SESSIONS):
            phone = self.product.phone(str(79990000010 + number), f"Shop {number}")
            with self.admin.watching() as screen:
                session = self.admin.creates_a_session(f"Bench {number}")
                self.sessions.append(session)
                phone.scans(screen.qr(session))
                screen.shows(session, "connected")
        self.product.stops()
        self.product.starts()
        eventually(self._all_connected, within=60, what="all sessions are back")
        kinds = processes.by_kind(self.product.pid)
        shared = self._largest_host()
        self.figures.add(f"PSS of a host with {SESSIONS} sessions, per session", shared / SESSIONS, None, "MB", 1)
        for kind in ("web", "worker", "jobs", "sandbox", "valkey", "postgres"):
            self.figures.add(f"PSS of {kind}", sum(processes.pss_mb(pid) for pid in kinds[kind]), None, "MB")

    def _largest_host(self) -> float:
        """Those that are kept ready hold nothing yet."""
        return max(processes.pss_mb(pid) for pid in processes.by_kind(self.product.pid)["host"])

    # -- many out ------------------------------------------------------------------------------------------------------
    def batches(self) -> None:
        """In turn with as many bare clients, for the machine is now faster and now slower; medians of the rounds."""
        print(f"{BATCHED} sends of {SESSIONS} sessions, {ROUNDS} times", flush=True)
        fleet = self._bare_fleet()
        try:
            rounds = [(self._bare_batches(fleet), self._batches(number)) for number in range(ROUNDS)]
        finally:
            fleet.stops()
        for bare, ours in rounds:
            print(f"  {ours.rate:.0f} msg/s, bare {bare.rate:.0f}", flush=True)
        floor, wharf = (_median(side) for side in zip(*rounds, strict=True))
        self.figures.add(
            f"sends in batches over {SESSIONS} sessions, first request to last acknowledgement",
            wharf.rate,
            floor.rate,
            "msg/s",
        )
        self._cpu_rows("send in a batch", wharf.cpu, floor.cpu["host"])

    def _bare_fleet(self) -> Bare:
        """As many sessions in one process with nothing around them."""
        folder = self.product.folder / "fleet"
        folder.mkdir()
        fleet = Bare(self.product.sandbox_url, folder, SESSIONS).starts()
        for number in range(SESSIONS):
            phone = self.product.phone(str(79990001000 + number), f"Bare {number}")
            phone.scans(fleet.hears("qr", number=number)["text"])
            fleet.hears("connected", number=number)
        fleet.sends(1, self.customer.number)
        return fleet

    def _bare_batches(self, fleet: Bare) -> Round:
        before, began = fleet.cpu(), time.time()
        fleet.sends(BATCHED // SESSIONS, self.customer.number)
        return Round(BATCHED / (time.time() - began), {"host": (fleet.cpu() - before) / BATCHED * 1000})

    def _batches(self, number: int) -> Round:
        parts = [[f"batch {number} {part} {text}" for text in range(BATCH)] for part in range(BATCHED // BATCH)]
        with self.admin.watching() as screen:
            screen.hears("snapshot")
            listener, before, began = Listener(screen), self._cpu(), time.time()
            with ThreadPoolExecutor(2) as pool:
                ids = [one for part in pool.map(self._post_batch, range(len(parts)), parts) for one in part]
            acked = max(listener.hears(one, "server_ack") for one in ids)
            for one in ids:
                listener.hears(one, "delivered")
            return Round(BATCHED / (acked - began), self._used(before, BATCHED))

    def _post_batch(self, number: int, texts: list[str]) -> list[str]:
        path = f"/api/whatsapp/sessions/{self.sessions[number % SESSIONS]}/messages/batch"
        messages = [{"phone": self.customer.number, "message": text} for text in texts]
        return [row["id"] for row in self.admin.post(path, messages=messages)["data"]["results"]]

    def _all_connected(self) -> bool:
        states = [row["state"] for row in self.admin.get("/api/whatsapp/sessions")["data"]]
        return states.count("connected") == SESSIONS


def main() -> None:
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder, Running(Path(folder)) as product:
        product.stops()
        began = time.monotonic()
        product.starts()
        figures.add("warm start to serving", time.monotonic() - began, None, "s", 1)
        bench = Bench(product, figures)
        try:
            bench.run()
        finally:
            bench.bare.stops()
    print("\n" + figures.table())


if __name__ == "__main__":
    main()
