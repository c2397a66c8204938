"""Where the bars of a chart stand: drawn by the server as SVG, in a box of so many units."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from whatsapp.services.figures import Figures

WIDTH: Final = 600
HEIGHT: Final = 160


@dataclass(frozen=True)
class Bar:
    """A day: `incoming` stands at the bottom and `outgoing` on it; heights and places in units of the box."""

    day: date
    figures: Figures
    x: float
    width: float
    incoming_y: float
    incoming_height: float
    outgoing_y: float
    outgoing_height: float
    has_label: bool


@dataclass(frozen=True)
class Bars:
    bars: list[Bar]
    #: The height of the box, in messages.
    top: int
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        return not any(bar.figures.incoming or bar.figures.outgoing for bar in self.bars)


def bars_of(days: Mapping[date, Figures]) -> Bars:
    top = round_up(max((each.incoming + each.outgoing for each in days.values()), default=0))
    room = WIDTH / max(1, len(days))
    bars = []
    for number, (day, each) in enumerate(days.items()):
        incoming, outgoing = (HEIGHT * count / top for count in (each.incoming, each.outgoing))
        bars.append(
            Bar(
                day=day,
                figures=each,
                x=round(number * room + room * 0.12, 1),
                width=round(room * 0.76, 1),
                incoming_y=round(HEIGHT - incoming, 1),
                incoming_height=round(incoming, 1),
                outgoing_y=round(HEIGHT - incoming - outgoing, 1),
                outgoing_height=round(outgoing, 1),
                has_label=(len(days) - 1 - number) % 7 == 0,
            )
        )
    return Bars(bars, top)


def round_up(most: int) -> int:
    """The next number that people like to read: 10, 15, 20, 30 ..."""
    unit = 10
    while True:
        for tenths in (10, 15, 20, 30, 40, 50, 60, 80):
            if most <= unit * tenths // 10:
                return unit * tenths // 10
        unit *= 10
