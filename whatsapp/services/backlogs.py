"""What an endpoint has not taken yet: what waits, and what was given up. For people; nothing is decided by it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from django.db.models import Count

from accounts.errors import AdminsOnly
from accounts.permissions import Actor, Permission, require
from whatsapp.models import DeadLetter, Event, WebhookEndpoint, WebhookLane
from whatsapp.services import feed
from whatsapp.services.deliveries import Wanted

#: Positions of the log that are counted through; beyond them there may be more.
WINDOW: Final = 10_000


@dataclass(frozen=True)
class Backlog:
    """`is_more`: so many were counted, and the log goes on after them."""

    waiting: int
    is_more: bool
    dead: int


def backlogs_of(rows: list[WebhookEndpoint], *, by: Actor) -> dict[str, Backlog]:
    """By endpoint; one query for each that has something before it. Needs `lanes` prefetched. Raises AdminsOnly."""
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    top = feed.top()
    counted = DeadLetter.objects.filter(endpoint__in=rows).values_list("endpoint").annotate(count=Count("id"))
    dead: dict[str, int] = dict(counted)
    return {row.pk: Backlog(*_waiting(row, top), dead.get(row.pk, 0)) for row in rows}


def _waiting(row: WebhookEndpoint, top: int) -> tuple[int, bool]:
    lanes = [lane for lane in row.lanes.all() if not lane.is_replay]
    first = min([row.cursor, *(lane.cursor for lane in lanes)])
    if first >= top:
        return 0, False
    logged = Event.objects.filter(position__gt=first, position__lte=first + WINDOW)
    found = Wanted(row.kinds, row.session_ids).of(logged).values_list("position", "session_id", "chat_id")
    streams = _Streams(row.cursor, lanes)
    return sum(streams.have(*one) for one in found), top > first + WINDOW


class _Streams:
    """Which events are before the endpoint's cursor, and a lane's own business."""

    def __init__(self, cursor: int, lanes: list[WebhookLane]) -> None:
        self._cursor = cursor
        self._lanes: dict[tuple[str, str | None], list[tuple[int, int]]] = defaultdict(list)
        for lane in lanes:
            end = cursor if lane.until is None else lane.until
            # A chat's lane is that chat's, whichever session it is read through.
            whose = "" if lane.chat_id else lane.session_id
            self._lanes[whose, lane.chat_id].append((lane.cursor, end))

    def have(self, position: int, session_id: str, chat_id: str) -> bool:
        if position > self._cursor:
            return True
        streams = (session_id, None), ("", chat_id) if chat_id else (session_id, "")
        return any(begin < position <= end for stream in streams for begin, end in self._lanes.get(stream, ()))
