"""Rows that are stored in one statement are what the ORM would have stored."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from tests.whatsapp.desk import Desk, text
from wharf.sql import insert
from whatsapp.models import Message, MessageStatus

pytestmark = pytest.mark.django_db


def messages(desk: Desk) -> list[Message]:
    """One with all that a message may have, one with the least, one with what breaks quoting."""
    chat = desk.chat()
    known: dict[str, Any] = {"chat": chat, "account_id": chat.account_id, "session_id": desk.session_id}
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    full = {"wa_id": "A", "sender": chat.contact, "sent_by_id": "someone", "body": "Hello", "error_detail": "none"}
    times = {"timestamp": moment, "retry_at": moment, "send_at": moment, "expires_at": moment, "priority": -3}
    return [
        Message(
            from_me=False, status=MessageStatus.RECEIVED, is_read=True, secret=b"\x00\xff", **full, **times, **known
        ),
        Message(from_me=True, status=MessageStatus.QUEUED, **known),
        Message(from_me=True, status=MessageStatus.QUEUED, body='%s {NULL,"a\'b\\c"}\n🙂', secret=b"", **known),
    ]


def stored(rows: list[Message]) -> list[dict[str, Any]]:
    return [dict(row) for row in Message.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk").values()]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_what_is_inserted_reads_as_what_the_orm_creates(desk: Desk, count: int) -> None:
    desk.tell(text())
    rows = messages(desk)[:count]
    with transaction.atomic():
        Message.objects.bulk_create(rows)
        created = stored(rows)
        transaction.set_rollback(True)

    insert(rows)

    assert stored(rows) == created
    assert len(created) == count
    for row in rows:
        row.save(force_update=True)


def test_a_row_that_breaks_a_rule_stores_none(desk: Desk) -> None:
    desk.tell(text())
    rows = messages(desk)
    rows[2].pk = rows[1].pk

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(rows)

    assert stored(rows) == []
