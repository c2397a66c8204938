"""What the engine reported and nobody has stored yet: one SQLite file a session, written before anything else happens.

The engine has already told WhatsApp that a message arrived when it tells us, so what is not in here is lost for good.
An entry goes when the worker says that its transaction has committed.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whatsapp.engine.device_store import JOURNAL_FILE

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused, or an acknowledgement could name another entry
    code INTEGER NOT NULL,
    payload BLOB NOT NULL
)
"""

#: Acknowledgements between two times that the log is moved into the file.
TIDY_EVERY: Final = 100


def waiting_in(folder: Path) -> int:
    """How many entries the journal in `folder` holds, whoever has it open. Raises sqlite3.Error."""
    path = folder / JOURNAL_FILE
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
        return int(db.execute("SELECT count(*) FROM entry").fetchone()[0])


@dataclass(frozen=True)
class Entry:
    """`code` is the engine's number for the kind of event, `payload` its bytes, exactly as it gave them."""

    seq: int
    code: int
    payload: bytes


class Journal:
    """One session's journal. Appending and reading may happen in different threads.

    WAL with `synchronous=NORMAL`: an append survives the death of the process, however violent. A power cut of the
    machine may take the last moments, the same window that the engine's own store has.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._let_go_since = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        # Moving the log into the file waits for the disk: after a message is stored (`_tidy`), and only while nobody
        # stores any, when one comes in.
        self._db.execute("PRAGMA wal_autocheckpoint=4000")
        self._db.execute(_SCHEMA)
        path.chmod(0o600)

    def append(self, code: int, payload: bytes) -> int:
        """Store one event; returns its `seq`. Raises sqlite3.Error, and then the event is not stored."""
        with self._lock:
            cursor = self._db.execute("INSERT INTO entry (code, payload) VALUES (?, ?)", (code, payload))
            return cursor.lastrowid or 0

    def after(self, seq: int, *, limit: int) -> list[Entry]:
        """Up to `limit` entries that came after `seq`, in order."""
        query = "SELECT seq, code, payload FROM entry WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._lock:
            return [Entry(*row) for row in self._db.execute(query, (seq, limit))]

    def let_go(self, seq: int, remember: Callable[[sqlite3.Connection], None] | None = None) -> None:
        """Everything up to `seq` is stored elsewhere. `remember` writes what is to be kept of it, in the same go."""
        with self.transaction() as db:
            if remember is not None:
                remember(db)
            db.execute("DELETE FROM entry WHERE seq <= ?", (seq,))
        self._tidy()

    def _tidy(self) -> None:
        """Keep the log beside the file from growing, once in a while. Nobody waits for the disk meanwhile."""
        self._let_go_since += 1
        if self._let_go_since >= TIDY_EVERY:
            self._let_go_since = 0
            threading.Thread(target=self._move_log, name="tidy", daemon=True).start()

    def _move_log(self) -> None:
        """On a connection of its own: on ours, what the engine reports would wait until the disk has answered."""
        # A file that is gone must not come back empty.
        place = f"file:{self._path}?mode=rw"
        with suppress(sqlite3.Error), closing(sqlite3.connect(place, uri=True, timeout=5)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            # The first to write after that begins the log anew, and waits for the disk: this, and not an append.
            db.execute("PRAGMA user_version = 1")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The file itself, for what is kept beside the entries (`engine.ledger`)."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def is_empty(self) -> bool:
        return not self.after(0, limit=1)

    def close(self) -> None:
        with self._lock:
            self._db.close()
