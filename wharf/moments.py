"""Moments as clients read them."""

from datetime import UTC, datetime


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and `Z`, as the older systems wrote it."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
