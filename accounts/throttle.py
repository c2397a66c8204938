"""Guessing is slow and asking has its measure: what may be tried is counted in the database, so that every process
counts the same tries.

A try counts before anything is checked, and a right password forgets the wrong ones: many guesses at once gain nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import connection
from django.utils import timezone

from accounts.errors import TooManyAttempts, TooManyRequests
from accounts.models import LoginAttempts

WINDOW: Final = timedelta(minutes=15)
#: For one e-mail from one address. Not for the e-mail alone: that would let anybody lock anybody out.
PER_EMAIL_AND_ADDRESS: Final = 10
#: For one address and all e-mails; an office behind one address stays far below.
PER_ADDRESS: Final = 100


@dataclass(frozen=True)
class Limit:
    """`most` within `window`, counted under `name` for each of those who try."""

    name: str
    most: int
    window: timedelta


_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
CODES_PER_EMAIL_AND_ADDRESS: Final = Limit("code to an e-mail from an address", 5, _HOUR)
CODES_PER_ADDRESS: Final = Limit("codes from an address", 30, _HOUR)
#: With five guesses for each code: a year of trying every day finds one with a chance of 1 in 25.
CODES_PER_EMAIL: Final = Limit("codes to an e-mail", 20, _DAY)
GUESSES_PER_ADDRESS: Final = Limit("guessed codes", 100, WINDOW)
#: Each costs a password's hash.
REGISTRATIONS_PER_ADDRESS: Final = Limit("registrations", 20, _HOUR)
#: Asked for after a right password; three steps are right at a time, so a day of guessing finds one in 6000 tries.
SECOND_FACTORS: Final = Limit("second factors", 10, WINDOW)
SECOND_FACTORS_A_DAY: Final = Limit("second factors a day", 50, _DAY)
#: For whoever holds somebody's token and wants the password too.
CURRENT_PASSWORDS: Final = Limit("current passwords", 10, WINDOW)
#: Each is a mail to an address that an admin types.
MANAGERS_PER_COMPANY: Final = Limit("managers", 60, _HOUR)
#: An admin who gives a manager another e-mail may learn that it is taken.
EMAILS_PER_COMPANY: Final = Limit("e-mails of managers", 30, _HOUR)
#: Each is a request of ours to an address that an admin types.
WEBHOOK_TESTS_PER_COMPANY: Final = Limit("webhook tests", 120, _HOUR)
_LONGEST: Final = _DAY

_COUNT_ONE: Final = """
INSERT INTO accounts_loginattempts AS kept (key, count, since) VALUES (%(key)s, 1, %(now)s)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN kept.since < %(oldest)s THEN 1 ELSE kept.count + 1 END,
    since = CASE WHEN kept.since < %(oldest)s THEN %(now)s ELSE kept.since END
RETURNING count, EXTRACT(EPOCH FROM since - %(oldest)s)
"""


@dataclass(frozen=True)
class _Counter:
    key: str
    most: int


def count_attempt(email: str, address: str) -> None:
    """Raise TooManyAttempts when there were too many log-ins lately, whether or not such a user exists."""
    for counter in _counters(email, address):
        count, seconds_left = _count_one(counter.key, WINDOW)
        if count > counter.most:
            raise TooManyAttempts(seconds=max(1.0, seconds_left))


def forget_attempts(email: str, address: str) -> None:
    """After a right password. The address's own count stays: one known account must not pay for guessing others."""
    first, *_ = _counters(email, address)
    LoginAttempts.objects.filter(key=first.key).delete()


def count_request(limit: Limit, *who: str) -> None:
    """Raise TooManyRequests when `who` did this too often lately."""
    count, seconds_left = _count_one(_digest(limit.name, *who), limit.window)
    if count > limit.most:
        raise TooManyRequests(seconds=max(1.0, seconds_left))


def forget_old() -> None:
    """What no window reaches any more."""
    LoginAttempts.objects.filter(since__lt=timezone.now() - _LONGEST).delete()


def _counters(email: str, address: str) -> Sequence[_Counter]:
    return (
        _Counter(_digest(email, address), PER_EMAIL_AND_ADDRESS),
        _Counter(_digest("", address), PER_ADDRESS),
    )


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _count_one(key: str, window: timedelta) -> tuple[int, float]:
    """How many there are now in this window, and the seconds until it ends."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ONE, {"key": key, "now": now, "oldest": now - window})
        count, seconds_left = cursor.fetchone()
    return count, float(seconds_left)
