"""What is set for lost disks is checked at start: too short a patience would take numbers from living workers."""

import pytest
from pydantic import ValidationError

from config.env import Env


@pytest.mark.parametrize("seconds", ["1", "59", "-1", "soon"])
def test_a_patience_that_leaves_connections_no_time_to_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("WHARF_LOST_DISK_SECONDS", seconds)

    with pytest.raises(ValidationError, match="lost_disk_seconds"):
        Env()  # type: ignore[call-arg]


@pytest.mark.parametrize("seconds", ["0", "60", "300"])
def test_never_and_a_minute_or_more_are_taken(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv("WHARF_LOST_DISK_SECONDS", seconds)

    assert Env().lost_disk_seconds == int(seconds)  # type: ignore[call-arg]
