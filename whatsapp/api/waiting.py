"""Answers that are worth a short wait: the request holds no database connection meanwhile."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import connection

T = TypeVar("T")

LOOK_SECONDS: Final = 0.1


def wait_for(look: Callable[[], T | None], *, seconds: float) -> T | None:
    """What `look` finds, asked again and again; None when it finds nothing in time."""
    end = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < end:
        if not connection.in_atomic_block:
            # Back to the pool: others need it more than somebody who waits.
            connection.close()
        time.sleep(LOOK_SECONDS)
    return found
