"""Requests that are said again: a client that heard no answer asks once more with the same key, and it is done once.

As the IETF's draft "The Idempotency-Key HTTP Header Field" has it. The answer is written in the transaction that made
what it tells of, so there is never one without the other, and what failed leaves no trace.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from whatsapp.errors import BadIdempotencyKey, IdempotencyKeyReused, RequestInProgress
from whatsapp.models import IdempotencyKey

#: So long a request may be said again.
KEPT: Final = timedelta(hours=24)
MAX_KEY: Final = 255


@dataclass(frozen=True)
class Asked:
    """A request that may be said again: whose it is, by which key, and what makes it the same one."""

    caller: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """`body` is JSON. `is_replayed`: nothing was done for it."""

    status: int
    body: str
    is_replayed: bool = False


def checked_key(header: str) -> str:
    """The key of a header, quoted as the draft writes it or bare. Raises BadIdempotencyKey."""
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise BadIdempotencyKey(limit=MAX_KEY)
    return key


def fingerprint(*parts: Any) -> str:
    """The same for requests that ask the same, however their JSON is laid out."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def once(asked: Asked, act: Callable[[], Answer]) -> Answer:
    """Do `act` and keep its answer, or give the one that was kept; what `act` raises undoes everything.

    An answer of 400 and above is not kept, and what was done for it is undone. Raises RequestInProgress while another
    one with the key is at it, IdempotencyKeyReused for another request under the same key.
    """
    _lock(asked)
    known = IdempotencyKey.objects.filter(caller=asked.caller, key=asked.key).first()
    if known is not None and known.created_at > timezone.now() - KEPT:
        if known.fingerprint != asked.fingerprint:
            raise IdempotencyKeyReused
        return Answer(known.status, known.body, is_replayed=True)
    if known is not None:
        known.delete()
    answer = act()
    if answer.status >= 400:
        transaction.set_rollback(True)
    else:
        IdempotencyKey.objects.create(
            caller=asked.caller, key=asked.key, fingerprint=asked.fingerprint, status=answer.status, body=answer.body
        )
    return answer


def _lock(asked: Asked) -> None:
    """Until the end of the transaction, in all processes. Nobody waits: who comes second is told so."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || %s, 0))",
            [f"/{asked.caller}/{asked.key}"],
        )
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise RequestInProgress


def forget_old() -> int:
    """Of the current company; how many."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
    return deleted
