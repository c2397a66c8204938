"""docker-compose.yml, the Dockerfile and docs/operations.md name only what exists."""

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from config.env import Env
from config.stack.plan import wharfs_plan

ROOT = Path(__file__).resolve().parent.parent.parent
VARIABLES = {f"WHARF_{name.upper()}" for name in Env.model_fields}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in compose["services"].items() if one["image"].startswith("wharf:")}


def test_every_service_runs_a_command_that_exists(compose: dict[str, Any]) -> None:
    commands = [one["command"] for one in ours(compose).values() if "command" in one]
    commands += [list(service.command) for service in wharfs_plan({}).services]

    named = {command[command.index(word) + 1] for command in commands for word in command if "manage.py" in word}

    assert named == {"upgrade", "runsessions", "runjobs", "runsandbox", "runwebhooks", "session_monitor"}
    assert named <= set(get_commands())


def test_what_is_tested_on_one_python_is_what_another_one_gets() -> None:
    """The image's Python is not the one that most tests run on (ADR 0008)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {re.match(r"[\w-]+", each)[0] for each in project["dependencies"]}  # type: ignore[index]
    locked = Counter(package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"])

    assert {name: locked[name] for name in named if locked[name] != 1} == {}


def test_every_variable_of_ours_is_one_that_the_settings_know(compose: dict[str, Any]) -> None:
    for one in ours(compose).values():
        assert {name for name in one["environment"] if name.startswith("WHARF_")} <= VARIABLES
    assert set(re.findall(r"WHARF_[A-Z_]+", (ROOT / "Dockerfile").read_text())) <= VARIABLES
    assert set(wharfs_plan({}).settings) <= VARIABLES


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    for name in re.findall(r"\$\{([A-Z_]*(?:PASSWORD|SECRET)[A-Z_]*)", text):
        assert re.findall(rf"\$\{{{name}(..)", text) == [":?"] * text.count("${" + name), name


def test_workers_share_no_volume(compose: dict[str, Any]) -> None:
    workers = [one for one in ours(compose).values() if "runsessions" in one.get("command", [])]

    assert workers
    assert all(one["hostname"] for one in workers)
    volumes = [volume for one in workers for volume in one["volumes"]]
    assert len(volumes) == len(set(volumes))


def test_what_the_image_copies_is_not_ignored() -> None:
    kept = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench", "faults"}

    assert packages | {"manage.py", "pyproject.toml", "uv.lock", "templates", "static", "locale"} == kept


def test_the_operations_page_has_every_variable() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = set(re.findall(r"^\| `(WHARF_[A-Z_]+)` \|", page, re.MULTILINE))

    assert rows == VARIABLES


def test_the_logs_of_every_service_are_bounded(compose: dict[str, Any]) -> None:
    for name, one in compose["services"].items():
        options = one["logging"]["options"]
        assert {"max-size", "max-file"} <= set(options), name
