"""Chromium over the real site: a server for the test's database, and people who look at its pages.

`Site.serve()` is uvicorn with `config.asgi` in a thread, on a free port of this machine. `Browsers.open(site)` starts
Chromium; `browsers.person()` is somebody with cookies of their own. Every console message and policy violation is
kept, and closing the browsers fails when there was one.

Playwright keeps a loop in the test's thread, where Django then refuses its database: `aside(...)` calls a function in
another one. Chromium is started once, and lent to one test after another; each has contexts of its own.
"""

import asyncio
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, ParamSpec, TypeVar

import pytest
import uvicorn
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from config.stack.plan import FRAMES
from tests.people import Person
from tests.waiting import eventually

P = ParamSpec("P")
T = TypeVar("T")

CHROMIUM: Final = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH")

DESKTOP: Final = (1280, 800)
PHONE: Final = (360, 740)


def aside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread without a loop, and give its database connection back."""

    def call() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


class Site:
    """The served site."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        options: dict[str, Any] = {"log_level": "warning", "access_log": False, "timeout_graceful_shutdown": 3}
        self._server = uvicorn.Server(uvicorn.Config("config.asgi:application", ws=FRAMES, **options))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="site", daemon=True)

    @classmethod
    @contextmanager
    def serve(cls) -> Iterator["Site"]:
        site = cls()
        site._thread.start()
        try:
            eventually(lambda: site._server.started, what="the site is served")
            yield site
        finally:
            site._server.should_exit = True
            site._thread.join(20)
            site._socket.close()


class SharedChromium:
    """Starting it and Playwright's own program takes more than most tests.

    While it is lent to nobody, Playwright's loop is put aside: it never ends, and no other loop may run beside it.
    """

    def __init__(self) -> None:
        self._until_closed = ExitStack()
        self._chromium: Browser | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hooks = sys.get_asyncgen_hooks()

    @contextmanager
    def lent(self) -> Iterator[Browser]:
        outside = sys.get_asyncgen_hooks()
        self._resume()
        try:
            yield self._chromium or self._start()
        finally:
            self._loop, self._hooks = asyncio.get_running_loop(), sys.get_asyncgen_hooks()
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*outside)

    def _start(self) -> Browser:
        playwright = self._until_closed.enter_context(sync_playwright())
        self._chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        self._until_closed.callback(self._chromium.close)
        return self._chromium

    def _resume(self) -> None:
        if self._loop is not None:
            asyncio._set_running_loop(self._loop)
            sys.set_asyncgen_hooks(*self._hooks)

    def close(self) -> None:
        self._resume()
        self._until_closed.close()


@dataclass
class Browsers:
    """Chromium starts when somebody opens a page: until then, fixtures may use the database."""

    site: Site
    _shared: "SharedChromium"
    _until_closed: ExitStack
    complaints: list[str] = field(default_factory=list)
    #: What the test itself provokes, and therefore no complaint.
    expected: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def open(cls, site: Site, shared: "SharedChromium") -> Iterator["Browsers"]:
        with ExitStack() as until_closed:
            browsers = cls(site, shared, until_closed)
            yield browsers
        assert browsers.complaints == [], browsers.complaints

    @cached_property
    def chromium(self) -> Browser:
        return self._until_closed.enter_context(self._shared.lent())

    def context(self, *, size: tuple[int, int] = DESKTOP, language: str = "en-US", **more: Any) -> BrowserContext:
        width, height = size
        context = self.chromium.new_context(
            base_url=self.site.url, viewport={"width": width, "height": height}, locale=language, **more
        )
        context.set_default_timeout(20_000)
        self._until_closed.callback(context.close)
        return context

    def page(self, context: BrowserContext | None = None, **options: Any) -> Page:
        page = (context or self.context(**options)).new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        return page

    def logged_in(self, person: Person, **options: Any) -> Page:
        """Somebody who has logged in by the form, at the list of numbers."""
        page = self.page(**options)
        log_in(page, person)
        return page

    def _heard(self, said: ConsoleMessage) -> None:
        is_bad = said.type in ("error", "warning") and not any(text in said.text for text in self.expected)
        if is_bad:
            self.complaints.append(f"{said.location.get('url', '')}: {said.text}")


def log_in(page: Page, person: Person) -> None:
    page.goto("/login")
    page.locator("input[name=email]").fill(person.user.email)
    page.locator("input[name=password]").fill(person.password)
    page.locator("form.gate-form button").click()
    page.wait_for_url("**/")


def becomes(page: Page, fact: Callable[[], Any]) -> None:
    """Wait without keeping the browser from telling what happens."""
    end = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < end
        page.wait_for_timeout(20)


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def fits(page: Page) -> bool:
    """On a phone and on a desk."""
    return all(_overflow_at(page, size) <= 0 for size in (PHONE, DESKTOP))


def _overflow_at(page: Page, size: tuple[int, int]) -> int:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    return overflow(page)
