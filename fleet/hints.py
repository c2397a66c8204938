"""A word to whoever owns a session, worth nothing a moment later: a notification of PostgreSQL's, and no row.

What must not be missed is written down first (`fleet.leases.leave_work`).
"""

import json
from dataclasses import asdict, dataclass
from typing import Final

from django.db import connection

#: The PostgreSQL channel that workers listen on for it.
HINT_CHANNEL: Final = "wharf_hint"


@dataclass(frozen=True)
class Hint:
    """Somebody looks at a session's chats; in one of them (its JID) somebody types, or has just stopped."""

    session_id: str
    typing_in: str = ""
    is_typing: bool = False


def give(hint: Hint) -> None:
    """To all workers; the owner alone does something with it, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [HINT_CHANNEL, json.dumps(asdict(hint))])


def read(payload: str) -> Hint | None:
    """None for what a process of another version may have said."""
    try:
        return Hint(**json.loads(payload))
    except (TypeError, ValueError):
        return None
