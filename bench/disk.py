"""How this machine's disk answers, for nothing that is stored for good can be quicker than it."""

import os
import threading
import time
from pathlib import Path

#: About what the log of PostgreSQL grows by with one message, and how often that happens at five messages a second.
BLOCK = bytes(16 * 1024)
EVERY = 0.2


class Disk:
    """Writes a block into a file and waits until the disk has it, again and again until `stop`."""

    def __init__(self, folder: Path) -> None:
        self._path, self._is_over = folder / "disk.probe", threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        #: Seconds each.
        self.answers: list[float] = []

    def start(self) -> "Disk":
        self._thread.start()
        return self

    def stop(self) -> list[float]:
        self._is_over.set()
        self._thread.join()
        return self.answers

    def _write(self) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(file, bytes(1024 * 1024), 0)
        os.fsync(file)
        while not self._is_over.wait(EVERY):
            began = time.monotonic()
            os.pwrite(file, BLOCK, len(self.answers) % 64 * len(BLOCK))
            os.fdatasync(file)
            self.answers.append(time.monotonic() - began)
        os.close(file)
