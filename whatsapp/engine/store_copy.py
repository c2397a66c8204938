"""Whole copies of a session's device store: taken while the engine writes, looked into, and put in its place.

For any process but the one in which an engine has the store open (docs/engine.md: two SQLites in one process).
"""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from whatsapp.engine.device_store import DEVICE_FILE, StoredDevice

#: A store that is being put in place; complete before it takes its name.
DRAFT_PREFIX: Final = f".{DEVICE_FILE}-draft-"
#: Stores that could not be read, or are from an earlier time, and had to give way are kept under such a name.
ASIDE_PREFIX: Final = f"{DEVICE_FILE}-aside-"
_SIDE_FILES: Final = (f"{DEVICE_FILE}-wal", f"{DEVICE_FILE}-shm")
#: Bytes 18 and 19 of SQLite's header: 1 for a file that stands alone, 2 for one with a WAL beside it
#: (https://sqlite.org/fileformat.html#file_format_version_numbers). The engine asks for WAL by itself when it opens it.
_MODE: Final = slice(18, 20)
_ALONE: Final = b"\x01\x01"
#: What a device cannot log in or decrypt without.
_KEYS: Final = ("noise_key", "identity_key", "signed_pre_key")
_KEY_BYTES: Final = 32


class StoreDamaged(Exception):
    """This is no whole device store with a linked device in it; the text says what is missing."""


class StoreEmpty(StoreDamaged):
    """A sound store in which no device is linked (any more)."""


def take(folder: Path) -> bytes | None:
    """The store as it is at one moment, everything that is still in its WAL included; None when there is none.

    A running engine is not held up: readers and the writer of a WAL do not wait for each other. Raises sqlite3.Error.
    """
    path = folder / DEVICE_FILE
    if not path.exists():
        return None
    with closing(_read_only(path)) as store, closing(sqlite3.connect(":memory:")) as copy:
        store.backup(copy)
        content = bytearray(copy.serialize())
    if content:
        content[_MODE] = _ALONE
    return bytes(content)


def examine(content: bytes) -> StoredDevice:
    """The linked device in a copy, after every page of it was read. Raises StoreDamaged."""
    if not content:
        raise StoreEmpty("it is empty")
    try:
        with closing(sqlite3.connect(":memory:")) as copy:
            copy.deserialize(content)
            return _device(copy)
    except sqlite3.Error as error:
        raise StoreDamaged(str(error)) from error


def _device(copy: sqlite3.Connection) -> StoredDevice:
    if (verdict := copy.execute("PRAGMA integrity_check(1)").fetchone()) != ("ok",):
        raise StoreDamaged(str(verdict[0]))
    if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'whatsmeow_device'").fetchone():
        raise StoreEmpty("no device is linked in it")
    keys = ", ".join(f"coalesce(length({key}), 0)" for key in _KEYS)
    query = f"SELECT jid, coalesce(lid, ''), coalesce(push_name, ''), {keys} FROM whatsmeow_device"  # noqa: S608
    rows = copy.execute(query).fetchall()
    if not rows:
        raise StoreEmpty("no device is linked in it")
    if len(rows) > 1:
        raise StoreDamaged("several linked devices")
    jid, lid, push_name, *lengths = rows[0]
    if missing := [key for key, length in zip(_KEYS, lengths, strict=True) if length != _KEY_BYTES]:
        raise StoreDamaged(f"without {', '.join(missing)}")
    return StoredDevice(jid, lid.partition("@")[0].partition(":")[0], push_name)


def put(folder: Path, content: bytes) -> None:
    """Make `content` the folder's store, in one step. The caller holds the folder's lock and has kept what was there.

    Raises OSError; what is there then is the old store, at worst without its last changes: putting again helps.
    """
    draft = folder / f"{DRAFT_PREFIX}{os.getpid()}"
    try:
        _write(draft, content)
        # The old WAL would be replayed into the new file.
        for name in _SIDE_FILES:
            (folder / name).unlink(missing_ok=True)
        draft.replace(folder / DEVICE_FILE)
        _to_disk(folder)
    finally:
        draft.unlink(missing_ok=True)


def is_there(folder: Path, content: bytes) -> bool:
    """Whether `content` was put into the folder, and nobody has opened it since."""
    path = folder / DEVICE_FILE
    is_alone = not any((folder / name).exists() for name in _SIDE_FILES)
    return is_alone and path.exists() and path.read_bytes() == content


def set_aside(folder: Path) -> Path | None:
    """Move the folder's store out of the way, whole and for ever; where it is now. The lock as in `put`."""
    path = folder / DEVICE_FILE
    if not path.exists():
        return None
    aside = folder / f"{ASIDE_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    for name in (*_SIDE_FILES, DEVICE_FILE):
        if (folder / name).exists():
            (folder / name).rename(f"{aside}{name.removeprefix(DEVICE_FILE)}")
    return aside


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
