"""Whether this process has been asked to end. Who only waits for news then answers with what there is."""

import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_is_asked = threading.Event()


def is_near() -> bool:
    return _is_asked.is_set()


def listen() -> None:
    """Note the signals that end a server, beside what the server itself makes of them.

    To be called when its handlers are set. Only the main thread hears signals: a server in another one ends otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if callable(heard_by := signal.getsignal(number)):
            signal.signal(number, partial(_note, heard_by))


def _note(heard_by: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None) -> None:
    _is_asked.set()
    heard_by(number, frame)
