"""The two namespaces: `/`, where anybody may see whether the server is there, and `/whatsapp` (seed contract 2.1, 2.2).

python-socketio keeps the connections of this process; there is no manager that spreads events between processes,
because each hears all news itself (`whatsapp.socketio.connection`).
"""

import logging
from functools import partial
from typing import Any, Final

import socketio
from django.core.exceptions import DisallowedHost
from django.utils import timezone
from socketio.exceptions import ConnectionRefusedError

from accounts.callers import Caller
from accounts.errors import HandshakeFailed
from accounts.handshake import caller_for_handshake
from tenants.hosts import company_of_host
from wharf.errors import WharfError
from wharf.moments import moment
from whatsapp.api.addresses import NAMESPACE
from whatsapp.listening import language_of
from whatsapp.socketio.calls import Answer, UnknownEvent, failed
from whatsapp.socketio.connection import Connection
from whatsapp.socketio.gate import Gate
from whatsapp.socketio.pace import Pace

log = logging.getLogger("whatsapp.live")

PING_INTERVAL: Final = 10
PING_TIMEOUT: Final = 30
#: Frames are written anew once they are checked, with everything but ASCII escaped.
MAX_CHECKED_BYTES: Final = 1_000_000
#: Who says nothing of themselves may still ask whether the server is there, but not for ever.
ROOT_CALLS_A_SECOND: Final = 5
ROOT_CALLS_AT_ONCE: Final = 50


class SocketIO:
    """An ASGI application; one for a process, in one event loop."""

    def __init__(self) -> None:
        self._server = socketio.AsyncServer(
            async_mode="asgi",
            namespaces="*",
            # One after another, in the order in which a client has sent them.
            async_handlers=False,
            cors_allowed_origins="*",
            http_compression=False,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            max_http_buffer_size=MAX_CHECKED_BYTES,
            # They write whole packets, which hold messages and QR codes: config.logs silences them.
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
        )
        self._gate = Gate(self._server)
        self._connections: dict[str, Connection] = {}
        self._paces: dict[str, Pace] = {}
        for namespace, event, handler in (
            ("/", "connect", self._enter),
            ("/", "*", self._root_call),
            ("/", "disconnect", self._exit),
            (NAMESPACE, "connect", self._connect),
            (NAMESPACE, "*", self._call),
            (NAMESPACE, "disconnect", self._disconnect),
            ("*", "connect", self._connect_elsewhere),
        ):
            self._server.on(event, handler=handler, namespace=namespace)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._gate(scope, receive, send)

    async def close(self) -> None:
        """The server process ends."""
        for connection in list(self._connections.values()):
            await connection.close()
        self._connections.clear()
        await self._gate.close()

    # -- / -------------------------------------------------------------------------------------------------------
    async def _enter(self, sid: str, environ: Any, auth: Any) -> None:
        self._paces[sid] = Pace(rate=ROOT_CALLS_A_SECOND, burst=ROOT_CALLS_AT_ONCE)

    async def _exit(self, sid: str, reason: str) -> None:
        self._paces.pop(sid, None)

    async def _root_call(self, event: str, sid: str, *payload: object) -> Answer | None:
        if not self._paces[sid].allows():
            return None
        if event == "ping":
            await self._server.emit("pong", to=sid)
        elif event == "test-connection":
            here = {"socketId": sid, "timestamp": moment(timezone.now()), "server": "Wharf"}
            await self._server.emit("connection-ok", here, to=sid)
        else:
            return failed(UnknownEvent(), language_of(None, ""))
        return None

    async def _connect_elsewhere(self, namespace: str, sid: str, environ: Any, auth: Any) -> None:
        raise ConnectionRefusedError("Invalid namespace")

    # -- /whatsapp -----------------------------------------------------------------------------------------------
    async def _connect(self, sid: str, environ: Any, auth: Any) -> None:
        token = _token(environ, auth)
        accept_language = environ.get("HTTP_ACCEPT_LANGUAGE", "")
        connection = Connection(
            sid,
            token=token,
            find_caller=partial(_find_caller, token, environ.get("HTTP_HOST", "")),
            accept_language=accept_language,
            say=partial(self._say, sid),
            leave=partial(self._server.disconnect, sid, namespace=NAMESPACE),
            on_rights=partial(self._forget_answers, sid),
        )
        try:
            await connection.open()
        except WharfError as error:
            raise _refusal(error, accept_language) from None
        except Exception:
            log.exception("a Socket.IO connection cannot be opened")
            raise _refusal(HandshakeFailed(), accept_language) from None
        self._connections[sid] = connection
        # Its first step comes after the answer to this.
        connection.begin()

    async def _say(self, sid: str, event: str, content: Any) -> None:
        await self._server.emit(event, content, to=sid, namespace=NAMESPACE)

    def _forget_answers(self, sid: str) -> None:
        self._gate.forget_answers(self._server.manager.eio_sid_from_sid(sid, NAMESPACE))

    async def _call(self, event: str, sid: str, *payload: object) -> Answer | None:
        connection = self._connections.get(sid)
        return await connection.answer(event, payload[0] if payload else None) if connection else None

    async def _disconnect(self, sid: str, reason: str) -> None:
        if connection := self._connections.pop(sid, None):
            await connection.close()


def _find_caller(token: str, host: str) -> Caller:
    try:
        return caller_for_handshake(token, company_of_host(host))
    except DisallowedHost as error:
        raise HandshakeFailed from error


def _token(environ: Any, auth: Any) -> str:
    """`auth.token`, else the header; with or without `Bearer`."""
    given = auth.get("token") if isinstance(auth, dict) else None
    token = given if isinstance(given, str) and given else environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, rest = token.partition(" ")
    return str(rest.strip() if scheme.lower() == "bearer" else token.strip())


def _refusal(error: WharfError, accept_language: str) -> ConnectionRefusedError:
    answer = failed(error, language_of(None, accept_language))
    return ConnectionRefusedError(answer["message"], {"code": answer["code"]})
