"""The table of a session's life: every arrow, and nothing beside it."""

import itertools

import pytest

from fleet.reasons import SENTENCES, Reason
from fleet.states import LIVE, NEEDS_A_PERSON, TRANSITIONS, Happening, State, diagram, next_state


@pytest.mark.parametrize(("before", "happening"), list(itertools.product(State, Happening)))
def test_only_what_the_table_says_may_follow(before: State, happening: Happening) -> None:
    assert next_state(before, happening) == TRANSITIONS.get((before, happening))


def test_every_state_can_be_reached_and_left() -> None:
    for state in State:
        assert state in TRANSITIONS.values() or state == State.UNPAIRED
        assert any(before == state and after != state for (before, _), after in TRANSITIONS.items())


def test_nothing_but_a_start_brings_a_session_online_that_needs_a_person() -> None:
    for (before, happening), after in TRANSITIONS.items():
        if before in NEEDS_A_PERSON and after in LIVE:
            assert happening == Happening.STARTED


@pytest.mark.parametrize("state", sorted(LIVE))
def test_whatever_lives_can_be_settled_when_nobody_wants_it(state: State) -> None:
    for happening in (Happening.PAUSED, Happening.PAIRING_ENDED):
        after = next_state(state, happening)
        assert after is not None
        assert after not in LIVE


def test_connected_is_said_only_after_the_engines_own_word() -> None:
    assert {happening for (_, happening), after in TRANSITIONS.items() if after == State.CONNECTED} == {
        Happening.CONNECTED
    }


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(SENTENCES[reason] for reason in Reason if reason)


def test_the_diagram_shows_every_arrow() -> None:
    assert diagram().count("-->") == len(TRANSITIONS) + 1
