"""How many texts may leave now, and until when the others wait. Pure: no database and no clock of its own.

A text waits for what its sender said (`scheduled`), for people here (`paused`), for the connection, for the pace that
the company set, or for WhatsApp: after it refused a text to somebody who never wrote to us, texts to such people wait,
and replies go on.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from wharf.errors import sentence

#: How long texts to new people wait after so many refusals in a row; the last one for ever.
REFUSAL_PAUSES: Final = tuple(timedelta(hours=hours) for hours in (0.25, 1, 3, 6, 12, 24))
#: A text that is to find out whether WhatsApp takes them again has this long to be answered; then another one tries.
PROBE: Final = timedelta(minutes=5)
#: After too many requests everything rests.
SLOW_DOWN: Final = timedelta(minutes=2)


class Hold(StrEnum):
    """Why a text has not left yet; API clients read these."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    NOT_CONNECTED = "not_connected"
    PACING = "pacing"
    DAILY_LIMIT = "daily_limit"
    NEW_CHAT_LIMIT = "new_chat_limit"
    NEW_CHATS_REFUSED = "new_chats_refused"


#: What people read of each.
WHY: Final[dict[Hold, str]] = {
    Hold.SCHEDULED: sentence("It is to leave later."),
    Hold.PAUSED: sentence("Sending was stopped here."),
    Hold.NOT_CONNECTED: sentence("The number is not connected."),
    Hold.PACING: sentence("There is a pause between messages."),
    Hold.DAILY_LIMIT: sentence("As many messages as may leave in a day have left."),
    Hold.NEW_CHAT_LIMIT: sentence("As many messages to new people as may leave in a day have left."),
    Hold.NEW_CHATS_REFUSED: sentence("WhatsApp refuses messages to new people for now."),
}


@dataclass(frozen=True)
class Wait:
    """`until` is None when a person has to act, or nobody can know."""

    reason: Hold
    until: datetime | None = None


@dataclass(frozen=True)
class Rules:
    """What the company wants: seconds between texts, and texts a day; the zero rule holds nothing back."""

    min_gap: float = 0.0
    max_gap: float = 0.0
    daily_limit: int | None = None
    new_chat_limit: int | None = None


@dataclass(frozen=True)
class Standing:
    """What has happened so far: today's counts, and WhatsApp's refusals."""

    next_at: datetime | None = None
    sent: int = 0
    sent_to_new: int = 0
    refusals: int = 0
    new_chats_after: datetime | None = None


@dataclass(frozen=True)
class Allowance:
    """So many may leave now, and so many of them to people who never wrote to us; None is any number.

    `wait` is what those wait for that may not leave, `new_wait` what those to new people wait for besides.
    """

    room: int | None = None
    new_room: int | None = None
    wait: Wait | None = None
    new_wait: Wait | None = None

    def wait_of(self, *, is_new: bool) -> Wait | None:
        return self.wait or (self.new_wait if is_new else None)


def allowance(rules: Rules, standing: Standing, *, now: datetime, tomorrow: datetime) -> Allowance:
    """`tomorrow` is when the company's next day begins, and the counts with it."""
    room, wait = _room(rules, standing, now, tomorrow)
    new_room, new_wait = _new_room(rules, standing, now, tomorrow)
    return Allowance(room, new_room, wait, new_wait)


def _room(rules: Rules, standing: Standing, now: datetime, tomorrow: datetime) -> tuple[int | None, Wait | None]:
    left = None if rules.daily_limit is None else max(0, rules.daily_limit - standing.sent)
    if left == 0:
        return 0, Wait(Hold.DAILY_LIMIT, tomorrow)
    if standing.next_at is not None and now < standing.next_at:
        return 0, Wait(Hold.PACING, standing.next_at)
    return (1 if rules.max_gap > 0 else left), None


def _new_room(rules: Rules, standing: Standing, now: datetime, tomorrow: datetime) -> tuple[int | None, Wait | None]:
    after = standing.new_chats_after
    if standing.refusals and after is not None and now < after:
        return 0, Wait(Hold.NEW_CHATS_REFUSED, after)
    left = None if rules.new_chat_limit is None else max(0, rules.new_chat_limit - standing.sent_to_new)
    if left == 0:
        return 0, Wait(Hold.NEW_CHAT_LIMIT, tomorrow)
    return (1 if standing.refusals else left), None


def next_moment(rules: Rules, now: datetime, choose: Callable[[float, float], float] = random.uniform) -> datetime:
    """When the next text may leave after one that leaves now: never in the same rhythm."""
    return now + timedelta(seconds=choose(rules.min_gap, rules.max_gap))


def pause_after(refusals: int) -> timedelta:
    """How long texts to new people wait after so many refusals in a row (at least one)."""
    return REFUSAL_PAUSES[min(max(refusals, 1), len(REFUSAL_PAUSES)) - 1]
