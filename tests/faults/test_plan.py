"""What a run will do: the same for the same seed, and of everything some."""

from collections import Counter
from functools import partial

from faults import plan
from faults.ledger import BURST


def test_the_same_seed_draws_the_same_plan_and_another_one_another() -> None:
    long, short = partial(plan.draw, messages=500, sessions=6, seconds=120.0), partial(plan.draw_short, messages=100)

    assert long(seed=1) == long(seed=1)
    assert long(seed=1) != long(seed=2)
    assert short(sessions=2, seed=1) == short(sessions=2, seed=1)


def test_a_long_run_has_the_messages_that_were_asked_for_and_every_kind_of_kill() -> None:
    drawn = plan.draw(messages=10_000, sessions=20, seconds=480.0, seed=3)

    assert len(drawn.incoming) + len(drawn.outgoing) == 10_000
    texts = [one.text for one in (*drawn.incoming, *drawn.outgoing)]
    assert len(set(texts)) == len(texts), "a text names its message"
    assert {deed.kind for deed in drawn.deeds} == {*plan.KILLS, *plan.TROUBLES}
    assert [deed.at for deed in drawn.deeds] == sorted(deed.at for deed in drawn.deeds)
    assert {one.session for one in drawn.incoming} == set(range(20))


def test_a_run_may_be_of_one_kind_of_deed() -> None:
    drawn = plan.draw(messages=500, sessions=4, seconds=60.0, seed=3, only=["host", "receiver slow"])

    assert {deed.kind for deed in drawn.deeds} == {"host", "receiver slow"}


def test_some_hosts_die_in_the_middle_of_a_burst() -> None:
    drawn = plan.draw(messages=10_000, sessions=20, seconds=480.0, seed=3)
    bursts = Counter((one.at, one.session) for one in drawn.incoming if one.text.startswith("burst"))

    aimed = [deed for deed in drawn.deeds if deed.session is not None]
    assert aimed
    assert all(any(0 < deed.at - at < 2 and deed.session == session for at, session in bursts) for deed in aimed)
    assert min(bursts.values()) > BURST, "faster than what a killed host is measured by"


def test_a_short_run_does_everything_once() -> None:
    drawn = plan.draw_short(messages=300, sessions=4, seed=5)

    assert Counter(deed.kind for deed in drawn.deeds) == Counter([*plan.KILLS, *plan.TROUBLES])
    assert len(drawn.incoming) + len(drawn.outgoing) == 300
