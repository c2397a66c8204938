"""Which of the messages that the device store knows of have been heard of here, as far back as there is any doubt.

The engine stores a message's secret when it has decrypted it, and only then tells us. What stands in the store and was
never heard of when a host died was in between, and is lost (`engine.losses`). The ledger stands in the journal's file,
and holds names and times alone, no texts.
"""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from whatsapp.engine.device_store import message_name
from whatsapp.engine.journal import Journal

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS heard (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS mark (place INTEGER NOT NULL, at REAL NOT NULL, is_clean INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ignored (wa_id TEXT NOT NULL, chat TEXT NOT NULL, sender TEXT NOT NULL)",
)


#: So many names are kept beyond that: what WhatsApp sends again, because our word for it was lost, is known by them.
KEPT: Final = 2000


@dataclass(frozen=True)
class Heard:
    """A message's `name`, which is the same in the store, and WhatsApp's time of it (seconds since the epoch)."""

    name: str
    at: float


@dataclass(frozen=True)
class Ignored:
    """A message that the engine had decrypted before, and now acknowledges without a word; addresses are JIDs."""

    wa_id: str
    chat: str
    sender: str

    @property
    def name(self) -> str:
        return message_name(self.chat, self.sender, self.wa_id)


@dataclass(frozen=True)
class Mark:
    """Up to this place of the store nothing is in doubt; `is_clean` when the last host left with nothing under way."""

    place: int
    at: float
    is_clean: bool


def _insert(db: sqlite3.Connection, messages: Iterable[Heard]) -> None:
    db.executemany("INSERT INTO heard (name, at) VALUES (?, ?)", [(each.name, each.at) for each in messages])


class Ledger:
    """One session's. May be used in several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seen: tuple[int, int] | None = None
        with journal.transaction() as db:
            for statement in _SCHEMA:
                db.execute(statement)

    def hear(self, messages: Iterable[Heard]) -> None:
        """Before a message leaves."""
        with self._journal.transaction() as db:
            _insert(db, messages)

    def let_go(self, messages: Iterable[Heard], seq: int) -> None:
        """Of the journal's entries up to `seq`, and remember that these messages were among them."""
        self._journal.let_go(seq, lambda db: _insert(db, messages))

    def heard(self) -> dict[str, float]:
        """Names with their times, of what may lie behind the mark."""
        with self._journal.transaction() as db:
            return dict(db.execute("SELECT name, at FROM heard").fetchall())

    def mark(self) -> Mark | None:
        """None before the session's first host that kept a ledger."""
        with self._journal.transaction() as db:
            row = db.execute("SELECT place, at, is_clean FROM mark").fetchone()
        return Mark(row[0], row[1], bool(row[2])) if row else None

    def begin(self, place: int) -> None:
        """A host starts, and all that is in the store has been looked at."""
        self._move(place, self._last())

    def leave(self) -> None:
        """The host leaves, and whatever the engine had to tell is in the journal."""
        with self._journal.transaction() as db:
            db.execute("UPDATE mark SET is_clean = 1")

    def look(self, place: int) -> None:
        """The store has come to `place` now. What was there at the look before this one has been told long since."""
        if self._seen is not None:
            self._move(*self._seen)
        self._seen = (place, self._last())

    def knows(self, name: str) -> bool:
        with self._journal.transaction() as db:
            return db.execute("SELECT 1 FROM heard WHERE name = ? LIMIT 1", (name,)).fetchone() is not None

    # -- what came again -----------------------------------------------------------------------------------------------
    def doubt(self, message: Ignored) -> None:
        """Nobody has judged yet whether it was heard of. WhatsApp forgets it in a moment, and the host may die."""
        with self._journal.transaction() as db:
            db.execute("INSERT INTO ignored VALUES (?, ?, ?)", (message.wa_id, message.chat, message.sender))

    def doubted(self) -> list[Ignored]:
        with self._journal.transaction() as db:
            return [Ignored(*row) for row in db.execute("SELECT wa_id, chat, sender FROM ignored")]

    def settle(self, message: Ignored) -> None:
        """It has been judged."""
        values = (message.wa_id, message.chat, message.sender)
        with self._journal.transaction() as db:
            db.execute("DELETE FROM ignored WHERE wa_id = ? AND chat = ? AND sender = ?", values)

    def _last(self) -> int:
        with self._journal.transaction() as db:
            return int(db.execute("SELECT coalesce(max(number), 0) FROM heard").fetchone()[0])

    def _move(self, place: int, last: int) -> None:
        with self._journal.transaction() as db:
            db.execute("DELETE FROM mark")
            db.execute("INSERT INTO mark VALUES (?, ?, 0)", (place, time.time()))
            db.execute("DELETE FROM heard WHERE number <= ?", (last - KEPT,))
