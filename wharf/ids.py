"""Ids of our rows: opaque text, sorted by time, safe in URLs."""

from typing import Final

from ulid import ULID

#: Room for ours (26 characters) and for the ids that imported rows keep (seed contract 1.0: 25 characters).
ID_LENGTH: Final = 32


def new_id() -> str:
    """A fresh id: a ULID in lower case, 26 characters."""
    return str(ULID()).lower()
