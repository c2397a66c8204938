"""One POST to a receiver, signed in the manner of Standard Webhooks, within bounds whatever the receiver does."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final

import aiohttp
from django.utils import timezone

from wharf.egress import AddressRefused, guarded_socket, rule_for
from wharf.networks import Network
from wharf.version import VERSION
from whatsapp.services.deliveries import Outgoing, Receiver
from whatsapp.webhooks.resolving import GuardedResolver

#: For all of it: finding the host, connecting, sending, and the head of the answer.
TOTAL_SECONDS: Final = 15.0
#: Read of an answer's body, which nobody needs; a connection with more to say is closed.
MOST_READ: Final = 64 * 1024
SHOWN: Final = 500
#: Requests to one endpoint at the same time.
AT_ONCE: Final = 8
GONE: Final = 410
#: Answers whose Retry-After counts.
_LATER: Final = {429, 503}
_KEPT_OPEN_SECONDS: Final = 30.0
_FIXED: Final = {
    "Content-Type": "application/json",
    "User-Agent": f"Wharf/{VERSION}",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True)
class Answer:
    """`status` is HTTP's; without one `error` says what went wrong: `timeout`, `name` (not found), `address` (not
    allowed), `tls`, `connection`, `protocol` (that was no HTTP)."""

    status: int | None
    error: str
    #: Milliseconds.
    duration: int
    #: The first characters of the body.
    response: str = ""
    #: Seconds that the receiver asks us to wait; 0 when it does not.
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def signed(event: Outgoing, secrets: Sequence[bytes], now: datetime) -> dict[str, str]:
    """The headers by which a receiver knows that it was us, and when (https://www.standardwebhooks.com)."""
    moment = str(int(now.timestamp()))
    content = f"{event.id}.{moment}.".encode() + event.body
    signatures = [base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode() for secret in secrets]
    return {
        "webhook-id": event.id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


class Poster:
    """A receiver's open connections: `async with Poster(receiver, allowed) as poster: await poster.post(event)`."""

    def __init__(
        self,
        receiver: Receiver,
        allowed: Sequence[Network],
        *,
        seconds: float = TOTAL_SECONDS,
        look_up: Callable[[str, int, int], list[Any]] | None = None,
    ) -> None:
        self._receiver, self._seconds = receiver, seconds
        self._rule = rule_for(receiver.url, allowed)
        self._look_up = {"look_up": look_up} if look_up else {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> "Poster":
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._rule, **self._look_up),
            socket_factory=guarded_socket(self._rule),
            use_dns_cache=False,
            limit=AT_ONCE,
            keepalive_timeout=_KEPT_OPEN_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, event: Outgoing) -> Answer:
        """Never raises for what a receiver does."""
        began = time.perf_counter()
        status, error, response, retry_after = None, "", "", 0.0
        try:
            async with asyncio.timeout(self._seconds):
                async with self._ask(event) as answer:
                    status = answer.status
                    retry_after = _retry_after(answer) if status in _LATER else 0.0
                    response = await _first(answer)
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            # An answer whose body breaks off is an answer all the same.
            error = "" if status else _word_for(problem)
        return Answer(status, error, round((time.perf_counter() - began) * 1000), response, retry_after)

    def _ask(self, event: Outgoing) -> Any:
        now = timezone.now()
        headers = {**self._receiver.headers, **_FIXED, **signed(event, self._receiver.secrets(now), now)}
        return self._session.post(self._receiver.url, data=event.body, headers=headers, allow_redirects=False)


async def _first(answer: aiohttp.ClientResponse) -> str:
    """Read the body to its end, so that the connection can be used again, or close the connection on a long one."""
    read = bytearray()
    async for chunk in answer.content.iter_any():
        read += chunk
        if len(read) > MOST_READ:
            answer.close()
            break
    # NUL is the one character that a row cannot hold.
    return bytes(read[: 4 * SHOWN]).decode(errors="replace").replace("\0", "�")[:SHOWN]


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    """Seconds or a date (RFC 9110, 10.2.3); 0 for what is neither."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - timezone.now()).total_seconds())


def _word_for(problem: BaseException) -> str:
    if _is_refusal(problem):
        return "address"
    match problem:
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorDNSError():
            return "name"
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError() | aiohttp.InvalidURL():
            return "protocol"
    return "connection"


def _is_refusal(problem: BaseException | None) -> bool:
    while problem is not None:
        if isinstance(problem, AddressRefused) or isinstance(getattr(problem, "os_error", None), AddressRefused):
            return True
        problem = problem.__cause__
    return False
