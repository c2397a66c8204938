"""docs/seed-checklist.md lists every row of the older systems' acceptance list, and names tests that exist."""

import re
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
PAGE: Final = TESTS.parent / "docs" / "seed-checklist.md"
ROW: Final = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)


def rows() -> list[tuple[int, str, list[str], str]]:
    """(number, what, tests, note) of each row."""
    found = ROW.findall(PAGE.read_text())
    return [(int(number), what, re.findall(r"`([^`]+)`", tests), note.strip()) for number, what, tests, note in found]


def names_in(path: str) -> set[str]:
    file = TESTS / path
    return set(re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)) if file.is_file() else set()


def test_every_row_is_there_once_in_order() -> None:
    assert [number for number, *_ in rows()] == list(range(1, 135))


@pytest.mark.parametrize(("number", "tests", "note"), [(n, tests, note) for n, _, tests, note in rows()])
def test_a_row_is_proven_or_says_why_not(number: int, tests: list[str], note: str) -> None:
    assert tests or note, f"row {number} names no test and says nothing"
    for test in tests:
        path, _, name = test.partition("::")
        known = names_in(path)
        assert name in known or (name == "*" and known), f"row {number} names {test}, which is not there"
