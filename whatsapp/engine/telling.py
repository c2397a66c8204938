"""When a host tells what is new of a session: at once, but in a flood of texts what answers these once a second.

Each set that the worker stores costs it and the database as much as many more texts in it, and whoever sends hundreds
does not look at one. What anybody else says is never held back, nor is anything when few texts are left to send.
"""

import math
from typing import Final

#: So many texts that wait to leave are a flood.
MANY: Final = 5
#: So long an answer waits then, at most.
ANSWERS_SECONDS: Final = 1.0


class Telling:
    """Of one session. Each count has one writer, so that threads need no lock; times are monotonic."""

    def __init__(self) -> None:
        self._ordered = self._done = 0
        self._is_urgent = False
        self._told_at = -math.inf

    def note_ordered(self) -> None:
        """One more is to be sent."""
        self._ordered += 1

    def note_done(self) -> None:
        """One of them has been answered."""
        self._done += 1

    def note_news(self, *, is_answer: bool) -> None:
        """Something is in the journal; `is_answer`: it is about texts that we sent."""
        if not is_answer:
            self._is_urgent = True

    def begin(self, now: float) -> None:
        """All that there is will be told now. Call it before the journal is read."""
        self._is_urgent, self._told_at = False, now

    def due(self) -> float:
        """When it is to be told."""
        is_flood = self._ordered - self._done >= MANY
        return self._told_at + ANSWERS_SECONDS if is_flood and not self._is_urgent else -math.inf
