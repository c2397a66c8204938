"""Hearing at once that something is new: of the companies whose endpoints we have, and of endpoints themselves.

What is shown live goes through Valkey after every commit anyway, so whoever writes an event hardly does more for
webhooks: no query whether there are endpoints, and no NOTIFY, whose commits PostgreSQL puts in line. Only for speed: a
missed hint costs a look's wait.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

from tenants.models import Company
from whatsapp import live

log = logging.getLogger("whatsapp.webhooks")

RETRY_SECONDS: Final = 2.0
#: A connection that says nothing for so long is asked whether it lives.
_QUIET_SECONDS: Final = 30.0
_ENDPOINTS: Final = ".webhooks"


class Hints:
    """`heard(schema, is_about_endpoints)` is called for each hint."""

    def __init__(self, heard: Callable[[str, bool], None]) -> None:
        self._heard = heard
        self._schemas: set[str] = set()
        self._subscription: redis.client.PubSub | None = None

    async def listen(self) -> None:
        """Until cancelled; connects again by itself."""
        while True:
            try:
                await self._listen_once()
            except (RedisError, OSError) as error:
                log.warning("not hearing of new events (%s); looking every few seconds", type(error).__name__)
            self._subscription = None
            await asyncio.sleep(RETRY_SECONDS)

    async def follow(self, company: Company) -> None:
        """Hear of the company's events from now on."""
        self._schemas.add(company.schema_name)
        if self._subscription is not None:
            await self._subscription.subscribe(live.log_channel(company.schema_name))

    async def _listen_once(self) -> None:
        async with redis.from_url(settings.REDIS_URL, health_check_interval=_QUIET_SECONDS) as connection:
            async with connection.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.psubscribe(live.channel(f"*{_ENDPOINTS}"))
                if self._schemas:
                    await subscription.subscribe(*map(live.log_channel, self._schemas))
                self._subscription = subscription
                while True:
                    message = await subscription.get_message(timeout=_QUIET_SECONDS)
                    if message is not None:
                        self._tell(message["channel"].decode())

    def _tell(self, channel: str) -> None:
        if channel.endswith(_ENDPOINTS):
            self._heard(channel.removeprefix(live.channel("")).partition(".")[0], True)
        else:
            self._heard(channel.removeprefix(live.log_channel("")), False)
