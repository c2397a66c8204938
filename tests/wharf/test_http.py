"""Requests on their way through the server's handler, as a server passes them on: each in one thread, and nothing of
one in the next."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished, request_started
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.http import OneThread
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.django_db(transaction=True)

word: ContextVar[str] = ContextVar("word", default="nothing")
#: A streamed answer that has ended, however it did.
ended: list[str] = []


def where(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone()
    return HttpResponse(f"{threading.get_ident()} {schema}")


def last_word(request: HttpRequest) -> HttpResponse:
    before = word.get()
    word.set(request.GET["say"])
    return HttpResponse(before)


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


def breaks(request: HttpRequest) -> HttpResponse:
    connection.ensure_connection()
    raise ImproperlyConfigured


def numbers(request: HttpRequest) -> StreamingHttpResponse:
    connection.ensure_connection()
    return StreamingHttpResponse(_counted(int(request.GET["to"])))


async def _counted(last: int) -> AsyncIterator[str]:
    try:
        for number in range(last):
            yield f"{number}\n"
            await asyncio.sleep(0)
    finally:
        ended.append(f"to {last}")


urlpatterns = [path(f"{view.__name__}/", view) for view in (where, last_word, echo, breaks, numbers)]


@pytest.fixture
def http(settings: Any) -> OneThread:
    settings.ROOT_URLCONF = __name__
    ended.clear()
    return OneThread()


@pytest.fixture
async def client(http: OneThread) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(http, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened


@pytest.fixture
def threads_of_signals() -> Iterator[set[int]]:
    """Where Django was told that a request starts and ends: there it opens and closes connections."""
    seen: set[int] = set()

    def note(**kwargs: Any) -> None:
        seen.add(threading.get_ident())

    for signal in (request_started, request_finished):
        signal.connect(note)
    yield seen
    for signal in (request_started, request_finished):
        signal.disconnect(note)


def in_use() -> int:
    """Connections that the pool has given away, or is just making."""
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    return int(stats["pool_size"] - stats["pool_available"])


def in_use_at_rest() -> int:
    eventually(lambda: not connection.pool._growing, what="none is in the making")  # type: ignore[attr-defined]
    return in_use()


async def asking(http: OneThread, path: str, query: bytes = b"") -> Any:
    """A server's end of a request that has come whole."""
    caller: Any = ApplicationCommunicator(http, scope(path, query))  # type: ignore[no-untyped-call]
    await caller.send_input({"type": "http.request", "body": b""})
    return caller


async def over(caller: Any) -> None:
    """Its `wait` ends what does not."""
    await asyncio.wait_for(asyncio.shield(caller.future), PATIENCE)


def scope(path: str, query: bytes = b"") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"testserver")],
    }


async def test_a_request_begins_is_answered_and_ends_in_one_thread(
    client: httpx.AsyncClient, threads_of_signals: set[int]
) -> None:
    thread, schema = (await client.get("/where/")).text.split()

    assert threads_of_signals == {int(thread)}
    assert int(thread) != threading.get_ident()
    assert schema == "public"


async def test_its_connection_is_back_in_the_pool_when_it_is_answered(client: httpx.AsyncClient) -> None:
    before = in_use_at_rest()

    for _ in range(5):
        await client.get("/where/")
        eventually(lambda: in_use() == before, what="nobody holds it")


async def test_what_fails_is_answered_and_gives_its_connection_back(client: httpx.AsyncClient) -> None:
    before = in_use_at_rest()

    assert (await client.get("/breaks/")).status_code == 500

    eventually(lambda: in_use() == before, what="nobody holds it")


async def test_what_one_says_of_itself_is_not_said_of_the_next_in_the_same_thread(client: httpx.AsyncClient) -> None:
    for said in ("one", "two"):
        assert (await client.get(f"/last_word/?say={said}")).text == "nothing"


async def test_requests_do_not_wait_for_each_other(client: httpx.AsyncClient) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet(request: HttpRequest) -> HttpResponse:
        both.wait()
        return HttpResponse(str(threading.get_ident()))

    urlpatterns.append(path("meet/", meet))
    try:
        answers = await asyncio.gather(client.get("/meet/"), client.get("/meet/"))
    finally:
        urlpatterns.pop()

    assert len({answer.text for answer in answers}) == 2


async def test_a_body_comes_whole(client: httpx.AsyncClient) -> None:
    body = b"x" * 1_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    assert (await client.put("/echo/", content=pieces())).content == b"x" * 1_000_000


async def test_who_leaves_while_the_body_comes_is_not_answered(http: OneThread, threads_of_signals: set[int]) -> None:
    caller: Any = ApplicationCommunicator(http, scope("/echo/"))  # type: ignore[no-untyped-call]
    await caller.send_input({"type": "http.request", "body": b"hal", "more_body": True})
    await caller.send_input({"type": "http.disconnect"})
    await caller.wait(PATIENCE)

    assert caller.output_queue.empty()
    assert not threads_of_signals


async def test_what_cannot_be_read_is_a_bad_request(http: OneThread) -> None:
    caller = await asking(http, "/echo/", b"\xff")

    assert (await caller.receive_output(PATIENCE))["status"] == 400


async def test_who_waits_when_the_server_stops_is_told_to_come_again(http: OneThread) -> None:
    waiting, may_go_on = threading.Event(), threading.Event()

    def wait(request: HttpRequest) -> HttpResponse:
        waiting.set()
        may_go_on.wait(PATIENCE)
        return HttpResponse()

    urlpatterns.append(path("wait/", wait))
    try:
        caller = await asking(http, "/wait/")
        await asyncio.to_thread(waiting.wait, PATIENCE)

        caller.future.cancel()

        start = await caller.receive_output(PATIENCE)
        assert (start["status"], dict(start["headers"])[b"Retry-After"]) == (503, b"1")
    finally:
        may_go_on.set()
        urlpatterns.pop()


async def test_a_streamed_answer_comes_whole(http: OneThread) -> None:
    caller = await asking(http, "/numbers/", b"to=500")

    text, more = b"", True
    while more:
        part = await caller.receive_output(PATIENCE)
        text += part.get("body", b"")
        more = part["type"] == "http.response.start" or part.get("more_body", False)
    await over(caller)

    assert text.decode() == "".join(f"{number}\n" for number in range(500))
    assert ended == ["to 500"]


async def test_a_streamed_answer_holds_no_connection_and_ends_when_its_reader_leaves(http: OneThread) -> None:
    before = in_use_at_rest()
    caller = await asking(http, "/numbers/", b"to=1000000000")
    for _ in range(3):
        await caller.receive_output(PATIENCE)
    eventually(lambda: in_use() == before, what="nobody holds it")

    await caller.send_input({"type": "http.disconnect"})
    await over(caller)

    assert ended == ["to 1000000000"]
