"""Tables, sizes and ages for people at a terminal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with columns as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def words_for_size(count: float) -> str:
    """`832 B`, `1.4 MB`; thousands, as disks are sold."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


def words_for_age(since: datetime | None, now: datetime) -> str:
    """`40 s`, `12 min`, `5 h`, `3 d`; `-` for never. A moment that is to come has a plus in front."""
    if since is None:
        return "-"
    span = now - since
    sign = "+" if span < timedelta() else ""
    seconds = abs(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{sign}{seconds / size:.0f} {unit}"
    return f"{sign}{seconds:.0f} s"
