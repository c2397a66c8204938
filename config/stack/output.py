"""What the terminal shows: each process's lines behind its name, and whatever is worth a box."""

import os
import sys
import threading
from collections.abc import Sequence
from typing import IO, TextIO

OWN_NAME = "wharf"
_WIDTH = 8
_LONGEST_LINE = 16_384
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 95)


class Output:
    """Lines of many processes on one stream, whole and in colour where people look at it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._coloured = self._stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._lock = threading.Lock()
        self._names: list[str] = [OWN_NAME]
        #: The reader of our lines went away: nobody is left to talk to.
        self.is_closed = False

    def say(self, text: str) -> None:
        self.line(OWN_NAME, text)

    def line(self, name: str, text: str) -> None:
        self._write(f"{self._prefix(name)} {text}\n")

    def box(self, lines: Sequence[str]) -> None:
        width = max(map(len, lines))
        rows = "".join(f"│ {line.ljust(width)} │\n" for line in lines)
        self._write(f"\n┌{'─' * (width + 2)}┐\n{rows}└{'─' * (width + 2)}┘\n\n")

    def follow(self, name: str, stream: IO[bytes]) -> threading.Thread:
        """Show what `stream` brings until it ends."""
        thread = threading.Thread(target=self._pump, args=(name, stream), daemon=True, name=f"output of {name}")
        thread.start()
        return thread

    def _pump(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            while raw := stream.readline(_LONGEST_LINE):
                self.line(name, raw.decode(errors="replace").rstrip("\r\n"))

    def _prefix(self, name: str) -> str:
        plain = f"{name:{_WIDTH}}|"
        if not self._coloured:
            return plain
        if name not in self._names:
            self._names.append(name)
        return f"\033[{_COLOURS[self._names.index(name) % len(_COLOURS)]}m{plain}\033[0m"

    def _write(self, text: str) -> None:
        if self.is_closed:
            return
        try:
            with self._lock:
                self._stream.write(text)
                self._stream.flush()
        except (BrokenPipeError, OSError):
            self.is_closed = True
            # Python would try once more at exit and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
