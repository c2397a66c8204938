"""The tests' end of a program with neonize: start it, tell it what to do, wait for what it reports."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
PATIENCE = 60.0  # for a condition that is sure to come; never a measure of speed

Event = dict[str, Any]
Match = Callable[[Any], bool]


def until(is_true: Callable[[], Any], what: str = "the condition") -> Any:
    """Wait for something that will be; returns what it was."""
    end = time.monotonic() + PATIENCE
    while not (found := is_true()):
        assert time.monotonic() < end, f"{what} never became true"
        time.sleep(0.01)
    return found


class Program:
    """One child process; it may hold several clients."""

    def __init__(self, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        self._channel = ours
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.program", str(theirs.fileno())],
            cwd=PROJECT,
            pass_fds=[theirs.fileno()],
            env={**os.environ, **env, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self.events: list[Event] = []
        self._news = threading.Condition()
        self._numbers = itertools.count()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.wait("ready")

    def _listen(self) -> None:
        with self._channel.makefile("r") as lines:
            for line in lines:
                self._note(json.loads(line))
        self._note({"event": "ended"})

    def _note(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, kind: str, matching: Match = lambda event: True, since: int = 0, client: str = "") -> Event:
        """The first such event; `since` is an index from `now`."""
        end = time.monotonic() + PATIENCE
        with self._news:
            while True:
                for event in self.events[since:]:
                    since += 1
                    mine = not client or event.get("client") == client
                    if mine and event["event"] == kind and matching(event):
                        return event
                assert self.events[-1:] != [{"event": "ended"}], f"the program ended before {kind}: {self.kinds()}"
                assert time.monotonic() < end, f"no {kind} so far: {self.kinds()}"
                self._news.wait(0.5)

    @property
    def now(self) -> int:
        return len(self.events)

    def kinds(self) -> list[str]:
        return [event["event"] for event in self.events if event["event"] != "answer"][-15:]

    def do(self, order: str, client: str = "main", **details: Any) -> Any:
        number, before = next(self._numbers), self.now
        line = json.dumps({"do": order, "client": client, "id": number, **details})
        self._channel.sendall((line + "\n").encode())
        answer = self.wait("answer", lambda event: event["id"] == number, since=before)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["data"]

    # -- in the words of the tests ----------------------------------------------------------------------------

    def starts(self, store: Path, client: str = "main") -> Program:
        self.do("new", client, store=str(store))
        return self

    def qr(self, client: str = "main", since: int = 0) -> str:
        return str(self.wait("qr", since=since, client=client)["data"])

    def connected(self, since: int = 0, client: str = "main") -> None:
        self.wait("Connected", since=since, client=client)

    def hears(self, text: str, since: int = 0, client: str = "main") -> Any:
        """The Message event with this text."""
        return self.wait("Message", lambda event: text_in(event["data"]) == text, since, client)["data"]

    def gets_receipt(self, message_id: str, kind: str, since: int = 0, client: str = "main") -> Any:
        def matches(event: Event) -> bool:
            return message_id in event["data"].get("MessageIDs", []) and event["data"].get("Type") == kind

        return self.wait("Receipt", matches, since, client)["data"]

    def sends(self, to: str, text: str, client: str = "main") -> str:
        return str(self.do("send", client, to=to, text=text)["ID"])

    def kill(self) -> None:
        """kill -9, as a crash or an out-of-memory would."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._channel.close()


def text_in(message: Any) -> str:
    content = message.get("Message", {})
    return str(content.get("conversation") or content.get("extendedTextMessage", {}).get("text", ""))
