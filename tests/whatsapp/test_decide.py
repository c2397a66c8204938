"""The whole table of what to do next, walked row by row, and what must hold in every row."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fleet.models import Placement
from fleet.states import LIVE, State, Wanted
from whatsapp.worker.decide import Action, Seen, decide

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DUE = {"no appointment": None, "past": NOW - timedelta(seconds=1), "now": NOW, "future": NOW + timedelta(seconds=1)}


class Row(NamedTuple):
    wanted: Wanted
    state: State
    is_linked: bool
    due: str
    seen: Seen

    @property
    def action(self) -> Action:
        placement = Placement(
            session_id="s",
            wanted=self.wanted,
            state=self.state,
            device_jid="4915550000001:1@s.whatsapp.net" if self.is_linked else "",
            next_retry_at=DUE[self.due],
        )
        return decide(placement, self.seen, NOW)

    @property
    def is_due(self) -> bool:
        return self.due != "future"

    @property
    def is_to_be_unlinked(self) -> bool:
        return self.wanted == Wanted.UNLINKED and self.is_linked

    @property
    def is_to_run(self) -> bool:
        return self.wanted == Wanted.RUNNING or self.is_to_be_unlinked


#: Without a host nothing is connected, and nothing was asked of it.
SEEN = [Seen(), *(Seen(True, *flags) for flags in itertools.product([False, True], repeat=2))]
TABLE = [Row(*values) for values in itertools.product(Wanted, State, [False, True], DUE, SEEN)]


def rows(*actions: Action) -> list[Row]:
    found = [row for row in TABLE if row.action in actions]
    assert found, actions
    return found


def test_every_action_has_its_place_in_the_table() -> None:
    assert len(TABLE) == len(Wanted) * len(State) * 2 * 4 * 5
    assert {row.action for row in TABLE} == set(Action)


def test_a_host_is_started_only_for_a_session_that_has_none_and_is_wanted_and_due() -> None:
    for row in TABLE:
        should = not row.seen.has_host and row.is_to_run and row.is_due
        assert (row.action == Action.START) == should, row


def test_a_device_is_logged_out_only_when_asked_to_while_linked_and_connected_and_once() -> None:
    for row in TABLE:
        should = row.is_to_be_unlinked and row.seen.is_connected and not row.seen.was_asked_to_leave
        assert (row.action == Action.LOG_OUT) == should, row


def test_a_linked_device_is_disconnected_and_a_link_in_the_making_cancelled() -> None:
    for row in rows(Action.DISCONNECT, Action.CANCEL):
        assert row.seen.has_host, row
        assert not row.is_to_run, row
        assert not row.seen.was_asked_to_leave, row
        assert (row.action == Action.DISCONNECT) == row.is_linked, row


def test_nothing_that_runs_is_stopped_while_it_is_wanted() -> None:
    for row in TABLE:
        if row.wanted == Wanted.RUNNING and row.seen.has_host:
            assert row.action == Action.NOTHING, row


def test_only_what_nobody_wants_and_nothing_holds_is_settled_or_let_go() -> None:
    for row in rows(Action.SETTLE, Action.LET_GO):
        assert not row.seen.has_host, row
        assert not row.is_to_run, row
        assert (row.action == Action.SETTLE) == (row.state in LIVE), row


def test_whoever_was_asked_to_leave_is_not_asked_again() -> None:
    for row in TABLE:
        if row.seen.was_asked_to_leave:
            assert row.action == Action.NOTHING, row


def test_waiting_is_for_a_host_or_for_the_next_attempt() -> None:
    for row in rows(Action.NOTHING):
        assert row.seen.has_host or not row.is_due, row


def test_an_appointment_does_not_keep_a_session_from_stopping() -> None:
    for row in TABLE:
        if row.wanted == Wanted.STOPPED:
            assert row._replace(due="future").action == row.action, row
