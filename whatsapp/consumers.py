"""`/ws/whatsapp/`: the sessions that one may see, live. docs/api.md has the messages.

Who connects with a page's cookie is known at once; others say `{"type": "auth", "token": ...}` first (a token in the
address would end up in logs). Then comes a snapshot, and after it whatever happens. Rights are looked up again
whenever they change, and every minute.
"""

import asyncio
import contextlib
import logging
from typing import Any, Final

import msgspec
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.utils import translation
from django.utils.translation import gettext

from accounts.callers import Caller
from accounts.credentials import caller_for_credential, ends_at
from accounts.pages import caller_of_log_in
from tenants.context import arun_in
from wharf.errors import NotAuthenticated, WharfError
from wharf.meanings import body, meaning
from whatsapp import qr, shapes
from whatsapp.listening import Listener, language_of
from whatsapp.services import feed

log = logging.getLogger("whatsapp.live")

AUTH_SECONDS: Final = 10.0
MAX_MESSAGE: Final = 16_384
REPLAYED_AT_ONCE: Final = 500


class WhatsAppConsumer(AsyncJsonWebsocketConsumer):
    _listener: Listener
    _is_known: asyncio.Event
    _token = ""
    _clock: "asyncio.Task[None] | None" = None
    #: The cursor up to which a replay has told everything.
    _replayed = 0

    async def dispatch(self, message: dict[str, Any]) -> None:
        """As channels', without a change of threads for each message: nothing here keeps a database connection."""
        await getattr(self, get_handler_name(message))(message)

    # -- joining -------------------------------------------------------------------------------------------------
    async def connect(self) -> None:
        self._listener = Listener(self.channel_layer, self.channel_name, self._find_caller)
        self._is_known = asyncio.Event()
        await self.accept()
        self._clock = asyncio.create_task(self._watch_the_clock())
        if self._has_session():
            await self._join()

    def _has_session(self) -> bool:
        user = self.scope.get("user")
        return bool(user and user.is_authenticated)

    async def _join(self) -> None:
        """Find out who it is, listen to what they may hear, show how it is now."""
        try:
            await self._listener.identify()
        except WharfError as error:
            await self._refuse(error)
            return
        self._is_known.set()
        await self._resync()

    def _find_caller(self) -> Caller:
        # Set by `config.sockets`, which channels' types know nothing of.
        scope: Any = self.scope
        if self._token:
            return caller_for_credential(self._token, scope["host_company"])
        if not self._has_session():
            raise NotAuthenticated
        return caller_of_log_in(scope["session"].session_key, scope["host_company"])

    async def _resync(self) -> None:
        view = await self._listener.tune()
        sessions = [self._in_words(shape) for shape in view.sessions]
        await self._say("snapshot", sessions=sessions, challenges=[_with_picture(c) for c in view.challenges])

    async def _watch_the_clock(self) -> None:
        """Who does not say who they are goes; so does whose token expires or whose rights are gone."""
        try:
            await asyncio.wait_for(self._is_known.wait(), AUTH_SECONDS)
        except TimeoutError:
            await self._refuse(NotAuthenticated())
        else:
            await self._refuse(await self._listener.until_refused(self._expires_at))

    def _expires_at(self) -> float | None:
        return ends_at(self._token) if self._token else None

    async def _refuse(self, error: WharfError) -> None:
        await self._say("error", **self._translated(error))
        await self.close(meaning(error).ws_close)

    async def disconnect(self, code: int) -> None:
        if self._clock is not None and self._clock is not asyncio.current_task():
            self._clock.cancel()
        await self._listener.stop()

    # -- in --------------------------------------------------------------------------------------------------------
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Rubbish is answered, and harms nobody."""
        content: Any = None
        if text_data is not None and len(text_data) <= MAX_MESSAGE:
            with contextlib.suppress(ValueError, RecursionError):
                content = await self.decode_json(text_data)
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "auth" and isinstance(content.get("token"), str) and self._listener.caller is None:
            self._token = content["token"]
            await self._join()
        elif kind == "ping":
            await self._say("pong")
        elif kind == "snapshot" and self._listener.caller is not None:
            await self._resync()
        elif kind == "resume" and self._listener.caller is not None and _is_cursor(content.get("after")):
            await self._replay(int(content["after"]))
        else:
            await self._say("error", success=False, code="bad_message", message=self._bad_message())

    def _bad_message(self) -> str:
        with translation.override(self._language()):
            return gettext("This message cannot be understood")

    async def _replay(self, after: int) -> None:
        """All that was logged after the cursor, as if it came now; then what comes goes on from there.

        Who it is, is asked again for each page: a replay may last longer than somebody's rights.
        """
        has_more = True
        while has_more:
            try:
                caller = await self._listener.identify()
            except WharfError as error:
                await self._refuse(error)
                return
            try:
                found = await arun_in(caller.company, feed.read, by=caller.actor, after=after, limit=REPLAYED_AT_ONCE)
            except WharfError as error:
                await self._say("error", **self._translated(error))
                return
            for row in found.events:
                await self._tell(row.kind, row.data, shapes.place(row.id, row.position, row.seq))
            after = self._replayed = found.next
            has_more = found.has_more
        await self._say("resumed", next=str(after))

    # -- out -------------------------------------------------------------------------------------------------------
    async def live_event(self, message: dict[str, Any]) -> None:
        """What came through a group (`live.publish`)."""
        for news in message["news"]:
            await self._hear(news["kind"], news["payload"], news["event"])

    async def _hear(self, kind: str, payload: Any, event: dict[str, Any] | None) -> None:
        """Not what a replay has just told."""
        if kind in ("access.changed", "session.created"):
            await self._join()
        elif event is None or int(event["cursor"]) > self._replayed:
            await self._tell(kind, payload, event)

    async def _tell(self, kind: str, payload: Any, event: dict[str, Any] | None) -> None:
        if kind in ("session.created", "session.changed"):
            await self._say(kind, session=self._in_words(payload), event=event)
        elif kind == "session.challenge":
            await self._say(kind, challenge=_with_picture(payload))
        else:
            await self._say(kind, **payload, event=event)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        """A seventh of the cost of the standard library, and letters as letters."""
        return msgspec.json.encode(content).decode()

    async def _say(self, kind: str, **content: Any) -> None:
        await self.send_json({"type": kind, **content})

    def _in_words(self, shape: shapes.Shape) -> shapes.Shape:
        with translation.override(self._language()):
            return shapes.in_words(shape)

    def _translated(self, error: WharfError) -> dict[str, Any]:
        with translation.override(self._language()):
            return body(error)

    def _language(self) -> str:
        headers = dict(self.scope["headers"])
        return language_of(self._listener.caller, headers.get(b"accept-language", b"").decode("latin1"))


def _with_picture(challenge: shapes.Shape) -> shapes.Shape:
    """The QR code as a picture beside its text."""
    return challenge | {"qrCode": qr.png_data_url(challenge["qr"]) if challenge["qr"] else ""}


def _is_cursor(value: object) -> bool:
    return isinstance(value, str) and value.isdecimal() and len(value) <= 18
