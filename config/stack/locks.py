"""One holder a folder: the lock goes with its holder, however that ends, and names it while it lives."""

import fcntl
import os
from pathlib import Path

from config.stack.errors import AlreadyRunning
from config.stack.processes import is_alive, wait_until


class FolderLock:
    """An exclusive lock on a folder; a watchdog that inherits `descriptor` holds it after its holder died."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self.descriptor = -1

    def take(self, patience: float = 30) -> None:
        """Take the lock or raise AlreadyRunning; waits only while a dead holder's remains are cleared."""
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._try() and not (not self._holder_lives() and wait_until(self._try, patience)):
            holder = self._holder()
            self.release()
            raise AlreadyRunning(f"Wharf already runs from this folder as process {holder}; stop that first.")
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int:
        try:
            return int(os.pread(self.descriptor, 32, 0))
        except ValueError:
            return 0

    def _holder_lives(self) -> bool:
        # Between locking and writing its number a holder is nobody for an instant: taken for alive.
        return self._holder() == 0 or is_alive(self._holder())
