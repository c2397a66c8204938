"""Numbers about sessions, chats and messages: read from the rows, never counted along."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from accounts.permissions import Actor
from fleet.states import State
from whatsapp.models import Chat, Message, Session
from whatsapp.services.access import visible_sessions

LATELY: Final = timedelta(days=30)


@dataclass(frozen=True)
class Stats:
    """All of the sessions that one person may see. `lately` is the last 30 days."""

    sessions: int
    connected: int
    chats: int
    messages: int
    incoming_lately: int
    outgoing_lately: int


def stats(by: Actor) -> Stats:
    """What the sessions that `by` sees have, and what went through their numbers (seed W13).

    Chats and messages belong to a number, however often it was linked, so every total is over the same numbers.
    """
    seen = list(visible_sessions(by))
    accounts = {session.account_id for session in seen} - {None}
    counted = _messages(accounts)
    return Stats(
        sessions=len(seen),
        connected=sum(_is_connected(session) for session in seen),
        chats=Chat.objects.filter(account__in=accounts).count(),
        messages=counted["total"],
        incoming_lately=counted["incoming"],
        outgoing_lately=counted["outgoing"],
    )


def _messages(accounts: set[str | None]) -> dict[str, int]:
    is_late = Q(timestamp__gte=timezone.now() - LATELY)
    return Message.objects.filter(account__in=accounts).aggregate(
        total=Count("pk"),
        incoming=Count("pk", filter=is_late & Q(from_me=False)),
        outgoing=Count("pk", filter=is_late & Q(from_me=True)),
    )


def _is_connected(session: Session) -> bool:
    return session.placement.shown_state == State.CONNECTED
