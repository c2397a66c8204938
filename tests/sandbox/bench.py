"""How many messages a second go through the sandbox, with the real neonize at the other end.  Not a test.

python -m tests.sandbox.bench [messages]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.protocol.protos import e2e
from sandbox.thread import SandboxThread
from sandbox.world import post
from sandbox.world.phone import Phone
from tests.sandbox.driver import Program, until


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(name: str, count: int, work: Callable[[], None]) -> None:
    began, burnt = time.monotonic(), cpu()
    work()
    seconds = time.monotonic() - began
    print(f"{name:>10}: {count / seconds:6.0f} msg/s, {(cpu() - burnt) / count * 1000:.2f} ms of CPU each here")


def inbound(wa: SandboxThread, shop: Phone, people: list[Phone], program: Program, count: int) -> None:
    def burst() -> None:
        for i in range(count):
            post.send(wa.world, people[i % len(people)], shop, e2e.Message(conversation=f"in {i}"))

    program.do("count", messages=count)
    wa.call(burst)
    until(lambda: not any(c.queue for c in shop.companions.values()), "every message acknowledged")
    program.wait("counted")


def outbound(people: list[Phone], program: Program, count: int) -> None:
    for i in range(count):
        program.sends(people[i % len(people)].number, f"out {i}")


def main(count: int) -> None:
    for state in (None, Path(tempfile.mkdtemp())):
        print("kept in SQLite" if state else "in memory")
        with SandboxThread(state, keep_log=False) as wa:
            run(wa, count)


def run(wa: SandboxThread, count: int) -> None:
    shop = wa.phone("5511999990001", "Loja")
    people = [wa.phone(f"55119888800{i:02}", f"Person {i}") for i in range(10)]
    program = Program(wa.env).starts(Path(tempfile.mkdtemp()) / "store.db")
    wa.scan(shop, program.qr())
    program.connected()
    for person in people:
        program.sends(person.number, "hello")
        wa.send_text(person, shop, f"hello from {person.number}")
    program.hears(f"hello from {people[-1].number}")
    measured("inbound", count, lambda: inbound(wa, shop, people, program, count))
    measured("outbound", count // 4, lambda: outbound(people, program, count // 4))
    program.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
