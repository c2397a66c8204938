"""When hosts are merged, as the environment says it."""

import pytest
from pydantic import ValidationError

from config.env import Env


@pytest.mark.parametrize(("hours", "window"), [("", (0, 0)), ("2-5", (2, 5)), ("22-06", (22, 6)), ("20-24", (20, 0))])
def test_hours_are_read(monkeypatch: pytest.MonkeyPatch, hours: str, window: tuple[int, int]) -> None:
    monkeypatch.setenv("WHARF_REPACK_HOURS", hours)

    assert Env().repack_window == window  # type: ignore[call-arg]


@pytest.mark.parametrize("hours", ["2", "25-3", "2-25", "two-five", "2-5-8"])
def test_what_is_no_window_is_refused(monkeypatch: pytest.MonkeyPatch, hours: str) -> None:
    monkeypatch.setenv("WHARF_REPACK_HOURS", hours)

    with pytest.raises(ValidationError, match="repack_hours"):
        Env()  # type: ignore[call-arg]
