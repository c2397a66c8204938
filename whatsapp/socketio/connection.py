"""One person's connection to `/whatsapp`: what they hear, what they call, and when it ends.

It listens to the same groups as the WebSocket (`whatsapp.listening`), in the process that holds it. So every process
hears each piece of news once and tells its own connections, however many processes there are, and nothing has to be
spread between Socket.IO servers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone, translation

from accounts.callers import Caller
from accounts.credentials import ends_at
from tenants.context import arun_in_public
from wharf.errors import Kind, WharfError
from wharf.moments import moment
from whatsapp import live, shapes
from whatsapp.listening import Channel, Groups, Listener, language_of
from whatsapp.services.watching import View
from whatsapp.socketio.calls import CALLS, JOIN, LEAVE, Answer, Outcome, TooManyCalls, UnknownEvent, failed, perform
from whatsapp.socketio.events import Events, Teller
from whatsapp.socketio.pace import Pace

log = logging.getLogger("whatsapp.live")

#: What one connection may call: more than a page that opens many chats at once.
CALLS_A_SECOND: Final = 20
CALLS_AT_ONCE: Final = 100

Say = Callable[[str, Any], Awaitable[None]]


class Connection:
    """`say` tells the client an event; `leave` ends the connection; `on_rights` is told when rights have changed."""

    def __init__(
        self,
        sid: str,
        *,
        token: str,
        find_caller: Callable[[], Caller],
        accept_language: str,
        say: Say,
        leave: Callable[[], Awaitable[None]],
        on_rights: Callable[[], None],
    ) -> None:
        self.sid = sid
        self._token = token
        self._find_caller = find_caller
        self._accept_language = accept_language
        self._say = say
        self._leave = leave
        self._on_rights = on_rights
        self._teller = Teller(aliases=settings.SOCKETIO_ALIASES)
        self._pace = Pace(rate=CALLS_A_SECOND, burst=CALLS_AT_ONCE)
        #: News and joining take turns, so that what is replayed is not told again.
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- its life ------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Raises WharfError for who may not; nothing is heard before `begin`."""
        layer = get_channel_layer()
        self._channel = await Channel.open(layer)
        self._listener = Listener(layer, self._channel.name, self._find_caller, self._wanted)
        try:
            await self._listener.identify()
            await self._greet()
        except BaseException:
            await self._stop_listening()
            raise

    @property
    def caller(self) -> Caller:
        assert self._listener.caller is not None
        return self._listener.caller

    def begin(self) -> None:
        self._start(self._greet_and_listen())
        self._start(self._watch_the_clock())

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a Socket.IO connection failed")
            await self._leave()

    async def close(self) -> None:
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._stop_listening()

    async def _stop_listening(self) -> None:
        try:
            await self._listener.stop()
            await self._channel.close()
        except Exception:
            # Whatever the layer's server has forgotten by then is forgotten.
            log.warning("a Socket.IO connection could not say good-bye to the live layer", exc_info=True)

    async def _greet_and_listen(self) -> None:
        user, company = self.caller.user, self.caller.company
        # An operator who is no member has an admin's rights, and the older clients know no third role.
        who = {"email": user.email, "role": self.caller.actor.role or "admin", "companyId": company.pk}
        greeting = {"status": "connected", "socketId": self.sid, "user": who, "timestamp": moment(timezone.now())}
        await self._say("connection-confirmed", greeting)
        while not self._channel.is_closed:
            message = await self._channel.receive()
            async with self._turn:
                for news in message["news"]:
                    await self._hear(news["kind"], news["payload"])

    async def _watch_the_clock(self) -> None:
        await self._refuse(await self._listener.until_refused(lambda: ends_at(self._token)))

    async def _refuse(self, error: WharfError) -> None:
        answer = failed(error, self._language())
        await self._say("error", {"message": answer["message"], "error": answer["code"]})
        await self._leave()

    def _language(self) -> str:
        return language_of(self._listener.caller, self._accept_language)

    # -- what it hears -------------------------------------------------------------------------------------------
    def _wanted(self, allowed: Groups) -> Groups:
        """Messages only of the sessions it has joined; how sessions are, and codes, of all that it may."""
        company = self.caller.company
        all_chats = live.chats_group(company, "")
        joined = {live.chats_group(company, session_id) for session_id in self._teller.joined}
        return frozenset(group for group in allowed if not group.startswith(all_chats) or group in joined)

    async def _tune(self) -> View:
        view = await self._listener.tune()
        company = self.caller.company
        shown = {session["id"] for session in view.sessions}
        self._teller.joined &= {each for each in shown if live.chats_group(company, each) in view.groups}
        self._teller.linkable = frozenset(challenge["sessionId"] for challenge in view.challenges)
        self._teller.forget(shown)
        return view

    async def _greet(self) -> None:
        """The connection begins: it asks for what it wants to know, and hears what changes from here on."""
        for session in (await self._tune()).sessions:
            self._teller.knows(session)

    async def _catch_up(self) -> None:
        """A session that comes into sight may have changed before anybody could listen to it."""
        view = await self._tune()
        challenges = {challenge["sessionId"]: challenge for challenge in view.challenges}
        for session in view.sessions:
            await self._tell(self._teller.appeared(session, challenges.get(session["id"])))

    async def _hear(self, kind: str, payload: shapes.Shape) -> None:
        if kind in ("access.changed", "session.created"):
            try:
                await self._listener.identify()
            except WharfError as error:
                await self._refuse(error)
                return
            await self._catch_up()
        if kind == "access.changed":
            self._on_rights()
            await self._tell(self._teller.rights(payload, self.caller.user))
        else:
            await self._tell(self._teller.tell(kind, payload))

    async def _tell(self, events: Events) -> None:
        with translation.override(self._language()):
            told = list(events)
        for event, content in told:
            await self._say(event, content)

    # -- what it calls -------------------------------------------------------------------------------------------
    async def answer(self, event: str, payload: object) -> Answer | None:
        """The acknowledgement of any event that a client may send; every one gets one."""
        if not self._pace.allows():
            return failed(TooManyCalls(), self._language())
        if event == "ping":
            await self._say("pong", {"timestamp": moment(timezone.now())})
            return None
        if event not in CALLS:
            return failed(UnknownEvent(), self._language())
        outcome = await self._perform(event, payload)
        if isinstance(outcome.error, WharfError) and outcome.error.kind == Kind.UNAUTHENTICATED:
            # After the answer, or the client would never have it.
            self._start(self._refuse(outcome.error))
        elif not outcome.error and event in (JOIN, LEAVE):
            await self._turn_to(outcome.session_id, joins=event == JOIN)
        return outcome.answer

    async def _perform(self, event: str, payload: object) -> Outcome:
        call = partial(perform, CALLS[event], payload, self._find_caller, self._accept_language)
        return await arun_in_public(call)

    async def _turn_to(self, session_id: str, *, joins: bool) -> None:
        async with self._turn:
            self._teller.joined.add(session_id) if joins else self._teller.joined.discard(session_id)
            view = await self._tune()
            if session_id in self._teller.joined:
                session = next(each for each in view.sessions if each["id"] == session_id)
                challenge = next((each for each in view.challenges if each["sessionId"] == session_id), None)
                await self._tell(self._teller.replay(session, challenge))
