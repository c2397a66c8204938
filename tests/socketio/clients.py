"""The two clients that users of the older systems have, socket.io-client 4 and 2, in a node of their own."""

import atexit
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.waiting import PATIENCE

NODE: Final = Path(__file__).resolve().parent / "node"
#: As the older system's documents connect (seed contract 2.6).
AS_DOCUMENTED: Final = {"transports": ["websocket", "polling"], "timeout": 20000, "retries": 3}
#: Client 2 cannot listen to everything, so it is told the names.
NAMES: Final = (
    "connection-confirmed", "pong", "connection-ok", "manager-access-revoked", "manager-access-granted",
    *(f"whatsapp:{name}" for name in (
        "qr", "ready", "new_message", "chat_updated", "message_sent", "disconnected", "session_status", "chats_updated",
    )),
)  # fmt: skip


class _Node:
    """The one process that all clients live in: starting one takes a third of a second of a processor."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "client.mjs"], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._clients = count(1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        atexit.register(self.ends)

    def enter(self) -> tuple[int, queue.SimpleQueue[dict[str, Any]]]:
        client = next(self._clients)
        return client, self._lines.setdefault(client, queue.SimpleQueue())

    def forget(self, client: int) -> None:
        del self._lines[client]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if lines := self._lines.get(said["client"]):
                lines.put(said)

    def do(self, client: int, command: str, **more: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, "client": client, **more}) + "\n")
        self._process.stdin.flush()

    def ends(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()


_node = cache(_Node)


class Client:
    """One connection. What came stays, and can be asked for in any order; each is given once."""

    def __init__(self, version: int, url: str, **options: Any) -> None:
        self._id, self._lines = _node().enter()
        self._seen: list[dict[str, Any]] = []
        self._numbers = count(1)
        self._do("connect", version=version, url=url, options=options, names=NAMES)

    def _do(self, command: str, **more: Any) -> None:
        _node().do(self._id, command, **more)

    def emits(self, name: str, *args: Any) -> None:
        """Without a callback."""
        self._do("emit", name=name, args=args)

    def calls(self, name: str, *args: Any) -> Any:
        """With a callback; what it was called with."""
        number = next(self._numbers)
        self._do("emit", name=name, args=args, number=number)
        said = self._first(lambda line: line.get("answer") == number, f"an answer to {name}")["args"]
        # With `retries` the client puts an error, or null, before the answer.
        return said[-1] if said else None

    def hears(self, event: str, **wanted: Any) -> Any:
        """The payload of the first such event, in which these are so; None for an event without one."""

        def fits(line: dict[str, Any]) -> bool:
            payload = line["args"][0] if line.get("args") else {}
            return line.get("event") == event and all(payload.get(key) == value for key, value in wanted.items())

        args = self._first(fits, f"{event} {wanted or ''}")["args"]
        return args[0] if args else None

    def _first(self, fits: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            for line in self._seen:
                if fits(line):
                    self._seen.remove(line)
                    return line
            try:
                self._seen.append(self._lines.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"never came: {what}; seen {self._seen[-8:]}") from None

    def rest(self) -> list[str]:
        """The names of the events that have come and that nobody has asked for; after a round trip to the server."""
        self.calls("no-such-event")
        return [line["event"] for line in self._seen if "event" in line]

    def transport(self) -> str:
        self._do("transport")
        return str(self.hears("transport"))

    def ends(self) -> None:
        """Once; its connection is closed when this returns."""
        self._do("close")
        self._first(lambda line: "closed" in line, "the end")
        _node().forget(self._id)
