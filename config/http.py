"""HTTP for Django: each request is one piece of work in one thread.

Django's own handler leaves the event loop for a thread of the request's own and comes back for each signal, for the
chain of middleware, for the view and for the end. Ours are all synchronous: that was a third of what a request cost.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Final, TypeVar

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

R = TypeVar("R")

#: A request that waits for news holds one. They are made when they are needed, and each is used again.
MAX_THREADS: Final = 512


class OneThread(ASGIHandler):
    """Django's handler for requests, with synchronous middleware and views."""

    def __init__(self) -> None:
        super(ASGIHandler, self).__init__()
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="request")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            try:
                response = await self._in_thread(self._answer, scope, body)
            except asyncio.CancelledError:
                # The server stops, and does not wait any longer for those who wait for news. Of what changes something
                # nobody knows yet whether it was done: that is not to be said again.
                if scope["method"] != "GET":
                    raise
                response = HttpResponse(status=503, headers={"Retry-After": "1"})
            await (self._stream(response, receive, send) if response.streaming else self.send_response(response, send))

    async def _in_thread(self, function: Callable[..., R], *arguments: Any) -> R:
        call: Callable[[], R] = partial(copy_context().run, function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _answer(self, scope: Any, body: Any) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=self.__class__, scope=scope)
        response = self._response_to(*self.create_request(scope, body))
        if response.streaming:
            close_old_connections()
        else:
            # The request's connection goes back to the pool from the thread that has it.
            response.close()
        return response

    def _response_to(self, request: HttpRequest | None, refused: HttpResponseBase | None) -> HttpResponseBase:
        if request is None:
            assert refused is not None
            return refused
        return self.get_response(request)

    async def _stream(self, response: HttpResponseBase, receive: Any, send: Any) -> None:
        """Until it is sent, or whoever asked has gone."""
        try:
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self.listen_for_disconnect(receive))
                await self.send_response(response, send)
                listening.cancel()
        except* RequestAborted:
            pass
        finally:
            await self._in_thread(response.close)
