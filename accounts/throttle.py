"""Guessing passwords is slow: attempts are counted in the database, so that every process counts the same ones.

An attempt counts before the password is checked, and a right one forgets them: many guesses at once gain nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import connection
from django.utils import timezone

from accounts.errors import TooManyAttempts
from accounts.models import LoginAttempts

WINDOW: Final = timedelta(minutes=15)
#: For one e-mail from one address. Not for the e-mail alone: that would let anybody lock anybody out.
PER_EMAIL_AND_ADDRESS: Final = 10
#: For one address and all e-mails; an office behind one address stays far below.
PER_ADDRESS: Final = 100

_COUNT_ONE: Final = """
INSERT INTO accounts_loginattempts AS kept (key, count, since) VALUES (%(key)s, 1, %(now)s)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN kept.since < %(oldest)s THEN 1 ELSE kept.count + 1 END,
    since = CASE WHEN kept.since < %(oldest)s THEN %(now)s ELSE kept.since END
RETURNING count, EXTRACT(EPOCH FROM since - %(oldest)s)
"""


@dataclass(frozen=True)
class _Limit:
    key: str
    most: int


def count_attempt(email: str, address: str) -> None:
    """Raise TooManyAttempts when there were too many lately, whether or not such a user exists."""
    for limit in _limits(email, address):
        count, seconds_left = _count_one(limit.key)
        if count > limit.most:
            raise TooManyAttempts(seconds=max(1.0, seconds_left))


def forget_attempts(email: str, address: str) -> None:
    """After a right password. The address's own count stays: one known account must not pay for guessing others."""
    first, *_ = _limits(email, address)
    LoginAttempts.objects.filter(key=first.key).delete()
    LoginAttempts.objects.filter(since__lt=timezone.now() - WINDOW).delete()


def _limits(email: str, address: str) -> Sequence[_Limit]:
    return (
        _Limit(_digest(email, address), PER_EMAIL_AND_ADDRESS),
        _Limit(_digest("", address), PER_ADDRESS),
    )


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _count_one(key: str) -> tuple[int, float]:
    """How many there are now in this window, and the seconds until it ends."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ONE, {"key": key, "now": now, "oldest": now - WINDOW})
        count, seconds_left = cursor.fetchone()
    return count, float(seconds_left)
