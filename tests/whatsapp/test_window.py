"""How many texts may be under way at once: as many as leave soon."""

import pytest

from whatsapp.worker import patience
from whatsapp.worker.window import Window

NOW = 1000.0


def test_a_few_may_be_under_way_before_anything_was_answered() -> None:
    assert Window().size(now=NOW) == patience.IN_FLIGHT


@pytest.mark.parametrize(
    ("answered", "size"),
    [
        (patience.IN_FLIGHT - 1, patience.IN_FLIGHT),
        (patience.IN_FLIGHT + 5, patience.IN_FLIGHT + 5),
        (patience.MOST_IN_FLIGHT + 1, patience.MOST_IN_FLIGHT),
    ],
)
def test_it_is_what_was_answered_in_the_last_moments_within_bounds(answered: int, size: int) -> None:
    window = Window()
    for number in range(answered):
        window.note(1, now=NOW - patience.WINDOW_SECONDS * number / answered)

    assert window.size(now=NOW) == size


def test_what_was_answered_earlier_counts_no_more() -> None:
    window = Window()
    window.note(patience.MOST_IN_FLIGHT, now=NOW)

    assert window.size(now=NOW + patience.WINDOW_SECONDS * 0.9) == patience.MOST_IN_FLIGHT
    assert window.size(now=NOW + patience.WINDOW_SECONDS * 1.1) == patience.IN_FLIGHT


def test_news_of_no_answer_changes_nothing() -> None:
    window = Window()
    window.note(0, now=NOW)

    assert window.size(now=NOW) == patience.IN_FLIGHT
