"""Showing metrics and probes: who may read them, and the small server of processes that have no other.

Metrics tell operators' business, so they are closed without `WHARF_METRICS_TOKEN`. Probes say nothing but whether a
process lives and can work.
"""

import asyncio
import hmac
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from django.conf import settings
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest

from wharf.metrics import REGISTRY

log = logging.getLogger("wharf.exposition")

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
#: A loop that does not come round in this time does not live.
LIVE_SECONDS: Final = 5.0
READY_SECONDS: Final = 5.0
#: A client that says nothing for so long is hung up on.
CLIENT_SECONDS: Final = 10.0

#: What a probe says, and what is asked for it: status, content type, body.
Page = tuple[HTTPStatus, str, bytes]
Ready = Callable[[], Awaitable[object]]


def refusal(authorization: str) -> HTTPStatus | None:
    """Why whoever carries this header may not read metrics; None when it may."""
    token = settings.METRICS_TOKEN
    if not token:
        return HTTPStatus.NOT_FOUND
    scheme, _, given = authorization.partition(" ")
    is_right = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    return None if is_right else HTTPStatus.UNAUTHORIZED


def shown(*registries: CollectorRegistry) -> bytes:
    return b"".join(generate_latest(registry) for registry in registries)


class Probes:
    """The three pages of a process that lives in an event loop, asked for from other threads.

    `ready` raises, in that loop, while the process cannot work.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ready: Ready) -> None:
        self._loop, self._ready = loop, ready

    def page(self, path: str, authorization: str) -> Page:
        match path:
            case "/metrics":
                return self._metrics(authorization)
            case "/health/live":
                return _health(self._answers(lambda: asyncio.sleep(0), LIVE_SECONDS))
            case "/health/ready":
                return _health(self._answers(self._ready, READY_SECONDS))
        return _plain(HTTPStatus.NOT_FOUND)

    @staticmethod
    def _metrics(authorization: str) -> Page:
        refused = refusal(authorization)
        return _plain(refused) if refused else (HTTPStatus.OK, CONTENT_TYPE, shown(REGISTRY))

    def _answers(self, ask: Ready, seconds: float) -> bool:
        async def asking() -> None:
            await ask()

        asked = asyncio.run_coroutine_threadsafe(asking(), self._loop)
        try:
            asked.result(seconds)
        except Exception as error:
            asked.cancel()
            log.warning("a probe was answered with no: %s", type(error).__name__)
            return False
        return True


def _health(is_well: bool) -> Page:
    body = json.dumps({"status": "ok" if is_well else "unavailable"}).encode()
    return HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body


def _plain(status: HTTPStatus) -> Page:
    return status, "text/plain; charset=utf-8", status.phrase.encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""
        log.debug("a probe's client went away")


def _handler(probes: Probes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_SECONDS
        server_version, sys_version = "Wharf", ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status, kind, body = probes.page(path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes come every few seconds."""

    return Handler


@asynccontextmanager
async def probed(ready: Ready) -> AsyncIterator[None]:
    """Serve this process's metrics and probes at `WHARF_METRICS_ADDRESS` meanwhile, if there is one.

    An address that cannot be had is said and costs the metrics alone: numbers stay online without them.
    """
    server = _open(settings.METRICS_ADDRESS, Probes(asyncio.get_running_loop(), ready))
    try:
        yield
    finally:
        if server is not None:
            await asyncio.to_thread(server.shutdown)
            server.server_close()


def _open(address: str, probes: Probes) -> _Server | None:
    if not address:
        return None
    host, _, port = address.rpartition(":")
    try:
        server = _Server((host, int(port)), _handler(probes))
    except OSError as error:
        log.error("no metrics at %s: %s", address, error.strerror)
        return None
    serving = {"poll_interval": 0.2}
    threading.Thread(target=server.serve_forever, kwargs=serving, name="metrics", daemon=True).start()
    log.info("metrics and probes at %s", address)
    return server
