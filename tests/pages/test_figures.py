"""Figures of days: messages both ways, how soon they are answered, how soon they arrive, who was online."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.permissions import SYSTEM
from fleet.states import State
from tests.pages.conftest import Desk
from tests.people import Person
from whatsapp.models import Chat, DayFigures, Message, MessageStatus, Session, Transition
from whatsapp.services import figures
from whatsapp.services.figures import Figures

pytestmark = pytest.mark.django_db

NOON = timezone.now().astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
TODAY = NOON.date()


@pytest.fixture
def quiet(desk: Desk) -> Desk:
    """Nothing has been said yet."""
    desk.run(Message.objects.all().delete)
    return desk


def days_ago(days: int, *, seconds: float = 0) -> datetime:
    return NOON - timedelta(days=days) + timedelta(seconds=seconds)


def ours(desk: Desk, at: datetime, status: MessageStatus = MessageStatus.READ) -> None:
    desk.says("Yes", from_me=True, sender=None, status=status, timestamp=at, created_at=at)


def theirs(desk: Desk, at: datetime, *, late: float = 0) -> None:
    desk.says("Hello?", timestamp=at, created_at=at + timedelta(seconds=late))


def told(desk: Desk, count: int = 10) -> dict[date, Figures]:
    return desk.run(figures.days, by=SYSTEM, count=count, until=TODAY)


def bucket(bounds: tuple[int, ...], number: int) -> list[int]:
    return [int(each == number) for each in range(len(bounds) + 1)]


def test_each_day_has_its_messages(quiet: Desk) -> None:
    theirs(quiet, days_ago(5))
    theirs(quiet, days_ago(5, seconds=5))
    ours(quiet, days_ago(0))

    days = told(quiet)

    assert list(days) == [TODAY - timedelta(days=9 - number) for number in range(10)]
    assert {day: (each.incoming, each.outgoing) for day, each in days.items() if each != Figures()} == {
        TODAY - timedelta(days=5): (2, 0),
        TODAY: (0, 1),
    }


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.FAILED, MessageStatus.CANCELLED])
def test_what_never_left_is_not_counted_and_answers_nobody(quiet: Desk, status: MessageStatus) -> None:
    theirs(quiet, days_ago(4))
    ours(quiet, days_ago(4, seconds=10), status)

    whole = figures.total(told(quiet).values())

    assert (whole.outgoing, sum(whole.replies)) == (0, 0)


@pytest.mark.parametrize(
    ("seconds", "number"),
    [(0, 0), (59, 0), (60, 1), (299, 1), (300, 2), (3_599, 3), (3_600, 4), (86_399, 5), (86_400, 6)],
)
def test_an_answer_took_as_long_as_the_first_question_waited(quiet: Desk, seconds: int, number: int) -> None:
    theirs(quiet, days_ago(4))
    theirs(quiet, days_ago(4, seconds=seconds * 0.9))
    ours(quiet, days_ago(4, seconds=seconds))
    ours(quiet, days_ago(4, seconds=seconds + 5))

    assert figures.total(told(quiet).values()).replies == bucket(figures.REPLY_BOUNDS, number)


def test_an_answer_counts_on_its_own_day_and_once(quiet: Desk) -> None:
    theirs(quiet, days_ago(4, seconds=11.9 * 3600))
    ours(quiet, days_ago(4, seconds=12.1 * 3600))

    days = told(quiet)

    answered = {day: sum(each.replies) for day, each in days.items() if sum(each.replies)}
    assert answered == {TODAY - timedelta(days=3): 1}


def test_nobody_is_expected_to_answer_in_groups(quiet: Desk) -> None:
    quiet.run(Chat.objects.update, group_jid="1@g.us", contact=None)
    theirs(quiet, days_ago(4))
    ours(quiet, days_ago(4, seconds=9))

    whole = figures.total(told(quiet).values())

    assert (whole.incoming, whole.outgoing, sum(whole.replies)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("late", "number"), [(-3, 0), (0.4, 0), (2, 1), (29, 2), (31, 3), (299, 3), (301, 4), (7_200, 5)]
)
def test_how_late_messages_came(quiet: Desk, late: float, number: int) -> None:
    theirs(quiet, days_ago(4), late=late)

    assert figures.total(told(quiet).values()).lags == bucket(figures.LAG_BOUNDS, number)


def test_days_begin_at_the_midnight_of_the_time_zone(quiet: Desk) -> None:
    theirs(quiet, days_ago(4, seconds=10 * 3600))

    with timezone.override("Asia/Almaty"):
        days = told(quiet)

    assert [day for day, each in days.items() if each.incoming] == [TODAY - timedelta(days=3)]
    assert [day for day, each in told(quiet).items() if each.incoming] == [TODAY - timedelta(days=4)]


def test_days_that_are_over_are_counted_once_and_the_last_ones_each_time(quiet: Desk) -> None:
    told(quiet)
    theirs(quiet, days_ago(5))
    theirs(quiet, days_ago(1))

    days = told(quiet)

    assert [day for day, each in days.items() if each.incoming] == [TODAY - timedelta(days=1)]
    counted = quiet.run(lambda: set(DayFigures.objects.values_list("day", flat=True)))
    assert counted == {TODAY - timedelta(days=number) for number in range(2 + 1, 10)}


def test_a_gap_is_counted_later(quiet: Desk) -> None:
    theirs(quiet, days_ago(5))
    told(quiet)
    quiet.run(DayFigures.objects.filter(day=TODAY - timedelta(days=5)).delete)

    assert told(quiet)[TODAY - timedelta(days=5)].incoming == 1


def test_a_manager_sees_figures_of_what_they_may_read(quiet: Desk, acme_manager: Person) -> None:
    theirs(quiet, days_ago(0))
    assert not figures.total(quiet.run(figures.days, by=acme_manager.actor, count=3, until=TODAY).values()).incoming
    quiet.grant(acme_manager, read=False, write=True)
    assert not figures.total(quiet.run(figures.days, by=acme_manager.actor, count=3, until=TODAY).values()).incoming

    quiet.grant(acme_manager, read=True)
    assert figures.total(quiet.run(figures.days, by=acme_manager.actor, count=3, until=TODAY).values()).incoming == 1


# -- online ----------------------------------------------------------------------------------------------------------
def changes(desk: Desk, *states: tuple[float, State]) -> None:
    """So many hours ago each."""

    def write() -> None:
        Transition.objects.all().delete()
        session, before = Session.objects.get(pk=desk.session.pk), State.UNPAIRED
        for hours, state in states:
            row = Transition.objects.create(session=session, happening="connected", before=before, after=state)
            Transition.objects.filter(pk=row.pk).update(at=NOON - timedelta(hours=hours))
            before = state

    desk.run(write)


def seen(desk: Desk) -> list[tuple[State, float, float]]:
    found = desk.run(figures.stretches, [desk.session.pk], since=NOON - timedelta(hours=10), until=NOON)
    return [(each.state, round(each.start, 3), round(each.end, 3)) for each in found[desk.session.pk]]


def test_states_follow_each_other_through_the_whole_time(desk: Desk) -> None:
    changes(desk, (30, State.CONNECTING), (20, State.CONNECTED), (5, State.CONNECTING), (4, State.CONNECTED))

    assert seen(desk) == [
        (State.CONNECTED, 0.0, 0.5),
        (State.CONNECTING, 0.5, 0.6),
        (State.CONNECTED, 0.6, 1.0),
    ]


def test_of_a_session_that_was_not_there_yet_nothing_is_said(desk: Desk) -> None:
    changes(desk, (2, State.CONNECTED))

    assert seen(desk) == [(State.CONNECTED, 0.8, 1.0)]


def test_rows_that_change_no_state_are_no_stretch(desk: Desk) -> None:
    changes(desk, (20, State.CONNECTED), (5, State.CONNECTED))

    assert seen(desk) == [(State.CONNECTED, 0.0, 1.0)]
