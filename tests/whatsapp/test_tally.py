"""Queues as the fleet's rows have them: true to what waits, found without asking companies where nothing does."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.permissions import SYSTEM
from fleet.census import Census
from fleet.models import Placement
from tenants.context import run_in
from tenants.models import Company
from tenants.provisioning import create_company
from tests.fleet.test_metrics import samples
from tests.whatsapp.desk import Desk
from whatsapp.models import Message, MessageStatus
from whatsapp.services import outbound
from whatsapp.services.outbound import Delivery
from whatsapp.services.tally import look_after_queues
from whatsapp.tasks import expire_queued

pytestmark = pytest.mark.django_db

PHONE = "4915550000077"


@pytest.fixture
def desk(acme: Company) -> Desk:
    return run_in(acme, Desk.open, acme)


def put(desk: Desk, text: str = "Hello", **delivery: object) -> str:
    asked = partial(outbound.queue_text, company=desk.company, session_id=desk.session_id, by=SYSTEM)
    row = run_in(desk.company, asked, text=text, phone=PHONE, delivery=Delivery(**delivery))  # type: ignore[arg-type]
    return row.pk


def told(desk: Desk) -> tuple[int, bool, bool]:
    """How many wait, whether one is due, and whether nothing is to be looked for."""
    row = desk.placement
    return row.queued, row.due_since is not None, row.queue_settled_at == row.work


def set_status(desk: Desk, status: MessageStatus) -> None:
    run_in(desk.company, lambda: Message.objects.update(status=status))


def test_what_waits_is_counted_until_it_has_left(desk: Desk) -> None:
    seen = []
    for change in (
        lambda: None,
        lambda: put(desk, "One"),
        lambda: put(desk, "Two", send_at=timezone.now() + timedelta(hours=1)),
        lambda: set_status(desk, MessageStatus.SENT),
        # The process that had them ended: nobody is told, and `work` is what it was.
        lambda: set_status(desk, MessageStatus.QUEUED),
        lambda: set_status(desk, MessageStatus.SERVER_ACK),
    ):
        change()
        look_after_queues()
        seen.append(told(desk))

    assert seen == [
        (0, False, True),
        (1, True, False),
        (2, True, False),
        (0, False, False),
        (2, True, False),
        (0, False, True),
    ]


def test_age_is_counted_from_when_a_text_was_due(desk: Desk) -> None:
    put(desk, send_at=timezone.now() + timedelta(hours=1))
    look_after_queues()
    assert told(desk) == (1, False, False)

    due = timezone.now() - timedelta(minutes=10)
    run_in(desk.company, lambda: Message.objects.update(send_at=due))
    look_after_queues()

    assert desk.placement.due_since == due


def test_a_text_that_comes_while_others_are_counted_is_counted_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it was committed right after its company's rows were read."""
    monkeypatch.setattr("whatsapp.services.tally._count", lambda *_: put(desk) and {})
    look_after_queues()
    monkeypatch.undo()

    assert told(desk) == (0, False, False), "it is not taken for empty"
    look_after_queues()
    assert told(desk) == (1, True, False)


def test_companies_where_nothing_waits_are_not_asked(desk: Desk) -> None:
    put(desk)
    look_after_queues()
    with CaptureQueriesContext(connection) as alone:
        assert look_after_queues() == 1

    for number in range(4):
        company = create_company(name=f"Idle {number}")
        idle = run_in(company, Desk.open, company, f"49155500007{number:02}")
        put(idle)
        run_in(company, lambda: Message.objects.update(status=MessageStatus.READ))
    assert look_after_queues() == 5, "they are looked at once more"

    with CaptureQueriesContext(connection) as beside_others:
        assert look_after_queues() == 1
    assert len(beside_others) == len(alone)


def test_what_is_late_fails_whoever_owns_its_session(desk: Desk) -> None:
    late = put(desk, expires_at=timezone.now() + timedelta(minutes=1))
    look_after_queues()
    run_in(desk.company, lambda: Message.objects.update(expires_at=timezone.now() - timedelta(seconds=1)))

    expire_queued(timestamp=0)

    assert run_in(desk.company, lambda: Message.objects.get(pk=late).error_code) == "expired"
    assert told(desk) == (0, False, True)


def test_operators_are_told_by_whether_they_are_connected(desk: Desk, globex: Company) -> None:
    put(desk)
    look_after_queues()
    Placement.objects.create(session_id="offline", company=globex, queued=7)
    earlier = timezone.now() - timedelta(minutes=10)
    Placement.objects.filter(pk=desk.session_id).update(due_since=earlier)

    seen = samples(Census())

    assert seen["wharf_messages_queued", ("yes",)] == 1
    assert seen["wharf_messages_queued", ("no",)] == 7
    assert seen["wharf_messages_oldest_due_seconds", ("yes",)] == pytest.approx(600, abs=30)
    assert seen["wharf_messages_oldest_due_seconds", ("no",)] == 0
