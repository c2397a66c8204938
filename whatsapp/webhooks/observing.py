"""What a dispatcher tells the metrics: each request's end, and what it knows in memory whenever somebody asks."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from django.utils import timezone

from wharf import metrics
from whatsapp.models.webhook import DisabledReason
from whatsapp.services.deliveries import Outgoing
from whatsapp.webhooks.posting import Answer

if TYPE_CHECKING:
    from whatsapp.webhooks.delivering import Delivering

#: What tells of a message that came in, and when WhatsApp says that it was written.
INBOUND = "message.new"


def attempt(event: Outgoing, answer: Answer, *, is_replay: bool) -> None:
    outcome = f"{answer.status // 100}xx" if answer.status is not None else answer.error
    metrics.WEBHOOK_ATTEMPTS.labels(outcome).inc()
    metrics.WEBHOOK_DURATION.observe(answer.duration / 1000)
    if answer.is_delivered and not is_replay:
        _lag(event)


def _lag(event: Outgoing) -> None:
    now = timezone.now()
    if event.recorded_at is not None:
        metrics.WEBHOOK_LAG.observe(metrics.seconds_since(event.recorded_at, now))
    if event.kind == INBOUND and event.happened_at is not None:
        metrics.INBOUND_WEBHOOK_LAG.observe(metrics.seconds_since(event.happened_at, now))


def show(deliverings: Callable[[], Iterable["Delivering"]]) -> None:
    """From now on the gauges of this process tell of these."""
    metrics.ENDPOINTS_SERVED.set_function(lambda: len(list(deliverings())))
    metrics.ENDPOINTS_FAILING.set_function(lambda: sum(one.is_spared for one in deliverings()))
    metrics.WEBHOOK_IN_HAND.set_function(lambda: sum(one.in_hand for one in deliverings()))
    metrics.WEBHOOK_BEHIND.set_function(lambda: sum(len(one.failing_since()) for one in deliverings()))
    metrics.WEBHOOK_OLDEST_FAILURE.set_function(lambda: _oldest(deliverings()))
    metrics.begin_at_zero(metrics.WEBHOOK_SWITCHED_OFF, [(reason,) for reason in DisabledReason.values])


def _oldest(deliverings: Iterable["Delivering"]) -> float:
    sinces = [since for one in deliverings for since in one.failing_since() if since is not None]
    return metrics.seconds_since(min(sinces)) if sinces else 0.0
