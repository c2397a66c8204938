"""How much one connection may ask in a while."""

import time


class Pace:
    """`burst` at once, `rate` a second for ever."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._left = burst
        self._at = time.monotonic()

    def allows(self) -> bool:
        """Counts this one, if it is within the pace."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
