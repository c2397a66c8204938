"""The event log: every change that anybody could care about, written in the transaction that makes it.

A service that changes something is `@writing`: a transaction whose news goes into the log at its very end. The log's
numbers are taken last because whoever takes them makes others of the company wait until the commit; and because nothing
is locked after them, nobody can wait for each other. So a greater number was committed later, nothing is missing in
between, and whoever has read up to a number has read everything before it.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from tenants.models import Company
from wharf.ids import new_id
from whatsapp import live, shapes
from whatsapp.catalogue import KINDS
from whatsapp.models import Chat, Session

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class News:
    """One event in the making."""

    company: Company
    kind: str
    data: shapes.Shape
    session_id: str
    account_id: str
    chat_id: str
    user_id: str
    happened_at: datetime


_news: ContextVar[list[News] | None] = ContextVar("news", default=None)


def writing(function: Callable[P, R]) -> Callable[P, R]:
    """Call `function` in a transaction that logs its news at the end; inside another one, at the end of that."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic():
            outer = _news.get()
            return _collected(function, args, kwargs) if outer is None else _joined(outer, function, args, kwargs)

    return call


def _collected(function: Callable[..., R], args: Any, kwargs: Any) -> R:
    news: list[News] = []
    token = _news.set(news)
    try:
        result = function(*args, **kwargs)
    finally:
        _news.reset(token)
    _write(news)
    return result


def _joined(news: list[News], function: Callable[..., R], args: Any, kwargs: Any) -> R:
    before = len(news)
    try:
        return function(*args, **kwargs)
    except BaseException:
        # Its savepoint goes, and the outer one may go on: nothing of this has happened.
        del news[before:]
        raise


def tell(
    company: Company,
    kind: str,
    data: shapes.Shape,
    *,
    session_id: str = "",
    account_id: str = "",
    chat_id: str = "",
    user_id: str = "",
    happened_at: datetime | None = None,
) -> None:
    """Log it with the transaction, and show it to whoever watches after the commit.

    `kind` is of the catalogue; `happened_at` is WhatsApp's time, where it tells one.
    """
    pending = _news.get()
    if pending is None:
        raise RuntimeError(f"{kind} is told outside of a service that is `writing`")
    pending.append(News(company, kind, data, session_id, account_id, chat_id, user_id, happened_at or timezone.now()))


def tell_of_chat(
    company: Company,
    session: Session,
    chat: Chat,
    kind: str,
    data: shapes.Shape,
    *,
    happened_at: datetime | None = None,
) -> None:
    """`tell`, of something that happened in a chat; of `chat` only the ids are needed."""
    tell(
        company,
        kind,
        data,
        session_id=session.pk,
        account_id=chat.account_id,
        chat_id=chat.pk,
        happened_at=happened_at,
    )


# -- writing -------------------------------------------------------------------------------------------------------
_WRITE: Final = """
WITH told AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS t(
        number bigint, id text, kind text, session_id text, account_id text, chat_id text, user_id text,
        happened_at timestamptz, data jsonb
    )
), company AS (
    INSERT INTO whatsapp_eventcounter AS counter (key, value) VALUES ('', %s)
    ON CONFLICT (key) DO UPDATE SET value = counter.value + excluded.value
    RETURNING value - %s AS before
), session AS (
    INSERT INTO whatsapp_eventcounter AS counter (key, value)
    SELECT session_id, count(*) FROM told, company WHERE session_id <> '' GROUP BY session_id ORDER BY session_id
    ON CONFLICT (key) DO UPDATE SET value = counter.value + excluded.value
    RETURNING key, value
)
INSERT INTO whatsapp_event
    (id, position, seq, kind, session_id, account_id, chat_id, user_id, happened_at, recorded_at, data)
SELECT
    told.id, company.before + told.number,
    session.value + 1 - row_number() OVER (PARTITION BY told.session_id ORDER BY told.number DESC),
    told.kind, told.session_id, told.account_id, told.chat_id, told.user_id, told.happened_at, clock_timestamp(),
    told.data
FROM told CROSS JOIN company LEFT JOIN session ON session.key = told.session_id
RETURNING id, position, seq
"""


def _write(news: Sequence[News]) -> None:
    if not news:
        return
    ids = [new_id() for _ in news]
    rows = [_row(number, event_id, each) for number, (event_id, each) in enumerate(zip(ids, news, strict=True), 1)]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [msgspec.json.encode(rows).decode(), len(rows), len(rows)])
        places = {event_id: (position, seq) for event_id, position, seq in cursor.fetchall()}
    live.publish(*(_hint(each, event_id, *places[event_id]) for event_id, each in zip(ids, news, strict=True)))


def _row(number: int, event_id: str, news: News) -> dict[str, object]:
    return {
        "number": number,
        "id": event_id,
        "kind": news.kind,
        "session_id": news.session_id,
        "account_id": news.account_id,
        "chat_id": news.chat_id,
        "user_id": news.user_id,
        "happened_at": news.happened_at.isoformat(),
        "data": news.data,
    }


def _hint(news: News, event_id: str, position: int, seq: int | None) -> live.Hint:
    group = live.group_for(news.company, KINDS[news.kind].audience, session_id=news.session_id, user_id=news.user_id)
    return live.Hint(group, news.kind, news.data, shapes.place(event_id, position, seq))
