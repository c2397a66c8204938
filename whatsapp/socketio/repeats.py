"""Calls that a client says again although they were answered.

The way of connecting that the older system documents (seed contract 2.6) has `retries: 3` and no `ackTimeout`. With
these, socket.io-client 4 takes the first argument of an acknowledgement for an error, whatever it is: it sends each
event four times, each as soon as the one before was answered, and then hands the answer over. A text would reach the
customer four times. So what is said again at once is answered again, and not done again.

Whether a client is of this kind shows with the first thing it says: such a one repeats it, others do not, and what
those say twice is done twice. What was refused tells nothing: everybody may try that again, and it did nothing, so it
is asked anew each time.
"""

import time
from typing import Final

#: A repetition comes as soon as the answer has reached the client: longer than that is something new.
AT_ONCE_SECONDS: Final = 2.0
DOCUMENTED_RETRIES: Final = 3
#: How an acknowledgement begins that says no (`calls`).
REFUSED: Final = '[{"success":false'
#: Who says the same more often than this is asking, not retrying.
MAX_RETRIES: Final = 10


class Repeats:
    """Of one connection. A call is its frame without its number."""

    def __init__(self) -> None:
        self._call = ""
        self._number = ""
        self._answer: str | None = None
        self._answered_at = 0.0
        self._times = 0
        self._retries: int | None = None
        self._refused = ""

    def answered(self, number: str, answer: str) -> None:
        """`answer` is the acknowledgement's JSON: a list of what it was called with."""
        if number != self._number:
            return
        if answer.startswith(REFUSED):
            self._refused = self._call
        else:
            self._answer, self._answered_at = answer, time.monotonic()

    def forget(self) -> None:
        """Rights have changed: what was answered before would not be answered now."""
        self._answer = None

    def known_answer(self, call: str, number: str) -> str | None:
        """What was answered to this call, if this is the same one said again; None for one that is to be done."""
        if not self._is_again(call):
            self._learn()
            self._times = 0
        else:
            self._times += 1
            if self._times % (1 + (DOCUMENTED_RETRIES if self._retries is None else self._retries)):
                self._answered_at = time.monotonic()
                return self._answer
        self._call, self._number, self._answer = call, number, None
        return None

    def _is_again(self, call: str) -> bool:
        at_once = time.monotonic() - self._answered_at < AT_ONCE_SECONDS
        return call == self._call and self._answer is not None and at_once

    def _learn(self) -> None:
        if self._call not in ("", self._refused) and self._retries is None:
            self._retries = self._times if self._times <= MAX_RETRIES else 0
