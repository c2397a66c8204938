"""Which hosts are merged, and when: the rules alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.worker import repacking
from whatsapp.worker.packing import WORTH, HostLook, Hours, choose
from whatsapp.worker.repacking import Policy, Repacking

SIZE = 25
LONG = 1000.0

LOOKS = st.lists(
    st.tuples(st.sampled_from(["whatsapp", "sandbox"]), st.integers(1, SIZE), st.none() | st.floats(0, 2 * LONG)),
    max_size=12,
).map(lambda rows: [HostLook(number, *row) for number, row in enumerate(rows)])


def hosts(*sizes: int, network: str = "whatsapp", quiet: float | None = LONG) -> list[HostLook[str]]:
    return [HostLook(f"{network} {number}", network, size, quiet) for number, size in enumerate(sizes)]


def chosen(looks: list[HostLook[str]], *, is_thrifty: bool = True) -> list[int]:
    """The sizes of what is merged."""
    found = choose(looks, size=SIZE, quiet_seconds=LONG, is_thrifty=is_thrifty)
    return [look.sessions for host in found for look in looks if look.host == host]


@given(LOOKS, st.booleans())
def test_whatever_is_merged_fits_is_quiet_of_one_network_and_saves_a_host(
    looks: list[HostLook[int]], is_thrifty: bool
) -> None:
    found = choose(looks, size=SIZE, quiet_seconds=LONG, is_thrifty=is_thrifty)

    merged = [looks[number] for number in found]
    assert len(merged) != 1
    assert len(set(found)) == len(found)
    assert sum(look.sessions for look in merged) <= SIZE
    assert len({look.network for look in merged}) <= 1
    assert all(look.quiet_seconds is not None and look.quiet_seconds >= LONG for look in merged)


@pytest.mark.parametrize("count", [2, 24, 25, 26, 51, 60])
def test_of_the_links_of_a_day_no_more_hosts_are_left_than_have_to_be(count: int) -> None:
    groups = [1] * count
    while merged := choose(hosts(*groups), size=SIZE, quiet_seconds=LONG, is_thrifty=False):
        numbers = {int(name.split()[1]) for name in merged}
        together = sum(groups[number] for number in numbers)
        groups = [size for number, size in enumerate(groups) if number not in numbers] + [together]

    assert (len(groups), sum(groups)) == (-(-count // SIZE), count)


def test_new_links_are_merged_and_a_host_that_is_full_stays() -> None:
    assert chosen(hosts(1, 1, 1, SIZE)) == [1, 1, 1]


def test_a_large_host_is_not_taken_down_for_a_few_small_ones_unless_somebody_asks() -> None:
    assert chosen(hosts(1, 20)) == []
    assert chosen(hosts(*[1] * 4, 20)) == [1, 1, 1, 1]
    assert chosen(hosts(*[1] * 10, 2 * WORTH)) == [*[1] * 10, 2 * WORTH]
    assert chosen(hosts(1, 20), is_thrifty=False) == [1, 20]


def test_what_was_moved_is_moved_again_only_seldom() -> None:
    """A hundred links, one after another: each session has moved a few times, and not a hundred."""
    sizes: list[tuple[int, ...]] = []
    moves = [0] * 100
    for link in range(100):
        sizes.append((link,))
        looks = [HostLook(group, "whatsapp", len(group), LONG) for group in sizes]
        merged = choose(looks, size=SIZE, quiet_seconds=LONG)
        for session in [session for group in merged for session in group]:
            moves[session] += 1
        sizes = [group for group in sizes if group not in merged]
        sizes += [tuple(session for group in merged for session in group)] if merged else []

    assert max(moves) <= 12
    assert len(sizes) <= 12


def test_a_session_that_is_busy_keeps_its_whole_host_where_it_is() -> None:
    busy, unmovable = hosts(1, network="busy", quiet=LONG - 1), hosts(1, network="unmovable", quiet=None)
    looks = [HostLook(look.host, "whatsapp", 1, look.quiet_seconds) for look in [*hosts(1, 1), *busy, *unmovable]]

    assert choose(looks, size=SIZE, quiet_seconds=LONG) == ["whatsapp 0", "whatsapp 1"]


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [(Hours(2, 5), [2, 4], [1, 5, 23]), (Hours(22, 6), [22, 0, 5], [6, 21]), (Hours(), [0, 12, 23], [])],
)
def test_hours_reach_over_midnight(hours: Hours, inside: list[int], outside: list[int]) -> None:
    assert all(map(hours.contain, inside))
    assert not any(map(hours.contain, outside))


# -- when ------------------------------------------------------------------------------------------------------------
def packing(monkeypatch: pytest.MonkeyPatch, policy: Policy) -> Repacking:
    monkeypatch.setattr(repacking, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(repacking, "MOST_IN_AN_HOUR", 2)
    return Repacking(policy)


def test_a_worker_does_it_only_so_often_in_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    by_itself = packing(monkeypatch, Policy(LONG))

    done = [len(by_itself.choose(hosts(1, 1), SIZE)) for _ in range(4)]

    assert done == [2, 2, 0, 0]


def test_it_can_be_switched_off_and_kept_to_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = datetime.now(UTC).hour
    elsewhere = Hours((hour + 5) % 24, (hour + 7) % 24)

    assert packing(monkeypatch, Policy(0.0)).choose(hosts(1, 1), SIZE) == []
    assert packing(monkeypatch, Policy(LONG, elsewhere)).choose(hosts(1, 1), SIZE) == []


def test_an_operators_wish_counts_once_at_any_hour_and_for_small_gains_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = datetime.now(UTC)
    worker = packing(monkeypatch, Policy(0.0))
    worker.hear(asked)

    assert len(worker.choose(hosts(1, 20), SIZE)) == 2
    monkeypatch.setattr(worker, "_wish_ends", 0.0)
    worker.hear(asked)
    assert worker.choose(hosts(1, 20), SIZE) == []
    worker.hear(asked + timedelta(seconds=1))
    assert len(worker.choose(hosts(1, 20), SIZE)) == 2


def test_what_was_merged_for_a_wish_is_not_taken_down_for_each_that_becomes_quiet_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = packing(monkeypatch, Policy(0.0))
    worker.hear(datetime.now(UTC))

    assert len(worker.choose(hosts(1, 20), SIZE)) == 2
    assert worker.choose(hosts(1, 20), SIZE) == []
    assert len(worker.choose(hosts(1, 1), SIZE)) == 2
