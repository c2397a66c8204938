"""The worker's rules where a real engine would be slow, or would never do what is needed: with an engine in memory."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet import leases
from fleet.models import Network, Placement, Worker
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.models import Company
from tests.waiting import PATIENCE, eventually
from tests.whatsapp.dock import Dock
from whatsapp.engine import device_store, port
from whatsapp.models import Message, MessageStatus, Session
from whatsapp.networks import NetworkMissing
from whatsapp.services import queue, reports, sessions
from whatsapp.worker import hosts, patience, run, storing

BOB = "4915550000099"
QUICK = 0.1


@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Dock]:
    """Without workers yet; they look around quickly, and wait for little."""
    settings.SANDBOX_URL = ""
    monkeypatch.setattr(run, "TICK_SECONDS", QUICK)
    monkeypatch.setattr(storing, "RETRY_SECONDS", QUICK)
    monkeypatch.setattr(reports, "BACKOFF", (0.01, 0.02, 0.04, 0.08))
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


def all_are(dock: Dock, state: State, ids: list[str]) -> None:
    for session_id in ids:
        dock.shows(session_id, state)


def said(dock: Dock, session_id: str, reason: Reason) -> int:
    return sum(line.endswith(f":{reason}") for line in dock.history(session_id))


def eventually_said(dock: Dock, session_id: str, reason: Reason, times: int = 1) -> None:
    eventually(lambda: said(dock, session_id, reason) >= times, what=f"{reason} {times} times")


def silence(worker: Worker) -> None:
    Worker.objects.filter(pk=worker.pk).update(lease_until=timezone.now())


def beats(times: int) -> None:
    """The worker has looked around so often."""
    for _ in range(times):
        seen = Worker.objects.get().lease_until
        eventually(Worker.objects.filter(lease_until__gt=seen).exists, what="a beat")


def test_nothing_is_started_on_what_was_read_before_its_end_was_written(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BACKOFF", (3600.0,))
    dock.work()
    session_id = dock.connected()

    with transaction.atomic():
        Placement.objects.select_for_update(no_key=True).get(pk=session_id)
        dock.engine.host_dies(session_id)
        beats(3)
    eventually_said(dock, session_id, Reason.HOST_DIED)
    beats(3)

    assert len(dock.engine.started) == 1
    assert dock.placement(session_id).next_retry_at is not None


# -- signs of life ---------------------------------------------------------------------------------------------------
def test_a_connection_that_does_not_answer_is_shown_so_and_given_nothing_to_send(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()

    dock.engine.goes_silent(session_id)
    dock.shows(session_id, State.DEGRADED)
    (message_id,) = dock.texts(session_id, BOB, "Waiting")
    dock.engine.contact_writes(session_id, BOB, "Stored in the meantime")
    dock.received("Stored in the meantime")

    assert dock.message(message_id).status == MessageStatus.QUEUED
    assert dock.engine.sent == []
    dock.engine.answers_again(session_id)
    dock.shows(session_id, State.CONNECTED)
    dock.becomes(message_id, MessageStatus.SERVER_ACK)
    assert len(dock.engine.started) == 1


def test_a_connection_that_goes_on_not_answering_is_made_anew(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "DOUBT_SECONDS", QUICK)
    dock.work()
    session_id = dock.connected()

    dock.engine.goes_silent(session_id)
    eventually(lambda: len(dock.engine.started) == 2, what="a second host")

    dock.shows(session_id, State.CONNECTED)
    assert dock.history(session_id)[-3:] == [
        "connected>degraded:not_answering",
        "degraded>connecting:not_answering",
        "connecting>connected:",
    ]


def test_a_host_of_which_nothing_is_heard_is_doubted_and_left(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SILENT_SECONDS", QUICK)
    monkeypatch.setattr(patience, "DOUBT_SECONDS", QUICK)
    dock.work()

    session_id = dock.connected()

    eventually_said(dock, session_id, Reason.NOT_ANSWERING, times=2)
    eventually(lambda: len(dock.engine.started) > 1, what="another host")


def test_a_replaced_connection_is_told_and_not_fought_over(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()

    dock.engine.ends(session_id, port.Ended(port.Ending.STREAM_REPLACED))

    placement = dock.shows(session_id, State.REFUSED)
    assert (placement.reason, placement.wanted) == (Reason.STREAM_REPLACED, Wanted.STOPPED)
    eventually(lambda: dock.placement(session_id).owner_id is None, what="nobody owns it any more")
    assert len(dock.engine.started) == 1


# -- several workers -------------------------------------------------------------------------------------------------
def test_a_worker_takes_no_more_than_it_can_and_a_second_one_takes_the_rest(dock: Dock) -> None:
    ids = dock.linked_before(5)
    dock.work(capacity=3)
    eventually(lambda: list(dock.owners().values()) == [3], what="three are owned")
    eventually(lambda: sum(dock.engine.is_online(each) for each in ids) == 3, what="three are online")

    dock.work(capacity=3)

    all_are(dock, State.CONNECTED, ids)
    assert sorted(dock.owners().values()) == [2, 3]


def test_the_sessions_of_a_worker_that_died_are_taken_over(dock: Dock) -> None:
    first = dock.work()
    session_id = dock.connected()
    owner = dock.shows(session_id, State.CONNECTED).owner
    assert owner is not None
    second = dock.work()

    with first.frozen():
        dock.engine.host_dies(session_id)
        silence(owner)
        eventually(lambda: session_id in second.host_pids(), what="the second worker has it")
        placement = dock.shows(session_id, State.CONNECTED)

    assert placement.owner_id != owner.pk
    eventually(lambda: session_id not in first.host_pids(), what="the first has let go")
    assert dock.shows(session_id, State.CONNECTED).owner_id == placement.owner_id


def test_a_worker_that_wakes_up_late_stops_its_hosts_and_writes_nothing_more(dock: Dock) -> None:
    first = dock.work()
    session_id = dock.connected()
    owner = dock.shows(session_id, State.CONNECTED).owner
    old_host = dock.engine.host_of(session_id)
    assert owner is not None
    assert old_host is not None
    dock.work()

    before = len(dock.transitions(session_id))

    with first.frozen():
        dock.engine.contact_writes(session_id, BOB, "While it slept")
        silence(owner)
        eventually(lambda: dock.placement(session_id).owner_id != owner.pk, what="another worker owns it")
        # Two hosts at once there are never: the old one still holds the folder.
        assert old_host.exit_reason == ""

    eventually(lambda: old_host.exit_reason, what="the old host is gone")
    assert old_host.exit_reason == "exit code 0", "with all that it had told WhatsApp"
    dock.shows(session_id, State.CONNECTED)
    assert dock.received("While it slept").body
    assert dock.placement(session_id).fence == 2
    assert {row.worker_id for row in dock.transitions(session_id)[before:]} == {dock.placement(session_id).owner_id}


# -- an engine that says nothing -------------------------------------------------------------------------------------
def test_a_link_that_never_comes_up_is_left_and_tried_again(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FINISH_SECONDS", QUICK)
    dock.work()
    session_id = dock.fresh()
    dock.qr(session_id)
    dock.engine.never_finishes_links = True

    dock.engine.phone_scans(session_id, BOB)

    eventually_said(dock, session_id, Reason.PAIRING_UNFINISHED)
    dock.shows(session_id, State.CONNECTED)


def test_a_log_in_without_an_answer_is_left_and_tried_again(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "START_SECONDS", QUICK)
    dock.engine.is_silent = True
    session_id = dock.linked_before(1)[0]
    dock.work()

    eventually_said(dock, session_id, Reason.NOT_ANSWERING, times=2)
    dock.engine.is_silent = False

    dock.shows(session_id, State.CONNECTED)


def test_codes_that_stop_coming_without_a_word_end_the_link(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "CODE_SLACK_SECONDS", -59.9)
    dock.work()

    session_id = dock.fresh()

    placement = dock.shows(session_id, State.UNPAIRED, Reason.CODES_RAN_OUT)
    assert placement.wanted == Wanted.STOPPED
    eventually(lambda: dock.engine.host_of(session_id) is None, what="its host is gone")


# -- the database ----------------------------------------------------------------------------------------------------
def failing(function: Callable[..., Any], error: Exception, events: type) -> Callable[..., Any]:
    """`function` that fails the first time it is told of such events."""
    left = [error]

    def call(**options: Any) -> Any:
        if left and any(isinstance(event, events) for event in options["events"]):
            raise left.pop()
        return function(**options)

    return call


def after(may_go: threading.Event, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, as soon as it may."""

    def call(**options: Any) -> Any:
        assert may_go.wait(PATIENCE)
        return function(**options)

    return call


