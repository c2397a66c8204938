"""What waits to leave, told to the fleet's rows once a minute: operators' numbers, and texts whose time is over.

Only sessions whose queue may hold something are looked at, by their placements: one query, however many companies there
are, and a few more for each company that has something waiting. Whoever queues a text counts `Placement.work` up in
the same transaction, so a session is settled as long as that number is the one at which its queue was last found empty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from django.db import connection
from django.db.models import F
from django.utils import timezone

from fleet.models import Placement
from tenants.context import run_in, run_in_public
from tenants.models import Company
from whatsapp.services import queue


@dataclass(frozen=True)
class Tally:
    """Of a session: texts that wait, since when the oldest one that is due has been, and texts on their way."""

    queued: int = 0
    due_since: datetime | None = None
    in_flight: int = 0


def look_after_queues() -> int:
    """Let fail what is late, and count what waits; how many companies were asked."""
    asked = 0
    for company, placements in groupby(run_in_public(_unsettled), key=lambda row: row.company):
        run_in(company, _look_after, company, list(placements))
        asked += 1
    return asked


def _unsettled() -> list[Placement]:
    rows = Placement.objects.exclude(queue_settled_at=F("work")).select_related("company")
    return list(rows.order_by("company_id", "session_id"))


def _look_after(company: Company, placements: list[Placement]) -> None:
    queue.expire_late(company)
    counted = _count([row.session_id for row in placements], timezone.now())
    for row in placements:
        _write(row, counted.get(row.session_id, Tally()))


def _write(row: Placement, tally: Tally) -> None:
    """`row.work` was read before anything was counted: what came since makes it another number."""
    is_empty = not tally.queued and not tally.in_flight
    told = {
        "queued": tally.queued,
        "due_since": tally.due_since,
        "queue_settled_at": row.work if is_empty else None,
    }
    if any(getattr(row, name) != value for name, value in told.items()):
        Placement.objects.filter(pk=row.pk).update(**told)


#: A part for each partial index: queued, queued for later, and on its way.
_COUNT: Final = """
SELECT session_id, count(*) FILTER (WHERE status = 'queued'),
    min(coalesce(send_at, created_at)) FILTER (WHERE status = 'queued' AND (send_at IS NULL OR send_at <= %(now)s)),
    count(*) FILTER (WHERE status = 'sent')
FROM (
    SELECT session_id, status, send_at, created_at FROM whatsapp_message
    WHERE status = 'queued' AND send_at IS NULL AND session_id = ANY(%(ids)s)
    UNION ALL
    SELECT session_id, status, send_at, created_at FROM whatsapp_message
    WHERE status = 'queued' AND send_at IS NOT NULL AND session_id = ANY(%(ids)s)
    UNION ALL
    SELECT session_id, status, send_at, created_at FROM whatsapp_message
    WHERE status = 'sent' AND session_id = ANY(%(ids)s)
) AS waiting GROUP BY session_id
"""


def _count(session_ids: Iterable[str], now: datetime) -> Mapping[str, Tally]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"ids": list(session_ids), "now": now})
        return {session_id: Tally(*numbers) for session_id, *numbers in cursor.fetchall()}
