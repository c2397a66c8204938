"""Does what the plan says to the product's processes, to its connections and to the receiver.

It ends only what runs below the product that it was given, and holds the process by a descriptor while it looks a
second time: a number that has become a stranger's meanwhile is never signalled.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from bench import processes
from faults.ledger import Kill
from faults.plan import KILLS, Deed
from faults.receiver import Receiver

#: What is to be killed may be on its way back from the last time.
PATIENCE_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.1
#: What has come back is left alone for up to so long.
AT_WORK_SECONDS: Final = 2.0


class Chaos:
    """`root` is the product's first process, `sessions` (id, number) its sessions; `kills` what was done, and when."""

    def __init__(
        self,
        root: int,
        sandbox: httpx.Client,
        receiver: Receiver,
        sessions: Sequence[tuple[str, str]],
        ended: threading.Event,
    ) -> None:
        self._root, self._sandbox, self._receiver, self._sessions = root, sandbox, receiver, sessions
        self._ended = ended
        self._endings: list[threading.Timer] = []
        self.kills: list[Kill] = []
        #: Whom we looked for in vain.
        self.missed: list[str] = []

    def run(self, deeds: Sequence[Deed], began: float) -> None:
        """Do each at its time; `began` is monotonic. Returns when the last is done or the run has ended."""
        for deed in deeds:
            if self._ended.wait(max(0.0, began + deed.at - time.monotonic())):
                return
            if deed.kind in KILLS:
                self._kill(deed)
            else:
                self._trouble(deed)

    def calm(self) -> None:
        """End every trouble at once."""
        for timer in self._endings:
            timer.cancel()
        self._sandbox.delete("/faults")
        self._receiver.recover()

    # -- killing -----------------------------------------------------------------------------------------------------
    def _kill(self, deed: Deed) -> None:
        deadline, was_gone = time.monotonic() + PATIENCE_SECONDS, False
        while time.monotonic() < deadline and not self._ended.is_set():
            if was_gone and self._candidates(deed):
                # It is back, and dies in the middle of what has waited for it.
                self._ended.wait(deed.choice * AT_WORK_SECONDS)
            if (kill := self._try_to_kill(deed)) is not None:
                self.kills.append(kill)
                return
            was_gone = True
            self._ended.wait(LOOK_SECONDS)
        self.missed.append(deed.kind)

    def _candidates(self, deed: Deed) -> list[int]:
        found = targets(self._root, deed.kind)
        if deed.session is None:
            return found
        session_id, _ = self._sessions[deed.session]
        return [pid for pid in found if session_id in sessions_of(pid)]

    def _try_to_kill(self, deed: Deed) -> Kill | None:
        if not (found := self._candidates(deed)):
            return None
        pid = found[int(deed.choice * len(found))]
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if pid in self._candidates(deed):
                    held = sessions_of(pid) if deed.kind == "host" else frozenset()
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    # Not before it: this process may be made to wait between the two, and the other one goes on.
                    return Kill(deed.kind, time.time(), held)
            finally:
                os.close(descriptor)
        return None

    # -- everything else ---------------------------------------------------------------------------------------------
    def _trouble(self, deed: Deed) -> None:
        begin, end = {
            "connections dropped": (self._drop, None),
            "acks withheld": (self._withhold, self._release),
            "receiver down": (self._receiver.go_down, self._receiver.recover),
            "receiver slow": (self._receiver.be_slow, self._receiver.recover),
            "receiver fails": (self._receiver.fail, self._receiver.recover),
        }[deed.kind]
        self.kills.append(Kill(deed.kind, time.time()))
        begin()
        if end is not None:
            self._later(deed.seconds, end)

    def _later(self, seconds: float, end: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        self._endings.append(timer)
        timer.start()

    def _drop(self) -> None:
        """Every connection at once, as when a network goes."""
        for _, number in self._sessions:
            self._sandbox.post("/faults", json={"drop": number})

    def _withhold(self) -> None:
        self._sandbox.post("/faults", json={"holdMessageAcks": True})

    def _release(self) -> None:
        """A server that took and answered nothing drops its connections in the end."""
        self._sandbox.post("/faults", json={"holdMessageAcks": False})
        self._drop()


# -- whom ------------------------------------------------------------------------------------------------------------
def targets(root: int, kind: str) -> list[int]:
    """The product's processes that a kind of kill may mean, in the order of their numbers."""
    kinds = processes.by_kind(root)
    if kind == "host":
        return sorted(pid for pid in kinds["host"] if sessions_of(pid))
    if kind == "postgres backend":
        return sorted(pid for pid in kinds["postgres"] if processes.is_backend(pid))
    # Below these are their own children, and for a moment copies of themselves that are about to become something else.
    return sorted(pid for pid in kinds[kind] if processes.parent_of(pid) == root)


def sessions_of(pid: int) -> frozenset[str]:
    """The sessions whose journals a host has open."""
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                path = entry.readlink()
                if path.name == "journal.db":
                    found.add(path.parent.name)
    return frozenset(found)
