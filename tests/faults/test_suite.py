"""The fault suite's short form: each part of the product is killed once under load, and no promise is broken.

`make faults` does the same with ten thousand messages and as many kills as fit in (docs/faults.md).
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import plan, report, suite
from tests.product import forget_database

SEED = 20_26


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    forget_database(tmp_path)


@pytest.mark.story
def test_nothing_is_lost_when_every_part_is_killed_under_load(folder: Path) -> None:
    outcome = suite.run(plan.draw_short(messages=300, sessions=4, seed=SEED), folder, print)

    assert report.is_good(outcome), report.text_of(outcome)
    assert Counter(kill.kind for kill in outcome.kills) == Counter([*plan.KILLS, *plan.TROUBLES])
    assert len(outcome.evidence.spoken) == 240
    assert len(outcome.evidence.asked) == 60
    assert outcome.evidence.came, "the receiver heard of them"
