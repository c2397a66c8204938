"""Numbers about sessions, chats and messages: read from the rows, never counted along."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, Q
from django.utils import timezone

from accounts.permissions import Actor
from fleet.states import Happening, State
from whatsapp.models import Chat, Message, MessageStatus, Session, Transition
from whatsapp.services.access import visible_sessions

LATELY: Final = timedelta(days=30)
#: What WhatsApp is known to have taken.
_SENT: Final = (MessageStatus.SERVER_ACK, MessageStatus.DELIVERED, MessageStatus.READ)
_IS_ERROR: Final = Q(happening__in=(Happening.REFUSED, Happening.LOGGED_OUT, Happening.PAIRING_ENDED))


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


@dataclass(frozen=True)
class Metrics:
    """System B's numbers (seed 4.1), of the sessions that one person may see."""

    sessions: int
    connected: int
    failed_reconnects: int
    sent: int
    received: int
    codes_shown: int
    errors: int
    last_error: str | None

    @property
    def shape(self) -> dict[str, int | str | None]:
        return {
            "totalSessions": self.sessions,
            "activeConnections": self.connected,
            "failedReconnects": self.failed_reconnects,
            "messagesSent": self.sent,
            "messagesReceived": self.received,
            "qrCodesGenerated": self.codes_shown,
            "errors": self.errors,
            "lastError": self.last_error,
        }


def metrics(by: Actor) -> Metrics:
    """Counted from the rows at each call: they cannot drift, and never fall below zero (seed row 51)."""
    seen = list(visible_sessions(by))
    changes = Transition.objects.filter(session__in=[session.pk for session in seen])
    counted = changes.aggregate(
        failed=Count("pk", filter=Q(happening=Happening.CONNECTION_LOST, before=State.CONNECTING)),
        shown=Count("pk", filter=Q(happening=Happening.CHALLENGE_ISSUED)),
        errors=Count("pk", filter=_IS_ERROR),
    )
    accounts = {session.account_id for session in seen} - {None}
    sent = Message.objects.filter(account__in=accounts, from_me=True, status__in=_SENT)
    return Metrics(
        sessions=len(seen),
        connected=sum(_is_connected(session) for session in seen),
        failed_reconnects=counted["failed"],
        sent=sent.count(),
        received=Message.objects.filter(account__in=accounts, from_me=False).count(),
        codes_shown=counted["shown"],
        errors=counted["errors"],
        last_error=changes.filter(_IS_ERROR).order_by("-id").values_list("reason", flat=True).first(),
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