def test_a_database_that_is_away_for_a_moment_costs_nothing(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    dock.work()
    session_id = dock.connected()
    history = dock.history(session_id)
    away = failing(reports.record, OperationalError("away"), port.MessageReceived)
    monkeypatch.setattr(reports, "record", away)

    for words in ("One", "Two"):
        dock.engine.contact_writes(session_id, BOB, words)
        dock.received(words)

    assert dock.run(lambda: sorted(Message.objects.values_list("body", flat=True))) == ["One", "Two"]
    assert dock.history(session_id) == history


def is_away(*_: object, **__: object) -> None:
    raise OperationalError("away")


def test_a_worker_is_stopped_while_the_database_is_away_and_nothing_is_lost(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "LAST_WORDS_SECONDS", QUICK)
    worker = dock.work()
    session_id = dock.connected()
    with monkeypatch.context() as away:
        for module, name in ((reports, "record"), (reports, "record_loss"), (leases, "renew"), (leases, "retire")):
            away.setattr(module, name, is_away)
        dock.engine.contact_writes(session_id, BOB, "Not stored yet")

        worker.stop()

    assert dock.engine.host_of(session_id) is None
    dock.work()
    assert dock.received("Not stored yet").body


def test_what_cannot_be_stored_stops_its_own_session_alone(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned, neighbour = dock.linked_before(2)
    dock.work()
    all_are(dock, State.CONNECTED, [poisoned, neighbour])
    assert dock.engine.host_of(poisoned) is dock.engine.host_of(neighbour)
    history = dock.history(neighbour)
    monkeypatch.setattr(reports, "record", failing(reports.record, DataError("NUL"), port.MessageReceived))

    dock.engine.contact_writes(poisoned, BOB, "Poison, the first time")
    dock.noted(poisoned, "cannot be stored: DataError")
    dock.engine.contact_writes(neighbour, BOB, "Next door")

    dock.received("Next door")
    dock.received("Poison, the first time")
    dock.shows(poisoned, State.CONNECTED)
    assert dock.history(neighbour) == history


def test_a_connected_host_is_left_in_good_order_and_gone_before_the_next_one(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock.work()
    session_id = dock.connected()
    host = dock.engine.host_of(session_id)
    assert host is not None
    monkeypatch.setattr(reports, "record", failing(reports.record, DataError("NUL"), port.MessageReceived))
    dock.engine.is_slow_to_leave = True

    dock.engine.contact_writes(session_id, BOB, "In the middle of it")
    dock.noted(session_id, "cannot be stored: DataError")
    dock.engine.contact_writes(session_id, BOB, "While it is leaving")
    neighbour = dock.linked_before(1)
    all_are(dock, State.CONNECTED, neighbour)

    # It was due when the neighbour was started, and was left alone.
    assert [held for held, _ in dock.engine.started] == [{session_id}, {*neighbour}]
    dock.engine.is_slow_to_leave = False
    dock.received("In the middle of it")
    dock.received("While it is leaving")
    assert host.exit_reason == "exit code 0"


def test_a_host_is_not_left_for_news_that_the_worker_has_not_come_to(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where storing is slow, sessions that have long connected must not be started anew, which makes it slower."""
    monkeypatch.setattr(patience, "START_SECONDS", QUICK)
    may_store = threading.Event()
    monkeypatch.setattr(reports, "record", after(may_store, reports.record))
    both = dock.linked_before(2)
    worker = dock.work()
    eventually(lambda: all(map(dock.engine.is_online, both)), what="both connected, and neither stored")
    assert worker.worker is not None
    owned = [owned for owned in worker.worker.holding.all() if owned.session_id in both]

    # It comes to the one, and waits for the database; it knows nothing of the other.
    eventually(lambda: sum(each.deadline is None for each in owned) == 1, what="it came to one of them")
    deadline = max(each.deadline or 0.0 for each in owned)
    eventually(lambda: time.monotonic() > deadline + 3 * QUICK, what="long overdue")

    may_store.set()
    all_are(dock, State.CONNECTED, both)
    assert [said(dock, session_id, Reason.NOT_ANSWERING) for session_id in both] == [0, 0]
    assert len(dock.engine.started) == 1


# -- hosts -----------------------------------------------------------------------------------------------------------
def test_a_host_that_dies_at_once_is_tried_again_ever_more_slowly(dock: Dock) -> None:
    dock.engine.dies_at_birth = True
    dock.engine.is_silent = True
    session_id = dock.linked_before(1)[0]
    dock.work()

    eventually(lambda: dock.placement(session_id).attempts >= 4, what="four attempts in a row")
    assert said(dock, session_id, Reason.HOST_DIED) >= 4
    dock.noted(session_id, "SIGABRT")
    dock.engine.dies_at_birth = dock.engine.is_silent = False

    dock.shows(session_id, State.CONNECTED)
    assert (dock.placement(session_id).attempts, dock.placement(session_id).next_retry_at) == (0, None)


def test_a_host_that_cannot_be_started_is_said_with_the_next_attempt(dock: Dock) -> None:
    dock.engine.cannot_start = True
    session_id = dock.fresh()
    dock.work()

    placement = dock.shows(session_id, State.CONNECTING, Reason.SPAWN_FAILED)
    assert placement.next_retry_at is not None
    dock.noted(session_id, "EngineError")
    dock.engine.cannot_start = False

    dock.shows(session_id, State.PAIRING)


def test_linked_sessions_share_hosts_of_one_network_and_a_new_link_has_its_own(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = port.NetworkAccess("proxy", "ca", "00")
    monkeypatch.setattr(hosts, "access_to", lambda network: sandbox if network == Network.SANDBOX else None)
    linked, tried = dock.linked_before(5), dock.linked_before(3, Network.SANDBOX)
    new = [dock.fresh("New"), dock.fresh("Newer", Network.SANDBOX)]

    dock.work(sessions_per_host=2)
    all_are(dock, State.CONNECTED, [*linked, *tried])
    all_are(dock, State.PAIRING, new)

    on_whatsapp = [set(ids) for ids, network in dock.engine.started if network is None]
    on_sandbox = [set(ids) for ids, network in dock.engine.started if network == sandbox]
    assert [sorted(map(len, hosts)) for hosts in (on_whatsapp, on_sandbox)] == [[1, 1, 2, 2], [1, 1, 2]]
    assert set().union(*on_whatsapp) == {*linked, new[0]}
    assert set().union(*on_sandbox) == {*tried, new[1]}
    assert {new[0]} in on_whatsapp
    assert {new[1]} in on_sandbox


def test_a_missing_network_is_said_with_the_next_attempt(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = dock.fresh("Try", Network.SANDBOX)
    dock.work()

    placement = dock.shows(session_id, State.CONNECTING, Reason.NETWORK_MISSING)

    assert placement.next_retry_at is not None
    dock.noted(session_id, "no sandbox is configured")
    assert dock.engine.started == []
    monkeypatch.setattr(hosts, "access_to", lambda network: None)
    dock.shows(session_id, State.PAIRING)


def test_a_network_that_is_missing_leaves_the_others_alone(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    def access_to(network: str) -> None:
        if network == Network.SANDBOX:
            raise NetworkMissing("not here")

    monkeypatch.setattr(hosts, "access_to", access_to)
    dock.fresh("Try", Network.SANDBOX)
    dock.work()

    dock.connected()


# -- what people want ------------------------------------------------------------------------------------------------
def test_an_unlink_while_whatsapp_is_out_of_reach_waits_for_it(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    dock.engine.is_out_of_reach = True
    dock.engine.network_drops(session_id)
    dock.shows(session_id, State.CONNECTING, Reason.CONNECTION_LOST)

    dock.do(sessions.unlink, session_id)
    dock.engine.network_returns(session_id)
    eventually_said(dock, session_id, Reason.SERVER_UNREACHABLE, times=2)
    assert dock.placement(session_id).wanted == Wanted.UNLINKED
    assert device_store.stored_device(dock.folder(session_id)) is not None
    dock.engine.is_out_of_reach = False

    dock.shows(session_id, State.UNPAIRED, Reason.UNLINKED)
    path = dock.folder(session_id) / device_store.DEVICE_FILE
    eventually(lambda: not path.exists(), what="the keys are erased")
    eventually(lambda: dock.placement(session_id).owner_id is None, what="it is given back")


@pytest.mark.parametrize("verb", [sessions.pause, sessions.archive, sessions.unlink])
def test_a_link_in_the_making_that_people_end_is_cancelled(dock: Dock, verb: Callable[..., Session]) -> None:
    dock.work()
    session_id = dock.fresh()
    dock.qr(session_id)
    host = dock.engine.host_of(session_id)
    assert host is not None

    dock.do(verb, session_id)

    dock.shows(session_id, State.UNPAIRED, Reason.PAIRING_CANCELLED)
    assert host.exit_reason
    assert dock.session(session_id).qr == ""
    eventually(lambda: dock.placement(session_id).owner_id is None, what="it is given back")


@pytest.mark.parametrize("ignores_goodbyes", [False, True])
def test_a_session_that_is_started_right_after_a_pause_runs(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, ignores_goodbyes: bool
) -> None:
    monkeypatch.setattr(patience, "GRACE_SECONDS", QUICK)
    dock.work()
    session_id = dock.connected()
    host = dock.engine.host_of(session_id)
    dock.engine.ignores_goodbyes = ignores_goodbyes

    dock.do(sessions.pause, session_id)
    eventually(lambda: dock.engine.host_of(session_id) is not host, what="it has left its host")
    dock.do(sessions.start, session_id)

    eventually(lambda: dock.engine.is_online(session_id), what="it is online again")
    dock.shows(session_id, State.CONNECTED)
    assert dock.placement(session_id).wanted == Wanted.RUNNING


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_nervous_finger_ends_where_it_stopped(dock: Dock, is_linked: bool) -> None:
    dock.work()
    session_id = dock.connected() if is_linked else dock.fresh()

    for verb in (sessions.start, sessions.pause, sessions.start, sessions.pause, sessions.start):
        dock.do(verb, session_id)

    # Once everything that was said has been done.
    wanted = State.CONNECTED if is_linked else State.PAIRING
    host = eventually(lambda: dock.engine.host_of(session_id), what="a host holds it")
    dock.shows(session_id, wanted)
    for verb in (sessions.pause, sessions.start, sessions.pause):
        dock.do(verb, session_id)
    dock.shows(session_id, State.STOPPED if is_linked else State.UNPAIRED)
    eventually(lambda: dock.engine.host_of(session_id) is None, what="no host holds it")
    assert host.exit_reason or is_linked


def test_a_pairing_code_is_asked_for_once_for_each_request(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()
    dock.qr(session_id)

    dock.do(sessions.request_code, session_id, phone=f"+{BOB}")
    first = dock.code(session_id)
    dock.do(sessions.start, session_id)
    assert dock.code(session_id) == first
    dock.do(sessions.request_code, session_id, phone=f"+{BOB}")

    eventually(lambda: dock.session(session_id).current_code not in ("", first), what="another code")


def test_a_refused_pairing_code_is_told_and_the_qr_code_stays(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()
    qr = dock.qr(session_id)
    dock.engine.refuses_codes = True

    dock.do(sessions.request_code, session_id, phone=f"+{BOB}")

    eventually(lambda: "rate-overlimit" in dock.session(session_id).pairing_error, what="the refusal is told")
    assert dock.session(session_id).current_qr == qr


# -- sending ---------------------------------------------------------------------------------------------------------
def statuses(dock: Dock, ids: list[str]) -> list[str]:
    return [dock.message(each).status for each in ids]


def test_no_more_are_under_way_at_once_than_can_be_lost_in_doubt(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    dock.engine.withholds_answers = True
    whose: dict[str, Any] = {"company": dock.company, "session_id": session_id, "by": SYSTEM}

    dock.run(queue.pause, **whose)
    ids = dock.texts(session_id, BOB, *(str(number) for number in range(patience.IN_FLIGHT + 5)))
    # All at once: whatever is there when the worker looks is under way, and less than that would be right, too.
    dock.run(queue.resume, **whose)
    eventually(lambda: len(dock.engine.sent) == patience.IN_FLIGHT, what="as many as may be under way")
    dock.engine.withholds_answers = False
    dock.engine.host_dies(session_id)

    eventually(lambda: dock.message(ids[-1]).status == MessageStatus.SERVER_ACK, what="the rest is sent")
    unsure, sure = ids[: patience.IN_FLIGHT], ids[patience.IN_FLIGHT :]
    assert set(statuses(dock, unsure)) == {MessageStatus.UNCONFIRMED}
    assert set(statuses(dock, sure)) == {MessageStatus.SERVER_ACK}
    assert [order.text for order in dock.engine.sent] == [str(number) for number in range(patience.IN_FLIGHT + 5)]


def test_an_engine_that_answers_quickly_is_given_more_at_once(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WINDOW_SECONDS", 600.0)
    dock.work()
    session_id = dock.connected()
    answered = dock.texts(session_id, BOB, *(f"Answered {number}" for number in range(patience.MOST_IN_FLIGHT)))
    eventually(lambda: set(statuses(dock, answered)) == {MessageStatus.SERVER_ACK}, what="all are answered")
    dock.engine.withholds_answers = True
    whose: dict[str, Any] = {"company": dock.company, "session_id": session_id, "by": SYSTEM}

    dock.run(queue.pause, **whose)
    ids = dock.texts(session_id, BOB, *(str(number) for number in range(patience.MOST_IN_FLIGHT + 5)))
    dock.run(queue.resume, **whose)

    under_way = patience.MOST_IN_FLIGHT
    eventually(lambda: len(dock.engine.sent) == len(answered) + under_way, what="as many as may be under way at most")
    eventually(lambda: statuses(dock, ids).count(MessageStatus.SENT) == under_way, what="the rest waits")


def test_a_receipt_for_a_message_in_doubt_settles_it(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    dock.engine.withholds_answers = True
    message_id = dock.texts(session_id, BOB, "Perhaps")[0]
    eventually(lambda: dock.engine.sent, what="it is under way")
    dock.engine.host_dies(session_id)
    row = dock.becomes(message_id, MessageStatus.UNCONFIRMED)

    dock.engine.receipt_comes(session_id, row.wa_id)

    dock.becomes(message_id, MessageStatus.DELIVERED)


def test_what_was_told_before_a_host_died_is_stored_once(dock: Dock) -> None:
    worker = dock.work()
    session_id = dock.connected()

    with worker.frozen():
        for number in range(20):
            dock.engine.contact_writes(session_id, BOB, f"Number {number}")
        dock.engine.host_dies(session_id)

    dock.received("Number 19")
    dock.shows(session_id, State.CONNECTED)
    bodies = dock.run(lambda: sorted(Message.objects.values_list("body", flat=True)))
    assert bodies == sorted(f"Number {number}" for number in range(20))


# -- handing over ----------------------------------------------------------------------------------------------------
def test_a_worker_that_stops_says_so_and_the_next_one_goes_on(dock: Dock) -> None:
    first = dock.work()
    session_id = dock.connected()
    host = dock.engine.host_of(session_id)

    first.stop()
    placement = dock.shows(session_id, State.CONNECTING, Reason.WORKER_STOPPED)

    assert (placement.owner_id, placement.wanted, placement.next_retry_at) == (None, Wanted.RUNNING, None)
    assert host is not None
    assert host.exit_reason == "exit code 0"
    dock.work()
    dock.shows(session_id, State.CONNECTED)


def test_a_paused_session_is_given_back_and_claimed_by_nobody(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()

    dock.do(sessions.pause, session_id)

    dock.shows(session_id, State.STOPPED, Reason.PAUSED)
    eventually(lambda: dock.placement(session_id).owner_id is None, what="it is given back")
    fence = dock.placement(session_id).fence
    other = dock.linked_before(1)[0]
    dock.shows(other, State.CONNECTED)
    assert Placement.objects.get(pk=session_id).fence == fence
