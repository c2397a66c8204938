"""Waiting for a condition, so that no test sleeps for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Long enough for a loaded machine; a test that needs it all is broken anyway.
PATIENCE = 30.0


def eventually(look: Callable[[], T | None], *, within: float = PATIENCE, what: str = "") -> T:
    """The first true thing that `look` returns. Fails when none came in time."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true within {within:.0f} s: {what or look}; last seen: {seen!r}")
        time.sleep(0.02)
