"""What one live connection may hear, kept true for as long as it lasts; the same for WebSocket and Socket.IO.

Who it is, is looked up again every minute and whenever rights change: a token that expires, a membership that ends, a
password that changes and a grant that is taken away count on open connections too.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import translation

from accounts.callers import Caller
from tenants.context import arun_in, arun_in_public
from wharf.errors import WharfError
from whatsapp.services import watching
from whatsapp.services.watching import View

log = logging.getLogger("whatsapp.live")

RECHECK_SECONDS: Final = 60.0

Groups = frozenset[str]


class Listener:
    """The groups that one channel is in. `find_caller` says who it is now, and raises WharfError when nobody any more.

    `wanted` narrows what may be heard to what the connection wants to hear.
    """

    def __init__(
        self,
        layer: Any,
        channel: str,
        find_caller: Callable[[], Caller],
        wanted: Callable[[Groups], Groups] = lambda groups: groups,
    ) -> None:
        self.caller: Caller | None = None
        self._layer = layer
        self._channel = channel
        self._find_caller = find_caller
        self._wanted = wanted
        self._groups: Groups = frozenset()

    async def identify(self) -> Caller:
        self.caller = await arun_in_public(self._find_caller)
        return self.caller

    async def tune(self) -> View:
        """Listen first and look afterwards: what happens in between then comes after the snapshot."""
        assert self.caller is not None
        company, actor = self.caller.company, self.caller.actor
        await self._hear(await arun_in(company, watching.groups_for, company, actor))
        view = await arun_in(company, watching.view_for, company, actor)
        await self._hear(view.groups)
        return view

    async def _hear(self, allowed: Groups) -> None:
        groups = self._wanted(allowed)
        for group in self._groups - groups:
            await self._layer.group_discard(group, self._channel)
        for group in groups - self._groups:
            await self._layer.group_add(group, self._channel)
        self._groups = groups

    async def until_refused(self, expires_at: Callable[[], float | None]) -> WharfError:
        """Why the connection must end. `expires_at`: seconds since the epoch, None for what does not expire."""
        while True:
            end = expires_at()
            left = RECHECK_SECONDS if end is None else end - time.time()
            await asyncio.sleep(max(0.0, min(left, RECHECK_SECONDS)))
            try:
                await arun_in_public(self._find_caller)
            except WharfError as error:
                return error
            except (DatabaseError, InterfaceError):
                log.warning("rights of a live connection cannot be checked, the database is away")
                await asyncio.sleep(RECHECK_SECONDS)

    async def stop(self) -> None:
        for group in self._groups:
            await self._layer.group_discard(group, self._channel)
        self._groups = frozenset()


class Channel:
    """A channel of the layer for what is no Channels consumer, which has one by itself."""

    def __init__(self, layer: Any, name: str) -> None:
        self.name = name
        self.is_closed = False
        self._layer = layer
        self._receiving: asyncio.Future[Any] | None = None

    @classmethod
    async def open(cls, layer: Any) -> "Channel":
        return cls(layer, await layer.new_channel())

    async def receive(self) -> Any:
        self._receiving = asyncio.ensure_future(self._layer.receive(self.name))
        return await self._receiving

    async def close(self) -> None:
        """A layer lets go of a channel when a `receive` on it is cancelled, and in no other way."""
        self.is_closed = True
        while self._receiving is None or not self._receiving.cancelled():
            if self._receiving is None or self._receiving.done():
                self._receiving = asyncio.ensure_future(self._layer.receive(self.name))
                await asyncio.sleep(0)
            self._receiving.cancel()
            await asyncio.wait([self._receiving])


def language_of(caller: Caller | None, accept_language: str) -> str:
    """The person's own choice, else what the client asks for, else the platform's."""
    if caller is not None and caller.user.language:
        return caller.user.language
    for part in accept_language.split(","):
        code = part.split(";")[0].strip().lower()
        with contextlib.suppress(LookupError):
            return translation.get_supported_language_variant(code)
    return settings.LANGUAGE_CODE
