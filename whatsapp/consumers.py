"""`/ws/whatsapp/`: the sessions that one may see, live. docs/api.md has the messages.

Who connects with a page's cookie is known at once; others say `{"type": "auth", "token": ...}` first (a token in the
address would end up in logs). Then comes a snapshot, and after it whatever happens. Rights are looked up again
whenever they change, and every minute.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any, Final

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from accounts.callers import Caller
from accounts.pages import caller_of_log_in
from accounts.tokens import caller_for_token, expiry_of
from tenants.context import arun_in, arun_in_public
from wharf.errors import NotAuthenticated, WharfError
from wharf.meanings import body, meaning
from whatsapp import qr, shapes
from whatsapp.services import watching

log = logging.getLogger("whatsapp.live")

AUTH_SECONDS: Final = 10.0
RECHECK_SECONDS: Final = 60.0
MAX_MESSAGE: Final = 16_384


class WhatsAppConsumer(AsyncJsonWebsocketConsumer):
    _caller: Caller | None = None
    _token = ""
    _groups: frozenset[str] = frozenset()
    _clock: "asyncio.Task[None] | None" = None

    # -- joining -------------------------------------------------------------------------------------------------
    async def connect(self) -> None:
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
            self._caller = await arun_in_public(self._find_caller)
        except WharfError as error:
            await self._refuse(error)
            return
        await self._resync()

    def _find_caller(self) -> Caller:
        # Set by `config.sockets`, which channels' types know nothing of.
        scope: Any = self.scope
        if self._token:
            return caller_for_token(self._token, scope["host_company"])
        if not self._has_session():
            raise NotAuthenticated
        return caller_of_log_in(scope["session"].session_key, scope["host_company"])

    async def _resync(self) -> None:
        """Listen first and look afterwards: what happens in between then comes after the snapshot."""
        assert self._caller is not None
        company, actor = self._caller.company, self._caller.actor
        await self._listen_to(await arun_in(company, watching.groups_for, company, actor))
        view = await arun_in(company, watching.view_for, company, actor)
        await self._listen_to(view.groups)
        sessions = [self._in_words(shape) for shape in view.sessions]
        await self._say("snapshot", sessions=sessions, challenges=[_with_picture(c) for c in view.challenges])

    async def _listen_to(self, groups: frozenset[str]) -> None:
        for group in self._groups - groups:
            await self.channel_layer.group_discard(group, self.channel_name)
        for group in groups - self._groups:
            await self.channel_layer.group_add(group, self.channel_name)
        self._groups = groups

    async def _watch_the_clock(self) -> None:
        """Who does not say who they are goes; so does whose token expires or whose rights are gone."""
        await asyncio.sleep(AUTH_SECONDS)
        while self._caller is not None:
            left = expiry_of(self._token) - time.time() if self._token else RECHECK_SECONDS
            await asyncio.sleep(max(0.0, min(left, RECHECK_SECONDS)))
            try:
                await arun_in_public(self._find_caller)
            except WharfError as error:
                await self._refuse(error)
                return
        await self._refuse(NotAuthenticated())

    async def _refuse(self, error: WharfError) -> None:
        await self._say("error", **self._translated(error))
        await self.close(meaning(error).ws_close)

    async def disconnect(self, code: int) -> None:
        if self._clock is not None and self._clock is not asyncio.current_task():
            self._clock.cancel()
        for group in self._groups:
            await self.channel_layer.group_discard(group, self.channel_name)
        self._groups = frozenset()

    # -- in --------------------------------------------------------------------------------------------------------
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Rubbish is answered, and harms nobody."""
        content: Any = None
        if text_data is not None and len(text_data) <= MAX_MESSAGE:
            with contextlib.suppress(ValueError, RecursionError):
                content = await self.decode_json(text_data)
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == "auth" and isinstance(content.get("token"), str) and self._caller is None:
            self._token = content["token"]
            await self._join()
        elif kind == "ping":
            await self._say("pong")
        elif kind == "snapshot" and self._caller is not None:
            await self._resync()
        else:
            await self._say("error", success=False, code="bad_message", message=self._bad_message())

    def _bad_message(self) -> str:
        with translation.override(self._language()):
            return gettext("This message cannot be understood")

    # -- out -------------------------------------------------------------------------------------------------------
    async def live_event(self, event: dict[str, Any]) -> None:
        """What came through a group."""
        kind, payload = event["kind"], event["payload"]
        if kind in ("access.changed", "session.created"):
            await self._join()
        elif kind == "session.changed":
            await self._say(kind, session=self._in_words(payload))
        elif kind == "session.challenge":
            await self._say(kind, challenge=_with_picture(payload))
        else:
            await self._say(kind, **payload)

    async def _say(self, kind: str, **content: Any) -> None:
        await self.send_json({"type": kind, **content})

    def _in_words(self, shape: shapes.Shape) -> shapes.Shape:
        with translation.override(self._language()):
            return shapes.in_words(shape)

    def _translated(self, error: WharfError) -> dict[str, Any]:
        with translation.override(self._language()):
            return body(error)

    def _language(self) -> str:
        """The person's own choice, else what the client asks for, else the platform's."""
        if self._caller is not None and self._caller.user.language:
            return self._caller.user.language
        headers = dict(self.scope["headers"])
        return _first_language(headers.get(b"accept-language", b"").decode("latin1"))


def _first_language(header: str) -> str:
    for part in header.split(","):
        code = part.split(";")[0].strip().lower()
        with contextlib.suppress(LookupError):
            return translation.get_supported_language_variant(code)
    return settings.LANGUAGE_CODE


def _with_picture(challenge: shapes.Shape) -> shapes.Shape:
    """The QR code as a picture beside its text."""
    return challenge | {"qrCode": qr.png_data_url(challenge["qr"]) if challenge["qr"] else ""}
