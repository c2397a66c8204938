"""The ledger of the fault suite: a run in which all went well keeps every promise, and each harm breaks its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from faults.ledger import (
    Acknowledged,
    Asked,
    Came,
    Evidence,
    Handed,
    Kill,
    Logged,
    Promise,
    Row,
    Spoken,
    Verdict,
    judge,
)

HOST = Kill("host", 100.0, frozenset({"s1"}))


def logged(position: int, kind: str, message_id: str, company: str = "acme", session_id: str = "s1") -> Logged:
    return Logged(company, position, position, f"{company}-e{position}", kind, session_id, message_id)


def came(one: Logged) -> Came:
    return Came(one.company, one.position, one.seq, one.id, one.session_id)


LOG = (
    logged(1, "message.new", "m1"),
    logged(2, "message.new", "m2"),
    logged(3, "message.new", "m3"),
    logged(4, "message.status", "m3"),
    logged(1, "message.new", "g1", "globex", "s2"),
)
#: Two messages come in and one leaves at Acme's session, one comes in at Globex's.
WELL = Evidence(
    companies={"s1": "acme", "s2": "globex"},
    spoken=(
        Spoken("A", "s1", "first", 99.0),
        Spoken("B", "s1", "second", 99.5),
        Spoken("C", "s2", "elsewhere", 99.5),
    ),
    acknowledged=(
        Acknowledged("A", "s1", 99.1, [Handed(99.0)]),
        Acknowledged("B", "s1", 99.9, [Handed(99.5)]),
        Acknowledged("C", "s2", 99.9, [Handed(99.5)]),
    ),
    asked=(Asked("answer", "s1", "m3"),),
    rows=(
        Row("acme", "m1", "s1", "A", False, "first", "received"),
        Row("acme", "m2", "s1", "B", False, "second", "received"),
        Row("acme", "m3", "s1", "X", True, "answer", "delivered"),
        Row("globex", "g1", "s2", "C", False, "elsewhere", "received"),
    ),
    log=LOG,
    came=tuple(came(one) for one in LOG),
    read=tuple((one.company, one.position, one.id) for one in LOG),
    heard_from={"acme": 0, "globex": 0},
    read_from={"acme": 0, "globex": 0},
    arrived={"answer": 1},
    left={"answer"},
)


def broken(seen: Evidence) -> set[Promise]:
    return {promise for promise, found in judge(seen).broken.items() if found}


def with_row(seen: Evidence, row_id: str, **changes: object) -> Evidence:
    rows = [replace(row, **changes) if row.id == row_id else row for row in seen.rows]  # type: ignore[arg-type]
    return replace(seen, rows=rows)


def without(seen: Evidence, message_id: str) -> Evidence:
    """A message that never came to be stored, and no number missing for it."""
    log = [logged(1, "message.new", "m1"), logged(2, "message.new", "m3"), logged(3, "message.status", "m3")]
    log = [*log, LOG[4]] if message_id == "m2" else list(seen.log)
    return replace(
        seen,
        rows=[row for row in seen.rows if row.id != message_id],
        log=log,
        came=[came(one) for one in log],
        read=[(one.company, one.position, one.id) for one in log],
    )


def test_a_run_in_which_all_went_well_keeps_every_promise() -> None:
    verdict = judge(WELL)

    assert verdict.is_kept
    assert set(verdict.broken) == set(Promise), "every promise is looked at"
    assert (verdict.repeats, dict(verdict.sends), list(verdict.host_kills)) == (0, {"delivered": 1}, [])


def test_nothing_at_all_keeps_every_promise_too() -> None:
    assert judge(Evidence(companies={})).is_kept


HARMS: dict[str, tuple[Callable[[Evidence], Evidence], set[Promise]]] = {
    "a message is lost": (lambda seen: without(seen, "m2"), {Promise.STORED}),
    "a message is stored twice": (
        lambda seen: replace(seen, rows=[*seen.rows, Row("acme", "m9", "s1", "A", False, "first", "received")]),
        {Promise.STORED, Promise.LOGGED},
    ),
    "a message is stored as another text": (lambda seen: with_row(seen, "m1", text="worst"), {Promise.STORED}),
    "a message stays unreadable": (lambda seen: with_row(seen, "m1", status="unreadable"), {Promise.STORED}),
    "a message is never acknowledged": (
        lambda seen: replace(seen, acknowledged=seen.acknowledged[1:]),
        {Promise.ACKNOWLEDGED},
    ),
    "a message is at another session": (
        lambda seen: with_row(seen, "m1", session_id="s2"),
        {Promise.STORED, Promise.NOTHING_ELSE},
    ),
    "a message is in another company": (lambda seen: with_row(seen, "m1", company="globex"), {Promise.NOTHING_ELSE}),
    "a text is stored that nobody asked for": (
        lambda seen: with_row(seen, "m3", text="nobody's"),
        {Promise.NOTHING_ELSE, Promise.SENT_TRUE},
    ),
    "a text reaches a phone that nobody asked for": (
        lambda seen: replace(seen, arrived={"answer": 1, "nobody's": 1}),
        {Promise.NOTHING_ELSE},
    ),
    "a new message is not in the log": (
        lambda seen: replace(seen, log=[replace(LOG[0], kind="message.status"), *LOG[1:]]),
        {Promise.LOGGED},
    ),
    "a number of the log is missing": (
        lambda seen: replace(seen, log=[LOG[0], LOG[1], LOG[2], logged(5, "message.status", "m3"), LOG[4]]),
        {Promise.UNBROKEN, Promise.READ, Promise.DELIVERED, Promise.SAME_ID},
    ),
    "a number of a session is given twice": (
        lambda seen: replace(seen, log=[*LOG[:3], replace(LOG[3], seq=3), LOG[4]]),
        {Promise.UNBROKEN, Promise.SAME_ID},
    ),
    "the log does not begin with one": (
        lambda seen: replace(seen, log=LOG[1:], came=seen.came[1:], read=seen.read[1:], read_from={}),
        {Promise.UNBROKEN, Promise.LOGGED},
    ),
    "a client misses an event": (lambda seen: replace(seen, read=[*seen.read[:1], *seen.read[2:]]), {Promise.READ}),
    "a client reads an event twice": (lambda seen: replace(seen, read=[*seen.read, seen.read[0]]), {Promise.READ}),
    "a client reads in another order": (
        lambda seen: replace(seen, read=[seen.read[1], seen.read[0], *seen.read[2:]]),
        {Promise.READ},
    ),
    "a delivery never comes": (
        lambda seen: replace(seen, came=[one for one in seen.came if one.position != 4]),
        {Promise.DELIVERED},
    ),
    "deliveries overtake one another": (
        lambda seen: replace(seen, came=[seen.came[1], seen.came[0], *seen.came[2:]]),
        {Promise.IN_ORDER},
    ),
    "a delivery comes again under another id": (
        lambda seen: replace(seen, came=[*seen.came, replace(seen.came[0], id="another")]),
        {Promise.SAME_ID},
    ),
    "a delivery is another company's": (
        lambda seen: replace(seen, came=[*seen.came, replace(seen.came[0], company="globex")]),
        {Promise.SAME_ID},
    ),
    "a request is not signed": (lambda seen: replace(seen, unsigned=["acme: m1"]), {Promise.SIGNED}),
    "a client is never answered": (
        lambda seen: replace(seen, asked=[replace(seen.asked[0], message_id="")]),
        {Promise.ANSWERED},
    ),
    "an answered send has no row": (
        lambda seen: replace(seen, rows=[row for row in seen.rows if row.id != "m3"]),
        {Promise.SENT_ONCE},
    ),
    "a send has two rows": (
        lambda seen: replace(seen, rows=[*seen.rows, replace(seen.rows[2], id="m8", status="unconfirmed")]),
        {Promise.SENT_ONCE},
    ),
    "a text reaches the phone twice": (lambda seen: replace(seen, arrived={"answer": 2}), {Promise.SENT_ONCE}),
    "a send is never ended": (lambda seen: with_row(seen, "m3", status="sent"), {Promise.SENT_TRUE}),
    "a send is said to be there and is not": (
        lambda seen: replace(seen, arrived={}, left=set()),
        {Promise.SENT_TRUE},
    ),
    "a send is said to have failed and is there": (
        lambda seen: with_row(seen, "m3", status="failed"),
        {Promise.SENT_TRUE},
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_each_harm_breaks_its_own_promise(harm: str) -> None:
    do, expected = HARMS[harm]

    assert broken(do(WELL)) == expected


def test_every_promise_is_broken_by_some_harm() -> None:
    covered = set().union(*(promises for _, promises in HARMS.values()))

    assert set(Promise) - covered == {Promise.WINDOW, Promise.TOLD}, "those two have tests of their own"


# -- the window that a killed host opens -------------------------------------------------------------------------------
def lost_with_a_host(verdict: Verdict) -> list[tuple[str, bool]]:
    return [(loss.wa_id, loss.is_told) for each in verdict.host_kills for loss in each.losses]


def test_what_a_killed_host_had_in_hand_is_counted_apart_and_wants_to_be_told() -> None:
    verdict = judge(replace(without(WELL, "m2"), kills=[HOST]))

    assert lost_with_a_host(verdict) == [("B", False)]
    assert {promise for promise, found in verdict.broken.items() if found} == {Promise.TOLD}


def test_a_loss_that_is_told_breaks_nothing() -> None:
    seen = replace(with_row(WELL, "m2", status="unreadable", text=""), kills=[HOST])

    assert lost_with_a_host(judge(seen)) == [("B", True)]
    assert judge(seen).is_kept


@pytest.mark.parametrize(
    "kill",
    [
        replace(HOST, kind="worker"),
        replace(HOST, sessions=frozenset({"s2"})),
        replace(HOST, at=99.4),
        replace(HOST, at=106.0),
    ],
    ids=["another kind of kill", "another host", "before it was handed to it", "long after it was acknowledged"],
)
def test_a_loss_that_no_killed_host_explains_is_a_loss(kill: Kill) -> None:
    assert Promise.STORED in broken(replace(without(WELL, "m2"), kills=[kill]))


def lost(count: int, in_hand: int, handed: Sequence[Handed] = (Handed(99.5),)) -> Evidence:
    """A host that is killed with some messages in hand takes the first ones with it."""
    spoken = [Spoken(f"L{n}", "s1", f"lost {n}", 99.4) for n in range(in_hand)]
    rows = [Row("acme", f"l{n}", "s1", f"L{n}", False, f"lost {n}", "received") for n in range(count, in_hand)]
    acknowledged = [Acknowledged(one.wa_id, "s1", 101.0, handed) for one in spoken]
    return Evidence(companies={"s1": "acme"}, spoken=spoken, acknowledged=acknowledged, rows=rows, kills=[HOST])


def test_more_than_one_lost_at_a_quiet_time_is_too_many_and_in_a_burst_it_is_a_figure() -> None:
    assert Promise.WINDOW not in broken(lost(1, 10))
    assert Promise.WINDOW in broken(lost(2, 10))
    assert Promise.WINDOW not in broken(lost(150, 201))
    [kill] = judge(lost(150, 201)).host_kills
    assert (kill.load, len(kill.losses)) == (201, 150)


def test_a_host_that_dies_early_in_a_burst_died_in_a_burst() -> None:
    slow, fast = lost(2, 120, []), lost(2, 120, [])
    handed_slowly = [replace(one, handed=[Handed(99.05 + n * 0.0075)]) for n, one in enumerate(slow.acknowledged)]
    handed_at_once = [replace(one, handed=[Handed(99.5 + n * 0.004)]) for n, one in enumerate(fast.acknowledged)]

    assert Promise.WINDOW in broken(replace(slow, acknowledged=handed_slowly))
    assert Promise.WINDOW not in broken(replace(fast, acknowledged=handed_at_once))
    [kill] = judge(replace(fast, acknowledged=handed_at_once)).host_kills
    assert (kill.load, round(kill.pace / 10)) == (120, 25)


def test_what_had_waited_for_a_host_came_as_fast_as_it_was_read_and_is_a_figure_too() -> None:
    waited, live, again = Handed(99.5, waited=True), Handed(99.5), Handed(100.9, waited=True)

    assert Promise.WINDOW not in broken(lost(2, 10, [waited, again]))
    assert Promise.WINDOW in broken(lost(2, 10, [live, again])), "it had not waited for the one that was killed"
    [kill] = judge(lost(2, 10, [waited, again])).host_kills
    assert (len(kill.losses), len(kill.at_pace)) == (2, 0)


def test_a_host_that_had_not_been_handed_a_message_did_not_lose_it() -> None:
    assert Promise.STORED in broken(lost(1, 10, [Handed(100.9)]))
    assert [each.load for each in judge(lost(1, 10, [Handed(100.9)])).host_kills] == [0]
