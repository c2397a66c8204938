"""Trying an endpoint out: one signed request that is in no log, and what the receiver says to it."""

from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection

from accounts.permissions import Actor
from tenants.models import Company
from whatsapp.services import webhooks
from whatsapp.services.deliveries import Outgoing, Receiver
from whatsapp.webhooks.posting import Answer, Poster


@dataclass(frozen=True)
class Trial:
    event_id: str
    answer: Answer


def try_out(*, company: Company, endpoint_id: str, by: Actor) -> Trial:
    """Send a `webhook.test` now, also to one that is switched off. Raises as `webhooks.trial`."""
    receiver, event = webhooks.trial(company=company, endpoint_id=endpoint_id, by=by)
    if not connection.in_atomic_block:
        # A receiver may take its time; the connection is for others meanwhile.
        connection.close()
    return Trial(event.id, async_to_sync(_post)(receiver, event))


async def _post(receiver: Receiver, event: Outgoing) -> Answer:
    async with Poster(receiver, settings.WEBHOOK_ALLOWED_NETWORKS) as poster:
        return await poster.post(event)
