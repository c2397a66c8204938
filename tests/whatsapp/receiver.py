"""A company's own web server, as webhooks meet it: a real one on loopback, which answers as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import eventually


@dataclass(frozen=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def text(self) -> str:
        """What the message says that it is about; empty for anything else."""
        data = self.event["data"]
        return str(data["message"]["body"]) if "message" in data else ""


#: Status, headers and body; None hangs up.
Reply = tuple[int, dict[str, str], bytes] | None
OK: Reply = (200, {}, b"thanks")


def status(number: int, **headers: str) -> Reply:
    return number, {name.replace("_", "-"): value for name, value in headers.items()}, b"no"


@dataclass
class ReceiverServer:
    """`heard` is every request, `taken` the ones that were answered with 2xx, both in order."""

    answers: Callable[[Heard], Reply] = lambda _: OK
    heard: list[Heard] = field(default_factory=list)
    taken: list[Heard] = field(default_factory=list)
    port: int = 0
    _server: "_Server | None" = None

    def start(self) -> "ReceiverServer":
        """On the port it had, if it had one."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def replies(self, request: Heard) -> Reply:
        self.heard.append(request)
        reply = self.answers(request)
        if reply is not None and 200 <= reply[0] < 300:
            self.taken.append(request)
        return reply

    def texts(self) -> list[str]:
        """Of the messages that were taken."""
        return [request.text for request in self.taken if request.text]

    def hears(self, count: int, what: str = "") -> list[Heard]:
        """At least so many requests."""
        return eventually(
            lambda: self.heard if len(self.heard) >= count else None, what=what or f"{count} requests: {self.heard}"
        )

    def takes(self, *texts: str) -> None:
        """Exactly these messages, in this order."""
        eventually(lambda: len(self.texts()) >= len(texts), what=f"{texts}, not only {self.texts()}")
        assert self.texts() == list(texts)


@contextmanager
def receiving(answers: Callable[[Heard], Reply] = lambda _: OK) -> Iterator[ReceiverServer]:
    server = ReceiverServer(answers).start()
    try:
        yield server
    finally:
        server.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100

    def __init__(self, *args: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """Else connections that are kept open go on being served."""
        for connection in self._open:
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever is cut off here was cut off on purpose."""


def _handler(receiver: ReceiverServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            request = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
            reply = receiver.replies(request)
            if reply is None:
                self.close_connection = True
                return
            number, headers, body = reply
            self.send_response(number)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
