"""At a glance: who was online, how much was said, how soon it was answered and how soon it arrived here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from accounts.pages import PageRequest
from fleet.states import State
from wharf.errors import sentence
from whatsapp.pages.base import page, show
from whatsapp.pages.cards import Card, cards_for
from whatsapp.pages.charts import bars_of
from whatsapp.pages.words import face_of_state
from whatsapp.services import figures
from whatsapp.services.figures import Stretch

DAYS: Final = 30
LATELY: Final = 7
SPANS: Final = {"day": timedelta(days=1), "week": timedelta(days=7)}
#: For the buckets of `figures`.
REPLIES: Final = (
    sentence("under 1 minute"),
    sentence("1 to 5 minutes"),
    sentence("5 to 15 minutes"),
    sentence("15 to 60 minutes"),
    sentence("1 to 4 hours"),
    sentence("4 to 24 hours"),
    sentence("longer than a day"),
)
LAGS: Final = (
    sentence("under 2 seconds"),
    sentence("2 to 5 seconds"),
    sentence("5 to 30 seconds"),
    sentence("30 seconds to 5 minutes"),
    sentence("5 to 60 minutes"),
    sentence("longer than an hour"),
)


@dataclass(frozen=True)
class Share:
    """One bucket: `percent` of all, and how wide its bar is of 100."""

    label: str
    number: int
    percent: int
    width: float


@dataclass(frozen=True)
class Segment:
    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True)
class Strip:
    """One number's states over time; `online` is the part of the time that it was connected, in percent."""

    card: Card
    segments: Sequence[Segment]
    online: int | None


@require_safe
@page
def overview(request: PageRequest) -> HttpResponse:
    by = request.caller.actor
    span = request.GET.get("span", "")
    span = span if span in SPANS else "day"
    days = figures.days(by=by, count=DAYS)
    lately = figures.total(list(days.values())[-LATELY:])
    context = {
        "strips": strips_of(cards_for(by), SPANS[span]),
        "span": span,
        "bars": bars_of(days),
        "table": list(reversed(days.items())),
        "month": figures.total(days.values()),
        "replies": shares_of(lately.replies, REPLIES),
        "answered_by": _half(lately.replies, REPLIES),
        "lags": shares_of(lately.lags, LAGS),
        "lately": LATELY,
    }
    return show(request, "pages/dashboard.html", context, parts={"overview": "pages/parts/dashboard.html"})


def shares_of(counts: Sequence[int], labels: Sequence[str]) -> list[Share]:
    """Empty when there is nothing to share."""
    whole, most = sum(counts), max(counts)
    if not whole:
        return []
    return [
        Share(gettext(label), number, round(100 * number / whole), round(100 * number / most, 1))
        for label, number in zip(labels, counts, strict=True)
    ]


def _half(counts: Sequence[int], labels: Sequence[str]) -> str:
    """The bucket in which the median lies."""
    seen = 0
    for number, label in zip(counts, labels, strict=True):
        seen += number
        if number and 2 * seen >= sum(counts):
            return gettext(label)
    return ""


def strips_of(cards: Sequence[Card], span: timedelta) -> list[Strip]:
    now = timezone.now()
    told = figures.stretches([card.id for card in cards], since=now - span, until=now)
    return [Strip(card, segments_of(told[card.id]), _online(told[card.id])) for card in cards]


#: Of a strip's thousand: what is now can be seen, however short it has been.
_NOW_AT_LEAST: Final = 12.0


def segments_of(stretches: Sequence[Stretch]) -> list[Segment]:
    return [_segment(each, 0.0 if each is not stretches[-1] else _NOW_AT_LEAST) for each in stretches]


def _segment(stretch: Stretch, least: float) -> Segment:
    tone, title = face_of_state(stretch.state)
    start = min(1000 * stretch.start, 1000 * stretch.end - least)
    return Segment(round(start, 1), round(1000 * stretch.end - start, 1), tone, title)


def _online(stretches: Sequence[Stretch]) -> int | None:
    known = sum(each.end - each.start for each in stretches)
    online = sum(each.end - each.start for each in stretches if each.state == State.CONNECTED)
    # Never a full hundred for something that was away.
    return int(100 * online / known + 1e-9) if known else None
