"""Output that is shown again and again: one picture over the other on a terminal, one after another elsewhere."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, Self

from django.db import close_old_connections

_HOME: Final = "\x1b[H"
_CLEAR_LINE_END: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_CLEAR_ALL: Final = "\x1b[2J"


class Screen(Protocol):
    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...

    def isatty(self) -> bool: ...


def show_again(picture: Callable[[], str], screen: Screen, *, every: float) -> None:
    """Show `picture()` every so many seconds until Ctrl-C.

    A terminal is written over in one go, so that nothing flickers; a pipe or a file gets no control characters.
    """
    is_terminal = screen.isatty()
    if is_terminal:
        screen.write(_CLEAR_ALL)
    with suppress(KeyboardInterrupt), _CtrlC() as ctrl_c:
        while not ctrl_c.has_come:
            text = picture()
            # Connections are not kept over the pause: the database may be another one by then.
            close_old_connections()
            screen.write(over_the_last(text) if is_terminal else f"{text}\n")
            screen.flush()
            ctrl_c.pause(every)


class _CtrlC:
    """It ends a pause at once, and a look when that is through; the second one ends that, too.

    Raised anywhere, it may come where exceptions are swallowed (while an object is being deleted), and be lost.
    """

    def __init__(self) -> None:
        self.has_come = self._is_pausing = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._heed)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _heed(self, *_: object) -> None:
        if self.has_come or self._is_pausing:
            raise KeyboardInterrupt
        self.has_come = True

    def pause(self, seconds: float) -> None:
        self._is_pausing = True
        try:
            if not self.has_come:
                time.sleep(seconds)
        finally:
            self._is_pausing = False


def over_the_last(text: str) -> str:
    """`text` from the upper left corner on, with nothing of what stood there before."""
    return _HOME + "".join(f"{line}{_CLEAR_LINE_END}\n" for line in text.splitlines()) + _CLEAR_BELOW
