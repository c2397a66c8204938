"""The dashboard and the alert rules name only metrics and labels that exist, and the manual knows every alert."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.census import QUESTIONS
from fleet.reasons import Reason
from fleet.states import Happening, State, Wanted
from wharf import metrics
from wharf.metrics import REGISTRY
from whatsapp.engine.port import SendOutcome
from whatsapp.models import MessageStatus

DOCS = Path(__file__).resolve().parent.parent / "docs"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
#: Of the scrape itself.
OUTSIDE = {"up"}
ADDED = {"job", "instance", "le"}


def alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    board = json.loads((DOCS / "grafana" / "wharf.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


@pytest.fixture(scope="module")
def existing(django_db_setup: None) -> set[str]:
    names = {told.name for question in QUESTIONS for told in question.told} | {"wharf_census_up"}
    for family in REGISTRY.collect():
        names |= {family.name + suffix for suffix in SUFFIXES.get(family.type, ("",))}
    return names


def labels() -> set[str]:
    told = {label for question in QUESTIONS for one in question.told for label in one.labels}
    made = {label for one in vars(metrics).values() for label in getattr(one, "_labelnames", ())}
    return told | made | {"state"} | ADDED


def test_every_metric_that_is_asked_for_exists(existing: set[str]) -> None:
    named = {name for one in expressions() for name in re.findall(r"\b(?:wharf|process)_\w+|\bup\b", one)}

    assert named <= existing | OUTSIDE
    assert len(named) > 30


def test_every_metric_of_ours_is_on_the_dashboard(existing: set[str]) -> None:
    asked = " ".join(expressions())
    ours = {name for name in existing if name.startswith("wharf_") and not name.endswith(("_sum", "_count"))}

    assert {name for name in ours if name not in asked} == {"wharf_database_connections_max"}


def test_every_label_that_is_asked_for_exists() -> None:
    known = labels()
    for one in expressions():
        matched = {name for inside in re.findall(r"\{([^}]*)\}", one) for name in re.findall(r"(\w+)\s*[=!]", inside)}
        grouped = {name.strip() for inside in re.findall(r"\bby \(([^)]*)\)", one) for name in inside.split(",")}
        assert matched | grouped <= known, one


def test_every_alert_says_what_to_do() -> None:
    page = (DOCS / "operations.md").read_text()
    rows = re.findall(r"^\| `(Wharf\w+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    names = [rule["alert"] for rule in alerts()]

    assert sorted(rows) == sorted(names)
    assert len(set(names)) == len(names)
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_values_that_alerts_look_for_are_ones_that_are_told() -> None:
    known: dict[str, set[str]] = {
        "state": {*State},
        "reason": {*Reason},
        "wanted": {*Wanted},
        "happening": {*Happening},
        "status": set(MessageStatus.values),
        "outcome": {*SendOutcome, "2xx"},
    }
    for one in expressions():
        for label, value in re.findall(r'(\w+)\s*(?:!=|=~|=)\s*"([^"]*)"', one):
            assert label not in known or set(value.split("|")) <= known[label], one
