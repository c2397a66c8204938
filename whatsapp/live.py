"""Who hears of a change: group names, publishing after the commit that made it, and waiting for that.

A group name starts with the company's schema, so that a subscriber of one company cannot hear another. Payloads carry
codes, not sentences: each reader gets them in a language of their own. What is published here is a hint that may be
missed; whoever joins gets a snapshot of the rows, and the event log has what happened since.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import redis
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from tenants.models import Company
from whatsapp.catalogue import Audience

#: The consumers' handler for what comes through a group.
HANDLER: Final = "live.event"
#: Seconds that Valkey may take.
PATIENCE: Final = 1.0


@dataclass(frozen=True)
class Hint:
    """`event`: its id and its place in the log; None for what is not logged."""

    group: str
    kind: str
    payload: dict[str, Any]
    event: dict[str, Any] | None = None


def session_group(company: Company, session_id: str) -> str:
    """The state of a session, for those who may see it."""
    return f"{company.schema_name}.session.{session_id}"


def chats_group(company: Company, session_id: str) -> str:
    """The messages of a session, for those who may read them."""
    return f"{company.schema_name}.chats.{session_id}"


def challenge_group(company: Company, session_id: str) -> str:
    """QR and pairing codes of a session: they link a device, so only for those who may."""
    return f"{company.schema_name}.challenge.{session_id}"


def person_group(company: Company, user_id: str) -> str:
    """What concerns one person's rights in a company."""
    return f"{company.schema_name}.person.{user_id}"


def admins_group(company: Company) -> str:
    """What concerns everybody who sees all sessions: a new one, for example."""
    return f"{company.schema_name}.admins"


def webhooks_group(company: Company) -> str:
    """For dispatchers: something about the company's endpoints is new."""
    return f"{company.schema_name}.webhooks"


def channel(group: str) -> str:
    """How Valkey calls a group (channels_redis, `RedisPubSubChannelLayer`), for who listens to many at once."""
    return f"{settings.CHANNEL_PREFIX}__group__{group}"


def log_channel(schema: str) -> str:
    """Where it is said, and nothing more, that a company's event log has grown: for who reads the log itself."""
    return f"{settings.CHANNEL_PREFIX}__log__{schema}"


def group_for(company: Company, audience: Audience, *, session_id: str, user_id: str) -> str:
    match audience:
        case Audience.SESSION:
            return session_group(company, session_id)
        case Audience.CHATS:
            return chats_group(company, session_id)
        case Audience.PERSON:
            return person_group(company, user_id)
        case Audience.ADMINS:
            return admins_group(company)


def publish(*hints: Hint) -> None:
    """Publish at the commit of the surrounding transaction (at once without one), in order and at one go."""

    def send() -> None:
        _send(hints)

    # A hint that cannot be given must not turn a committed write into an error: robust, it is logged. Not a partial:
    # Django asks the function for its name when it logs.
    transaction.on_commit(send, robust=True)


def _send(hints: Sequence[Hint]) -> None:
    """What the channel layer's `group_send` does, from the thread that has committed: two changes of thread less.

    What follows each other in one group goes in one message: a burst is stored in large transactions.
    """
    layer = get_channel_layer()
    assert isinstance(layer, RedisPubSubChannelLayer)
    with _valkey(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
        for group, together in groupby(hints, key=attrgetter("group")):
            news = [{"kind": hint.kind, "payload": hint.payload, "event": hint.event} for hint in together]
            pipeline.publish(channel(group), layer.serialize({"type": HANDLER, "news": news}))
        for schema in {hint.group.partition(".")[0] for hint in hints if hint.event is not None}:
            pipeline.publish(log_channel(schema), b"")
        pipeline.execute()


class Ear:
    """Hears that a company's event log has grown, for one thread that waits. To be closed."""

    def __init__(self, company: Company) -> None:
        self._channel = log_channel(company.schema_name)
        self._subscription: redis.client.PubSub | None = None

    def wait(self, seconds: float) -> None:
        """Until the log may have grown, or `seconds` are over.

        The first time it returns at once: what happens from then on is heard. While Valkey is away it only waits.
        """
        try:
            if self._subscription is None:
                self._subscribe()
            else:
                self._subscription.get_message(timeout=seconds)
        except redis.RedisError:
            self.close()
            time.sleep(min(seconds, PATIENCE))

    def _subscribe(self) -> None:
        self._subscription = _valkey(settings.REDIS_URL).pubsub()  # type: ignore[no-untyped-call]
        self._subscription.subscribe(self._channel)
        # The answer to that.
        self._subscription.get_message(timeout=PATIENCE)

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None


@cache
def _valkey(url: str) -> redis.Redis:
    """One pool of connections a process. A hint is not worth waiting for."""
    again_once = Retry(NoBackoff(), 1)
    return redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=again_once)
