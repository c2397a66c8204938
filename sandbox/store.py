"""Keeps the sandbox's rows in one SQLite file: nothing is lost by a kill, nothing is written twice a tick.

Writes are collected until `commit`, which must come before any byte that follows from them leaves the process: a
ratchet that went back would make messages unreadable.  WAL without a disk flush for each commit survives the end
of every process; a power cut may take the last moments with it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FILE_NAME = "sandbox.db"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, owner TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, owner, key)
) WITHOUT ROWID
"""
UPSERT = "INSERT INTO rows (kind, owner, key, body) VALUES (?, ?, ?, ?) " \
         "ON CONFLICT DO UPDATE SET body = excluded.body"  # fmt: skip
DELETE = "DELETE FROM rows WHERE kind = ? AND owner = ? AND key = ?"
DROP = "DELETE FROM rows WHERE kind = ? AND owner = ?"

Body = Callable[[], bytes]
Place = tuple[str, str, str]


class StateUnusable(Exception):
    """The state folder cannot be used; the message says why."""


class NotKept(Exception):
    """A commit failed; what it held is still waiting, and no byte that follows from it may leave."""


class Row(NamedTuple):
    owner: str
    key: str
    body: bytes


class Store:
    """`Store(None)` keeps everything in memory, for tests."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._waiting: dict[Place, Body | None] = {}
        self._dropped: set[tuple[str, str]] = set()
        self._db = sqlite3.connect(_prepare(folder), isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.Error as error:
            self._db.close()
            raise StateUnusable(f"the state in {folder} cannot be opened: {error}") from error

    def _open(self) -> None:
        self._db.execute("PRAGMA busy_timeout = 1000")
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # one sandbox a folder
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StateUnusable(f"the state in {self.folder} was written by a newer sandbox")
        self._db.execute(SCHEMA)
        self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def put(self, kind: str, owner: str, key: str, body: Body) -> None:
        """`body` is asked once, at the next commit, however often the row was put."""
        self._waiting[kind, owner, key] = body

    def delete(self, kind: str, owner: str, key: str) -> None:
        self._waiting[kind, owner, key] = None

    def drop(self, kind: str, owner: str) -> None:
        """Every row of one owner."""
        self._dropped.add((kind, owner))
        for place in [p for p in self._waiting if p[:2] == (kind, owner)]:
            del self._waiting[place]

    def commit(self) -> None:
        if not self._waiting and not self._dropped:
            return
        waiting, self._waiting = self._waiting, {}
        dropped, self._dropped = self._dropped, set()
        puts = [(*place, body()) for place, body in waiting.items() if body is not None]
        deletes = [place for place, body in waiting.items() if body is None]
        try:
            self._write(dropped, deletes, puts)
        except sqlite3.Error as error:
            self._waiting, self._dropped = waiting | self._waiting, dropped | self._dropped
            raise NotKept(f"the state cannot be written: {error}") from error

    def _write(
        self, dropped: set[tuple[str, str]], deletes: list[Place], puts: list[tuple[str, str, str, bytes]]
    ) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(DROP, dropped)
            self._db.executemany(DELETE, deletes)
            self._db.executemany(UPSERT, puts)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def get(self, kind: str, owner: str, key: str) -> bytes | None:
        waiting = self._waiting.get((kind, owner, key))
        if waiting is not None:
            return waiting()
        query = "SELECT body FROM rows WHERE kind = ? AND owner = ? AND key = ?"
        found = self._db.execute(query, (kind, owner, key)).fetchone()
        return None if found is None else bytes(found[0])

    def rows(self, kind: str) -> Iterator[Row]:
        """In order of owner and key."""
        query = "SELECT owner, key, body FROM rows WHERE kind = ? ORDER BY owner, key"
        for owner, key, body in self._db.execute(query, (kind,)):
            yield Row(owner, key, bytes(body))

    def close(self) -> None:
        self.commit()
        self._db.close()


def _prepare(folder: Path | None) -> str:
    """The file, made so that only its owner can read it: private keys and messages lie in there."""
    if folder is None:
        return ":memory:"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        os.close(os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StateUnusable(f"the state folder {folder} cannot be used: {error.strerror}") from error
    return str(folder / FILE_NAME)
