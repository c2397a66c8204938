"""What services tell the metrics, once it is committed (`wharf.metrics`)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils import timezone

from wharf import metrics
from whatsapp.models import Message, MessageStatus


def stored(fresh: Sequence[Message], filled: Sequence[Message]) -> None:
    """Messages that came in: new ones, and those that were unreadable before."""
    if fresh or filled:
        metrics.after_commit(_stored, fresh, filled)


def _stored(fresh: Sequence[Message], filled: Sequence[Message]) -> None:
    now = timezone.now()
    unreadable = [row for row in fresh if row.status == MessageStatus.UNREADABLE]
    metrics.MESSAGES_UNREADABLE.inc(len(unreadable))
    metrics.MESSAGES_RECOVERED.inc(sum(row.status != MessageStatus.UNREADABLE for row in filled))
    for row in fresh:
        if row.status != MessageStatus.UNREADABLE:
            metrics.MESSAGES_STORED.labels(row.kind, "phone" if row.from_me else "customer").inc()
            metrics.INBOUND_LAG.observe(metrics.seconds_since(row.timestamp, now))


def statuses(rows: Iterable[Message]) -> None:
    """Messages of ours that stand there now."""
    metrics.after_commit(metrics.count_all, metrics.MESSAGE_STATUSES, [(row.status,) for row in rows])


def handed_over(rows: Sequence[Message], now: datetime) -> None:
    """Texts that leave now, and how long after they were due."""
    if rows:
        statuses(rows)
        waits = [metrics.seconds_since(row.send_at or row.created_at, now) for row in rows]
        metrics.after_commit(_waited, waits)


def _waited(waits: Iterable[float]) -> None:
    for seconds in waits:
        metrics.QUEUE_WAIT.observe(seconds)
