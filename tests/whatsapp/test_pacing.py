"""What may leave now, and until when the rest waits: decided by a given clock."""

from datetime import UTC, datetime, timedelta

import pytest

from whatsapp.services.pacing import (
    REFUSAL_PAUSES,
    Allowance,
    Hold,
    Rules,
    Standing,
    Wait,
    allowance,
    next_moment,
    pause_after,
)
from whatsapp.services.refusals import refusal_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=7)
TOMORROW = datetime(2026, 3, 2, tzinfo=UTC)


def may(rules: Rules | None = None, standing: Standing | None = None, now: datetime = NOW) -> Allowance:
    return allowance(rules or Rules(), standing or Standing(), now=now, tomorrow=TOMORROW)


def test_without_rules_and_refusals_anything_may_leave() -> None:
    assert may() == Allowance()
    assert may(standing=Standing(sent=10**6, sent_to_new=10**6)) == Allowance()


def test_with_a_gap_one_leaves_at_a_time_and_the_next_one_after_it() -> None:
    rules = Rules(min_gap=5, max_gap=9)

    assert may(rules).room == 1
    assert may(rules, Standing(next_at=SOON)) == Allowance(0, None, Wait(Hold.PACING, SOON))
    assert may(rules, Standing(next_at=SOON), now=SOON).room == 1


def test_the_gap_is_chosen_anew_between_its_ends() -> None:
    rules = Rules(min_gap=5, max_gap=9)

    assert next_moment(rules, NOW, choose=lambda least, most: (least + most) / 2) == SOON
    chosen = {next_moment(rules, NOW) for _ in range(20)}
    assert len(chosen) > 1
    assert all(timedelta(seconds=5) <= each - NOW <= timedelta(seconds=9) for each in chosen)


def test_a_days_texts_are_counted_down_and_the_rest_waits_for_tomorrow() -> None:
    rules = Rules(daily_limit=10)

    assert may(rules, Standing(sent=7)) == Allowance(room=3)
    assert may(rules, Standing(sent=12)) == Allowance(0, None, Wait(Hold.DAILY_LIMIT, TOMORROW))


def test_a_limit_for_new_people_leaves_the_others_alone() -> None:
    allowed = may(Rules(new_chat_limit=2), Standing(sent_to_new=2))

    assert (allowed.room, allowed.new_room) == (None, 0)
    assert allowed.wait_of(is_new=False) is None
    assert allowed.wait_of(is_new=True) == Wait(Hold.NEW_CHAT_LIMIT, TOMORROW)


def test_after_a_refusal_new_people_wait_and_then_one_text_tries() -> None:
    held = Standing(refusals=1, new_chats_after=SOON)

    assert may(standing=held) == Allowance(None, 0, None, Wait(Hold.NEW_CHATS_REFUSED, SOON))
    assert may(standing=held, now=SOON) == Allowance(None, 1, None, None)


def test_what_all_wait_for_is_said_before_what_new_people_wait_for() -> None:
    standing = Standing(next_at=SOON, refusals=1, new_chats_after=TOMORROW)

    assert may(Rules(max_gap=1), standing).wait_of(is_new=True) == Wait(Hold.PACING, SOON)


def test_each_refusal_in_a_row_makes_the_pause_longer_up_to_a_day() -> None:
    pauses = [pause_after(number) for number in range(1, 9)]

    assert pauses == sorted(pauses)
    assert pauses[: len(REFUSAL_PAUSES)] == list(REFUSAL_PAUSES)
    assert pauses[-1] == timedelta(days=1)


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ("server returned error 463", "new_chats_restricted"),
        ("failed to send: server returned error 475", "new_chats_used_up"),
        ("server returned error 429: rate-overlimit", "rate_limited"),
        ("failed to get device list: info query returned status 429: rate-overlimit", "rate_limited"),
        ("server returned error 479", "whatsapp_479"),
        ("server returned error " + "9" * 300, "whatsapp_" + "9" * 20),
        ("no LID found for 49 from server", "not_on_whatsapp"),
        ("server returned error", "refused"),
        ("", "refused"),
    ],
)
def test_a_refusal_has_a_stable_code(detail: str, code: str) -> None:
    assert refusal_of(detail).code == code
