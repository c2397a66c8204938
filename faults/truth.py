"""What the database and the sandbox say, read past every part of the product."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import httpx
import psycopg
from psycopg import sql

from faults.cast import Cast, Company
from faults.ledger import NOT_ENDED, Acknowledged, Handed, Logged, Row

PAGE: Final = 500
_ROWS: Final = "SELECT id, coalesce(session_id, ''), wa_id, from_me, body, status FROM {}.whatsapp_message"
_LOG: Final = """
SELECT position, seq, id, kind, session_id,
       CASE WHEN kind LIKE 'message.%' THEN coalesce(data->'message'->>'id', data->>'id', '') ELSE '' END
FROM {}.whatsapp_event ORDER BY position
"""
_OPEN: Final = "SELECT count(*) FROM {}.whatsapp_message WHERE from_me AND status = ANY(%s)"
_TOP: Final = "SELECT coalesce(max(value), 0) FROM {}.whatsapp_eventcounter WHERE key = ''"


@dataclass(frozen=True)
class Books:
    """All rows and all events of all companies, at one moment."""

    rows: Sequence[Row]
    log: Sequence[Logged]

    @property
    def tops(self) -> Mapping[str, int]:
        return {one.company: one.position for one in self.log}


def books(url: str, companies: Sequence[Company]) -> Books:
    rows: list[Row] = []
    log: list[Logged] = []
    with _at_one_moment(url) as db:
        for company in companies:
            rows += [Row(company.slug, *values) for values in _ask(db, company, _ROWS)]
            log += [Logged(company.slug, *values) for values in _ask(db, company, _LOG)]
    return Books(rows, log)


def tops(url: str, companies: Sequence[Company]) -> Mapping[str, int]:
    """The last position of each company's log."""
    with _at_one_moment(url) as db:
        return {company.slug: _ask(db, company, _TOP)[0][0] for company in companies}


def open_sends(url: str, companies: Sequence[Company]) -> int:
    """Texts of ours that have come to no end."""
    with _at_one_moment(url) as db:
        return sum(_ask(db, company, _OPEN, list(NOT_ENDED))[0][0] for company in companies)


def _at_one_moment(url: str) -> psycopg.Connection:
    db = psycopg.connect(url, connect_timeout=5)
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return db


def _ask(db: psycopg.Connection, company: Company, query: LiteralString, *values: object) -> list[Any]:
    return db.execute(sql.SQL(query).format(sql.Identifier(company.schema)), values or None).fetchall()


# -- the sandbox -----------------------------------------------------------------------------------------------------
def acknowledged(sandbox: httpx.Client, cast: Cast) -> list[Acknowledged]:
    return [
        Acknowledged(entry["id"], session.id, _seconds(entry["at"]), _handed(entry))
        for session in cast.sessions
        for entry in _pages(sandbox, f"/phones/{session.phone.number}/acknowledged", "acknowledged")
    ]


def _handed(entry: dict[str, Any]) -> tuple[Handed, ...]:
    return tuple(Handed(_seconds(each["at"]), each["waited"]) for each in entry["handed"])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def waiting(sandbox: httpx.Client, cast: Cast) -> int:
    """Messages that our devices have not acknowledged."""
    paths = (f"/phones/{session.phone.number}/acknowledged" for session in cast.sessions)
    return sum(sandbox.get(path, params={"limit": 1}).raise_for_status().json()["waiting"] for path in paths)


def arrived(sandbox: httpx.Client, cast: Cast) -> Mapping[str, int]:
    """How often each text of ours is on a customer's phone."""
    found: Counter[str] = Counter()
    for session in cast.sessions:
        for customer in session.customers:
            inbox = _pages(sandbox, f"/phones/{customer.number}/inbox", "messages")
            found.update(message["text"] for message in inbox if not message["fromMe"])
    return found


def left(sandbox: httpx.Client, cast: Cast) -> set[str]:
    """Texts that our own phones show as written."""
    return {
        message["text"]
        for session in cast.sessions
        for message in _pages(sandbox, f"/phones/{session.phone.number}/inbox", "messages")
        if message["fromMe"]
    }


def _pages(sandbox: httpx.Client, path: str, name: str) -> Iterator[dict[str, Any]]:
    after = 0
    while page := sandbox.get(path, params={"after": after, "limit": PAGE}).raise_for_status().json()[name]:
        yield from page
        after = page[-1]["seq"]
