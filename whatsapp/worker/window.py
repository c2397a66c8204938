"""How many texts may be under way in one session: the more, the quicker WhatsApp answers."""

import time
from collections import deque

from whatsapp.worker import patience


class Window:
    """About what the engine has answered within the last moments, and a few in any case.

    What is under way can neither be taken back nor be overtaken by something more urgent, so it must not be more than
    leaves soon. With fewer under way, on the other hand, each is stored and told nearly alone, which costs more.
    """

    def __init__(self) -> None:
        #: (when, how many); times are monotonic.
        self._answers: deque[tuple[float, int]] = deque()

    def note(self, count: int, *, now: float | None = None) -> None:
        """So many were answered."""
        if count:
            self._answers.append((time.monotonic() if now is None else now, count))

    def size(self, *, now: float | None = None) -> int:
        since = (time.monotonic() if now is None else now) - patience.WINDOW_SECONDS
        while self._answers and self._answers[0][0] < since:
            self._answers.popleft()
        answered = sum(count for _, count in self._answers)
        return min(max(answered, patience.IN_FLIGHT), patience.MOST_IN_FLIGHT)
