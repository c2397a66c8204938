"""Calls that are said again although they were answered, as client 4 does with `retries` and no `ackTimeout`."""

from itertools import count

import pytest

from whatsapp.socketio import repeats
from whatsapp.socketio.repeats import REFUSED, Repeats


class Talk:
    """A client that waits for each answer. Counts how often each call was done."""

    def __init__(self) -> None:
        self.repeats = Repeats()
        self.done: list[str] = []
        self._numbers = map(str, count())

    def says(self, call: str, times: int = 1) -> list[str]:
        return [self._says(call) for _ in range(times)]

    def refuses(self, call: str, times: int) -> None:
        for _ in range(times):
            self._says(call, REFUSED)

    def _says(self, call: str, answer: str = "") -> str:
        number = next(self._numbers)
        known = self.repeats.known_answer(call, number)
        if known is not None:
            return known
        self.done.append(call)
        answer = answer or f"{call} {len(self.done)}"
        self.repeats.answered(number, answer)
        return answer


def test_what_is_said_four_times_is_done_once_and_answered_four_times() -> None:
    talk = Talk()

    assert talk.says("send a", 4) == ["send a 1"] * 4
    assert talk.done == ["send a"]


def test_a_client_that_repeats_may_say_the_same_twice() -> None:
    talk = Talk()
    talk.says("join", 4)
    talk.says("send a", 8)

    assert talk.done == ["join", "send a", "send a"]


@pytest.mark.parametrize("retries", [1, 2, 5])
def test_how_often_a_client_repeats_is_learned(retries: int) -> None:
    talk = Talk()
    talk.says("join", 1 + retries)
    talk.done.clear()
    talk.says("send a", 1 + retries)
    talk.says("send b", 1 + retries)

    assert talk.done == ["send a", "send b"]


def test_a_client_that_does_not_repeat_is_believed() -> None:
    talk = Talk()
    talk.says("join")
    talk.says("send a", 3)

    assert talk.done == ["join", "send a", "send a", "send a"]


def test_later_it_is_something_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "AT_ONCE_SECONDS", 0)
    talk = Talk()
    talk.says("send a", 2)

    assert talk.done == ["send a", "send a"]


def test_what_was_not_answered_is_not_a_repetition() -> None:
    silent = Repeats()

    assert silent.known_answer("send a", "1") is None
    assert silent.known_answer("send a", "2") is None


def test_what_was_refused_is_asked_anew_and_teaches_nothing() -> None:
    talk = Talk()
    talk.refuses("join", 2)
    talk.says("join")
    talk.says("look")
    talk.says("send ok", 2)

    assert talk.done == ["join", "join", "join", "look", "send ok", "send ok"]


def test_who_repeats_is_known_after_a_refusal_too() -> None:
    talk = Talk()
    talk.refuses("join", 4)
    talk.says("send a", 4)
    talk.says("send b", 4)

    assert talk.done[4:] == ["send a", "send b"]


def test_nothing_is_answered_from_memory_when_rights_have_changed() -> None:
    talk = Talk()
    talk.says("join")
    talk.repeats.forget()
    talk.says("join")

    assert talk.done == ["join", "join"]
