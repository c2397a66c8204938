"""What is set for metrics is checked at start, and processes of one run do not collide."""

import pytest
from pydantic import ValidationError

from config.env import Env
from config.stack.plan import wharfs_plan


@pytest.mark.parametrize("address", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "host:port"])
def test_an_address_has_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("WHARF_METRICS_ADDRESS", address)

    with pytest.raises(ValidationError, match="metrics_address"):
        Env()  # type: ignore[call-arg]


def test_a_token_that_can_be_guessed_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHARF_METRICS_TOKEN", "hunter2")

    with pytest.raises(ValidationError, match="metrics_token") as refused:
        Env()  # type: ignore[call-arg]
    assert "hunter2" not in str(refused.value)


def test_each_process_of_a_run_has_a_port_of_its_own() -> None:
    def addresses(environment: dict[str, str]) -> dict[str, str]:
        services = wharfs_plan(environment).services
        return {one.name: one.settings["WHARF_METRICS_ADDRESS"] for one in services if one.settings}

    assert addresses({}) == {}
    assert addresses({"METRICS_PORT": "9500"}) == {
        "worker": "127.0.0.1:9500",
        "jobs": "127.0.0.1:9501",
        "webhooks": "127.0.0.1:9502",
    }
