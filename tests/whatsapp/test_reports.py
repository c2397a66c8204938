"""What a host reports becomes the session's state, in order, with a row of history; and only its owner may write it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.permissions import SYSTEM
from fleet import leases
from fleet.leases import LeaseLost
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.models import Company
from tests.whatsapp.desk import SHOP, Desk, acknowledged, receipt, text
from whatsapp.engine.port import (
    Alive,
    ChallengeIssued,
    CodeRefused,
    Connected,
    ConnectionLost,
    Ended,
    Ending,
    EngineEvent,
    Paired,
    ReceiptKind,
)
from whatsapp.models import EarlyReceipt, Message, MessageStatus, Transition
from whatsapp.services import history, owning, reports, sessions
from whatsapp.services.reports import BACKOFF, back_off

pytestmark = pytest.mark.django_db


def arrows(desk: Desk) -> list[str]:
    rows = Transition.objects.filter(session_id=desk.session_id).order_by("id")
    return [f"{row.before}>{row.after}:{row.reason}" for row in rows]


def pause(desk: Desk) -> None:
    sessions.pause(company=desk.company, session_id=desk.session_id, by=SYSTEM)


# -- order -----------------------------------------------------------------------------------------------------------
def test_a_mixed_batch_is_stored_in_the_order_in_which_it_happened(desk: Desk) -> None:
    message_id = desk.send()

    stored = desk.tell(
        text("One"),
        acknowledged(message_id),
        receipt("OUT", kind=ReceiptKind.READ),
        text("Two"),
        ConnectionLost("cut"),
        Alive(),
        Connected(f"{SHOP}:1@s.whatsapp.net"),
        text("Three"),
    )

    assert (stored.state, stored.is_over, stored.finished) == (State.CONNECTED, False, {message_id})
    assert desk.status(message_id) == MessageStatus.READ
    assert not EarlyReceipt.objects.exists(), "the answer was stored before the receipt"
    assert arrows(desk)[-2:] == ["connected>connecting:connection_lost", "connecting>connected:"]


def test_a_life_leaves_its_history(acme: Company, desk: Desk) -> None:
    desk = Desk.unlinked(acme, "Second")

    desk.tell(ChallengeIssued("qr", "2@one", 60), ChallengeIssued("qr", "2@two", 20))
    desk.tell(Paired(f"{SHOP}:2@s.whatsapp.net"), ConnectionLost())
    desk.tell(Connected(f"{SHOP}:2@s.whatsapp.net"))
    pause(desk)
    desk.tell(ConnectionLost(retrying=False))

    assert arrows(desk) == [
        "unpaired>unpaired:never_linked",
        "unpaired>connecting:starting",
        "connecting>pairing:waiting_for_scan",
        "pairing>connecting:finishing_link",
        "connecting>connecting:connection_lost",
        "connecting>connected:",
        "connected>connected:",
        "connected>stopped:paused",
    ]
    rows = history.transitions_of(desk.session_id, by=SYSTEM)
    assert [row.happening for row in rows[:2]] == ["paused", "wanted_stopped"]
    assert rows[0].worker_id == desk.worker.pk


def test_news_that_does_not_fit_any_more_changes_nothing(desk: Desk) -> None:
    before = arrows(desk)

    desk.tell(ChallengeIssued("qr", "2@late", 20), Paired(f"{SHOP}:1@s.whatsapp.net"))

    assert (arrows(desk), desk.placement.state) == (before, State.CONNECTED)


def test_a_long_detail_is_cut(desk: Desk) -> None:
    desk.tell(ConnectionLost("x" * 1000))

    assert Transition.objects.latest("id").detail == "x" * 300


# -- ends ------------------------------------------------------------------------------------------------------------
ENDS = {
    Ending.LOGGED_OUT: (State.UNPAIRED, Reason.LOGGED_OUT_ON_PHONE, False),
    Ending.MAIN_DEVICE_GONE: (State.UNPAIRED, Reason.MAIN_DEVICE_GONE, False),
    Ending.STORE_MISSING: (State.UNPAIRED, Reason.DEVICE_STORE_MISSING, False),
    Ending.STREAM_REPLACED: (State.REFUSED, Reason.STREAM_REPLACED, True),
    Ending.TEMPORARY_BAN: (State.REFUSED, Reason.TEMPORARY_BAN, True),
    Ending.CLIENT_OUTDATED: (State.REFUSED, Reason.CLIENT_OUTDATED, True),
    Ending.CONNECT_FAILURE: (State.REFUSED, Reason.CONNECTION_REFUSED, True),
}


@pytest.mark.parametrize("ending", ENDS)
def test_each_end_of_a_link_waits_for_a_person(desk: Desk, ending: Ending) -> None:
    stored = desk.tell(Ended(ending))

    placement = desk.placement
    state, reason, is_linked = ENDS[ending]
    assert (placement.state, placement.reason, placement.is_linked) == (state, reason, is_linked)
    assert (placement.wanted, placement.attempts, placement.next_retry_at) == (Wanted.STOPPED, 0, None)
    assert (stored.is_over, stored.state) == (True, state)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [(Ending.PAIRING_TIMEOUT, Reason.CODES_RAN_OUT), (Ending.PAIRING_ERROR, Reason.PAIRING_REFUSED)],
)
def test_each_end_of_a_pairing_hides_the_codes_and_waits_for_a_person(
    acme: Company, desk: Desk, ending: Ending, reason: Reason
) -> None:
    desk = Desk.unlinked(acme, "Second")
    desk.tell(ChallengeIssued("qr", "2@secret", 60), ChallengeIssued("code", "ABCDEFGH", 60))
    assert (desk.session.current_qr, desk.session.current_code) == ("2@secret", "ABCD-EFGH")

    desk.tell(Ended(ending))

    assert (desk.placement.state, desk.placement.reason) == (State.UNPAIRED, reason)
    assert (desk.placement.wanted, desk.session.qr, desk.session.pairing_code) == (Wanted.STOPPED, "", "")


def test_every_ending_is_known() -> None:
    assert set(reports.ENDINGS) == set(Ending) == {*ENDS, Ending.PAIRING_TIMEOUT, Ending.PAIRING_ERROR}


def test_a_ban_tells_when_it_ends(desk: Desk) -> None:
    desk.tell(Ended(Ending.TEMPORARY_BAN, "101", until_seconds=3600))

    ends = desk.placement.next_retry_at
    assert ends is not None
    assert timedelta(minutes=59) < ends - timezone.now() <= timedelta(hours=1)
    assert desk.placement.wanted == Wanted.STOPPED


def test_an_unlink_that_was_asked_for_says_so(desk: Desk) -> None:
    sessions.unlink(company=desk.company, session_id=desk.session_id, by=SYSTEM)

    desk.tell(Ended(Ending.LOGGED_OUT))

    assert (desk.placement.state, desk.placement.reason) == (State.UNPAIRED, Reason.UNLINKED)


def test_an_unlink_that_comes_after_the_phones_own_has_nothing_left_to_do(desk: Desk) -> None:
    session = desk.session
    desk.tell(Ended(Ending.LOGGED_OUT))

    # As it was read a moment before.
    sessions._want(session, Wanted.UNLINKED, by=SYSTEM)

    assert desk.placement.wanted == Wanted.STOPPED


# -- again -----------------------------------------------------------------------------------------------------------
def test_the_pause_before_the_next_attempt_grows_with_jitter_and_stays_bounded() -> None:
    for attempts in range(50):
        middle = BACKOFF[min(attempts, len(BACKOFF) - 1)]
        pauses = {back_off(attempts).total_seconds() for _ in range(20)}
        assert all(0.8 * middle <= pause <= 1.2 * middle for pause in pauses)
        assert len(pauses) > 1
    assert list(BACKOFF) == sorted(BACKOFF)


def test_each_failed_attempt_in_a_row_is_counted_and_a_connection_forgets_them(desk: Desk) -> None:
    for number in range(1, 4):
        before = timezone.now()
        desk.tell(ConnectionLost("no route", retrying=False))
        placement = desk.placement
        assert (placement.attempts, placement.reason) == (number, Reason.SERVER_UNREACHABLE)
        assert placement.next_retry_at is not None
        assert placement.next_retry_at >= before + timedelta(seconds=0.8 * BACKOFF[number - 1])
        reports.record_start(company=desk.company, lease=desk.lease)

    desk.tell(Connected(f"{SHOP}:1@s.whatsapp.net"))

    assert (desk.placement.attempts, desk.placement.next_retry_at) == (0, None)


def test_a_loss_that_the_worker_saw_backs_off_unless_told_not_to(desk: Desk) -> None:
    lose = {"company": desk.company, "lease": desk.lease}
    reports.record_loss(**lose, reason=Reason.HOST_DIED, detail="SIGKILL")  # type: ignore[arg-type]
    assert (desk.placement.attempts, bool(desk.placement.next_retry_at)) == (1, True)

    reports.record_loss(**lose, reason=Reason.WORKER_STOPPED, wait=False)  # type: ignore[arg-type]

    assert (desk.placement.attempts, desk.placement.next_retry_at) == (0, None)
    assert desk.placement.wanted == Wanted.RUNNING


def test_a_person_who_starts_it_does_not_wait_for_the_next_attempt(desk: Desk) -> None:
    desk.tell(ConnectionLost("no route", retrying=False))

    sessions.start(company=desk.company, session_id=desk.session_id, by=SYSTEM)

    assert (desk.placement.next_retry_at, desk.placement.attempts) == (None, 0)


def test_an_end_that_people_wanted_is_a_pause_and_no_loss(desk: Desk) -> None:
    pause(desk)

    stored = desk.tell(ConnectionLost("disconnected on request", retrying=False))

    assert (stored.is_over, stored.state) == (True, State.STOPPED)
    assert (desk.placement.reason, desk.placement.next_retry_at) == (Reason.PAUSED, None)
    assert desk.placement.is_linked


def test_a_session_without_a_link_that_people_stop_is_unlinked_again(acme: Company, desk: Desk) -> None:
    desk = Desk.unlinked(acme, "Second")
    desk.tell(ChallengeIssued("qr", "2@secret", 60))
    pause(desk)

    reports.record_settled(company=acme, lease=desk.lease)

    assert (desk.placement.state, desk.placement.reason) == (State.UNPAIRED, Reason.PAIRING_CANCELLED)
    assert desk.session.qr == ""


def test_a_start_that_comes_while_the_last_link_is_being_cancelled_is_not_lost(acme: Company, desk: Desk) -> None:
    desk = Desk.unlinked(acme, "Second")
    desk.tell(ChallengeIssued("qr", "2@secret", 60))
    pause(desk)
    sessions.start(company=acme, session_id=desk.session_id, by=SYSTEM)

    reports.record_settled(company=acme, lease=desk.lease)

    assert (desk.placement.state, desk.placement.wanted) == (State.UNPAIRED, Wanted.RUNNING)


# -- the lease -------------------------------------------------------------------------------------------------------
WRITES: dict[str, Callable[..., Any]] = {
    "reports": lambda **lease: reports.record(events=[text("Late"), Ended(Ending.LOGGED_OUT)], **lease),
    "start": reports.record_start,
    "loss": lambda **lease: reports.record_loss(reason=Reason.HOST_DIED, **lease),
    "end": lambda **lease: reports.record_end(ending=Ending.STORE_MISSING, **lease),
    "settled": reports.record_settled,
    "messages": lambda **lease: owning.take_queued(limit=5, **lease),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("way", ["released", "fence", "worker"])
def test_whoever_lost_the_lease_writes_nothing(desk: Desk, name: str, way: str) -> None:
    message_id, lease = desk.queue(), desk.lease
    if way == "released":
        leases.release(lease)
    elif way == "fence":
        Placement.objects.update(fence=lease.fence + 1)
    else:
        other = leases.register(name="other", pid=2, capacity=1, store_id="disk")
        Placement.objects.update(owner=other)
    before = (list(Placement.objects.values()), arrows(desk))

    with pytest.raises(LeaseLost):
        WRITES[name](company=desk.company, lease=lease)

    assert (list(Placement.objects.values()), arrows(desk)) == before
    assert list(Message.objects.values_list("pk", "status")) == [(message_id, MessageStatus.QUEUED)]


def test_a_pairing_code_that_is_refused_is_told_and_cut(acme: Company, desk: Desk) -> None:
    desk = Desk.unlinked(acme, "Second")
    sessions.request_code(company=acme, session_id=desk.session_id, phone="+4915550000009", by=SYSTEM)
    assert owning.wanted_code(session_id=desk.session_id) is not None

    desk.tell(ChallengeIssued("qr", "2@secret", 60), CodeRefused("rate-overlimit " * 50))

    assert desk.session.pairing_error == ("rate-overlimit " * 50)[:200]
    assert (desk.session.current_code, desk.session.current_qr) == ("", "2@secret")
    assert desk.placement.state == State.PAIRING


def test_answers_and_receipts_that_come_mixed_cost_what_they_would_in_order(desk: Desk) -> None:
    def cost(count: int, name: str) -> int:
        ids = [desk.queue(f"{name} {number}") for number in range(count)]
        desk.take()
        mixed: list[EngineEvent] = []
        for number, message_id in enumerate(ids):
            mixed += [
                acknowledged(message_id, f"{name}{number}"),
                receipt(f"{name}{number}"),
                text(f"{name} {number}?"),
            ]
        with CaptureQueriesContext(connection) as asked:
            desk.tell(*mixed)
        assert {desk.status(message_id) for message_id in ids} == {MessageStatus.DELIVERED}
        return len(asked)

    one = cost(1, "A")

    assert cost(8, "B") <= one


def test_messages_that_come_with_a_new_number_are_that_numbers(desk: Desk) -> None:
    desk.tell(text("Before"), Connected("4915550000777:3@s.whatsapp.net"), text("After"))

    accounts = dict(Message.objects.values_list("body", "account__phone_number"))
    assert accounts == {"Before": SHOP, "After": "4915550000777"}
