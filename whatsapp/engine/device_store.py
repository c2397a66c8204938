"""One session's folder: the device store that the engine keeps in it, the journal, and the lock of whoever uses them.

The store is SQLite and the engine's own; it is only read here, never written (docs/architecture.md, device store).
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEVICE_FILE: Final = "device.db"
JOURNAL_FILE: Final = "journal.db"
LOCK_FILE: Final = "lock"
#: Names the disk that a state folder is on, for ever; written by its first worker.
DISK_FILE: Final = "store-id"
#: How neonize is told to open its file. It appends options of its own, which the last, empty one swallows.
OPTIONS: Final = "?_foreign_keys=on&_journal_mode=WAL&_busy_timeout=5000&_synchronous=NORMAL&z="


@dataclass(frozen=True)
class StoredDevice:
    """The linked device in a store. `jid` is `number:device@s.whatsapp.net`, `lid` the hidden identity's digits."""

    jid: str
    lid: str = ""
    push_name: str = ""

    @property
    def phone(self) -> str:
        return self.jid.partition("@")[0].partition(":")[0]


@dataclass(frozen=True)
class Secret:
    """That the engine has decrypted a message, or was about to send it: the JIDs and the id that it has there."""

    chat: str
    sender: str
    wa_id: str
    key: bytes

    @property
    def name(self) -> str:
        return message_name(self.chat, self.sender, self.wa_id)

    @property
    def ours(self) -> str:
        return secret_name(self.key)


class FolderInUse(Exception):
    """Another process of this machine holds the session."""


def disk_of(state_dir: Path) -> str:
    """The name of the disk that the state folder is on, "" before a worker has run there."""
    path = state_dir / DISK_FILE
    return path.read_text().strip() if path.exists() else ""


def folder_of(state_dir: Path, session_id: str) -> Path:
    """Where the session's folder is, or would be."""
    return state_dir / "sessions" / session_id


def make_folder(state_dir: Path, session_id: str) -> Path:
    """The session's folder, made private if it is new."""
    folder = folder_of(state_dir, session_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def engine_path(folder: Path) -> str:
    return f"{folder / DEVICE_FILE}{OPTIONS}"


def stored_device(folder: Path) -> StoredDevice | None:
    """The device linked in this folder, or None: never linked, unlinked, or no store at all.

    Never to be called in a process whose engine has this store open (`engine.evidence` says why). Raises sqlite3.Error
    when the store cannot be read now.
    """
    row = _one(folder, "SELECT jid, coalesce(lid, ''), coalesce(push_name, '') FROM whatsmeow_device LIMIT 1")
    if row is None:
        return None
    jid, lid, push_name = (str(value) for value in row)
    return StoredDevice(jid=jid, lid=lid.partition("@")[0].partition(":")[0], push_name=push_name)


def sent_id(folder: Path, secret: bytes) -> str:
    """WhatsApp's id of the message that carried `secret`, or "" if none was ever about to leave.

    whatsmeow stores the secret of each outgoing message before it encrypts and sends it. Where it may be called is as
    with `stored_device`. Raises sqlite3.Error.
    """
    row = _one(folder, "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ?", secret)
    return str(row[0]) if row else ""


def message_name(chat: str, sender: str, wa_id: str) -> str:
    """What tells a message from all others of a session."""
    return f"{chat} {sender} {wa_id}"


def secret_name(key: bytes) -> str:
    """What tells a message of ours whose id nobody knows yet."""
    return key.hex()


def last_place(folder: Path) -> int:
    """Secrets are numbered as they come; the last one's number, 0 without any. Raises as `stored_device`."""
    row = _one(folder, "SELECT max(rowid) FROM whatsmeow_message_secrets")
    return int(str(row[0])) if row and row[0] is not None else 0


def secrets_after(folder: Path, place: int) -> list[Secret]:
    """What came after that number, in order. Where it may be called, and what it raises, is as with `stored_device`."""
    query = "SELECT chat_jid, sender_jid, message_id, key FROM whatsmeow_message_secrets WHERE rowid > ? ORDER BY rowid"
    return [Secret(str(chat), str(sender), str(wa_id), key) for chat, sender, wa_id, key in _all(folder, query, place)]


def other_address(folder: Path, jid: str) -> str:
    """The phone number of a hidden identity, as a JID, as far as the engine has learnt it; else ""."""
    user, _, server = jid.partition("@")
    row = _one(folder, "SELECT pn FROM whatsmeow_lid_map WHERE lid = ?", user) if server == "lid" else None
    return f"{row[0]}@s.whatsapp.net" if row else ""


def marks(folder: Path) -> tuple[tuple[int, int], ...]:
    """Changes whenever the engine has written to the store, and costs no look into it."""
    stats = [path.stat() for path in _store_files(folder) if path.exists()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


def _store_files(folder: Path) -> tuple[Path, Path]:
    return (folder / DEVICE_FILE, folder / f"{DEVICE_FILE}-wal")


def last_written(folder: Path) -> float:
    """When the engine last wrote to the store (seconds since the epoch)."""
    return max((path.stat().st_mtime for path in _store_files(folder) if path.exists()), default=0.0)


def _one(folder: Path, query: str, *args: object) -> tuple[object, ...] | None:
    return next(iter(_all(folder, query, *args)), None)


def _all(folder: Path, query: str, *args: object) -> list[tuple[Any, ...]]:
    path = folder / DEVICE_FILE
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(query, args).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            # Busy, or a disk that fails: "nothing is linked" or "nothing was sent" would be wrong answers.
            raise
        # The engine makes its tables at the first connect.
        return []


def erase(folder: Path) -> None:
    """Remove the device store of an unlinked session. Only ever called on a person's order to unlink."""
    for name in (DEVICE_FILE, f"{DEVICE_FILE}-wal", f"{DEVICE_FILE}-shm"):
        (folder / name).unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock goes with the process, however it ends. Raises FolderInUse."""
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(str(folder)) from error
        yield
    finally:
        os.close(descriptor)
