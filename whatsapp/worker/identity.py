"""Which disk a worker is on, and which of the workers on it: names that only one living process can hold."""

import contextlib
import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wharf.ids import new_id
from whatsapp.engine import device_store

MAX_WORKERS: Final = 64


@dataclass(frozen=True)
class Identity:
    """`store_id` names the state folder's disk, `name` this process among all workers. Held until the process ends."""

    store_id: str
    name: str
    _lock: int

    def give_back(self) -> None:
        """Let another worker of this process have the name; the end of the process does it too."""
        os.close(self._lock)


def take_identity(state_dir: Path) -> Identity:
    """Take the first free name of this state folder. Raises OSError if the folder cannot be used."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    state_dir.chmod(0o700)
    store_id = _store_id(state_dir / device_store.DISK_FILE)
    for slot in range(MAX_WORKERS):
        lock = os.open(state_dir / f"worker-{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return Identity(store_id, f"{socket.gethostname()}/{store_id[-6:]}/{slot}", lock)
    raise OSError(f"{MAX_WORKERS} workers already share {state_dir}")


def _store_id(path: Path) -> str:
    """Written once, and never to be seen half written; the same for every worker that ever uses this folder."""
    if not path.exists():
        draft = path.with_name(f".store-id-{new_id()}")
        draft.write_text(new_id())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()
