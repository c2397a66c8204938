"""Answers to a flood of texts are told once a second; everything else, and every message, at once."""

import pytest

from whatsapp.engine.telling import ANSWERS_SECONDS, MANY, Telling

NOW = 1000.0


@pytest.fixture
def telling() -> Telling:
    """Of a session that was told of just now."""
    telling = Telling()
    telling.begin(NOW)
    return telling


def order(telling: Telling, count: int) -> None:
    for _ in range(count):
        telling.note_ordered()


def test_few_texts_are_answered_at_once(telling: Telling) -> None:
    order(telling, MANY - 1)
    telling.note_news(is_answer=True)

    assert telling.due() < NOW


def test_answers_to_a_flood_wait_for_each_other(telling: Telling) -> None:
    order(telling, MANY)
    telling.note_news(is_answer=True)

    assert telling.due() == NOW + ANSWERS_SECONDS


def test_the_first_answer_of_a_flood_does_not_wait() -> None:
    telling = Telling()
    order(telling, MANY)
    telling.note_news(is_answer=True)

    assert telling.due() < NOW


def test_the_last_answers_of_a_flood_do_not_wait(telling: Telling) -> None:
    order(telling, MANY)
    telling.note_done()
    telling.note_news(is_answer=True)

    assert telling.due() < NOW


def test_what_somebody_says_does_not_wait_for_answers(telling: Telling) -> None:
    order(telling, MANY)
    telling.note_news(is_answer=True)
    telling.note_news(is_answer=False)
    telling.note_news(is_answer=True)

    assert telling.due() < NOW
    telling.begin(NOW)
    assert telling.due() == NOW + ANSWERS_SECONDS
