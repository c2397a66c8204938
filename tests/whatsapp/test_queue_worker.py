"""The queue with a worker: it comes back at the right moment, also after a restart, and not before."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Role
from accounts.permissions import SYSTEM
from fleet.states import State
from tenants.models import Company
from tests.accounts.races import in_its_own_connection
from tests.people import client_for, make_person
from tests.waiting import PATIENCE, eventually
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import Harbour
from whatsapp.models import Message, MessageStatus, Pacing
from whatsapp.services import outbound, owning, queue, reports
from whatsapp.services.outbound import Delivery
from whatsapp.services.pacing import Rules
from whatsapp.worker import patience, run
from whatsapp.worker.owned import Owned

BOB, DAN = "4915550000099", "4915550000077"


@pytest.fixture
def dock(live_companies: tuple[Company, Company], tmp_path: Path, settings: Settings) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


@pytest.fixture
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens now, happens because the worker was woken for it."""
    monkeypatch.setattr(run, "TICK_SECONDS", 3600.0)
    monkeypatch.setattr("fleet.leases.LEASE", timedelta(hours=9))


def put(dock: Harbour, session_id: str, words: str, to: str = BOB, **delivery: Any) -> str:
    asked: dict[str, Any] = {"session_id": session_id, "phone": f"+{to}", "by": SYSTEM}
    row = dock.run(outbound.queue_text, company=dock.company, text=words, delivery=Delivery(**delivery), **asked)
    return row.pk


def sent(dock: Dock) -> list[str]:
    return [order.text for order in dock.engine.sent]


def later(seconds: float = 1.0) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.mark.usefixtures("never_by_itself")
def test_a_scheduled_text_leaves_at_its_time_without_anybody_looking(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    at = later()

    message_id = put(dock, session_id, "Good morning", send_at=at)
    put(dock, session_id, "Now")

    row = dock.becomes(message_id, MessageStatus.SERVER_ACK)
    assert sent(dock) == ["Now", "Good morning"]
    assert row.timestamp >= at.replace(microsecond=0)


@pytest.mark.usefixtures("never_by_itself")
def test_the_pace_is_kept_without_anybody_looking(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    dock.do(queue.set_pace, session_id, rules=Rules(min_gap=0.3, max_gap=0.3))  # type: ignore[arg-type]

    ids = [put(dock, session_id, str(number)) for number in range(3)]

    rows = [dock.becomes(message_id, MessageStatus.SERVER_ACK) for message_id in ids]
    assert sent(dock) == ["0", "1", "2"]
    pacing = dock.run(Pacing.objects.get, pk=session_id)
    assert pacing.next_at is not None
    assert pacing.next_at - rows[0].created_at >= timedelta(seconds=0.9)


@pytest.mark.usefixtures("never_by_itself")
def test_a_paused_queue_keeps_the_number_online_and_leaves_when_it_goes_on(dock: Dock) -> None:
    dock.work()
    session_id, witness = dock.linked_before(2)
    for each in (session_id, witness):
        dock.shows(each, State.CONNECTED)
    dock.do(queue.pause, session_id)
    message_id = put(dock, session_id, "Wait")

    # The other session's text shows that the worker has been round since.
    dock.becomes(put(dock, witness, "Witness"), MessageStatus.SERVER_ACK)
    assert sent(dock) == ["Witness"]
    assert dock.engine.is_online(session_id)

    dock.do(queue.resume, session_id)
    dock.becomes(message_id, MessageStatus.SERVER_ACK)


@pytest.mark.usefixtures("never_by_itself")
def test_what_runs_out_fails_at_its_moment(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    dock.do(queue.pause, session_id)

    row = dock.becomes(put(dock, session_id, "Your code", expires_at=later(0.5)), MessageStatus.FAILED)

    assert row.error_code == "expired"


def test_a_restart_forgets_nothing_that_is_for_later(dock: Dock) -> None:
    first = dock.work()
    session_id = dock.connected()
    message_id = put(dock, session_id, "Good morning", send_at=later(2))
    first.stop()
    assert dock.message(message_id).status == MessageStatus.QUEUED

    dock.work()

    dock.becomes(message_id, MessageStatus.SERVER_ACK)
    assert sent(dock) == ["Good morning"]


@pytest.mark.usefixtures("never_by_itself")
def test_who_writes_is_answered_at_once_while_texts_to_new_people_wait(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    after = timezone.now() + timedelta(hours=1)
    dock.run(Pacing.objects.create, session_id=session_id, refusals=1, new_chats_after=after)
    put(dock, session_id, "To somebody new", to=DAN)
    waiting = put(dock, session_id, "About your order")
    eventually(lambda: _holds_new(dock, session_id), what="the worker knows that they wait")

    dock.engine.contact_writes(session_id, BOB, "Where is it?")

    dock.becomes(waiting, MessageStatus.SERVER_ACK)
    assert sent(dock) == ["About your order"]


@pytest.mark.usefixtures("never_by_itself")
def test_who_writes_while_it_is_asked_what_may_leave_is_answered_too(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question is answered with "nothing may" when their message has come, and before it is stored."""
    dock.work()
    session_id = dock.connected()
    after = timezone.now() + timedelta(hours=1)
    dock.run(Pacing.objects.create, session_id=session_id, refusals=1, new_chats_after=after)
    waiting = put(dock, session_id, "About your order")
    eventually(lambda: _holds_new(dock, session_id), what="the worker knows that it waits")
    owned, came = _owned(dock, session_id), threading.Event()
    take_queued, record = owning.take_queued, reports.record

    def ask(**asked: Any) -> Any:
        handed = take_queued(**asked)
        if not came.is_set():
            dock.engine.contact_writes(session_id, BOB, "Where is it?")
            came.wait(PATIENCE)
        return handed

    def store(**told: Any) -> Any:
        came.set()
        eventually(lambda: owned.seen_work == owned.placement.work, what="the question is answered")
        return record(**told)

    monkeypatch.setattr(owning, "take_queued", ask)
    monkeypatch.setattr(reports, "record", store)
    put(dock, session_id, "To somebody new", to=DAN)

    dock.becomes(waiting, MessageStatus.SERVER_ACK)


def _holds_new(dock: Dock, session_id: str) -> bool:
    owned = _owned(dock, session_id)
    return owned.holds_new and owned.seen_work == dock.placement(session_id).work


def _owned(dock: Dock, session_id: str) -> Owned:
    worker = dock.workers[0].worker
    assert worker is not None
    owned = worker.holding.get(session_id)
    assert owned is not None
    return owned


# -- no answer ---------------------------------------------------------------------------------------------------------
def test_what_the_engine_never_answers_is_open_until_a_receipt_tells(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    dock.work()
    session_id = dock.connected()
    dock.engine.withholds_answers = True

    row = dock.becomes(put(dock, session_id, "Anybody?"), MessageStatus.UNCONFIRMED)
    assert (row.error_code, bool(row.wa_id)) == ("no_answer", True)
    dock.engine.receipt_comes(session_id, row.wa_id)

    settled = dock.becomes(row.pk, MessageStatus.DELIVERED)
    assert (settled.error_code, sent(dock)) == ("", ["Anybody?"])


def test_texts_that_nobody_answers_do_not_stop_those_behind_them(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    dock.work()
    session_id = dock.connected()
    dock.engine.withholds_answers = True
    ids = [put(dock, session_id, str(number)) for number in range(patience.IN_FLIGHT + 1)]

    for message_id in ids:
        dock.becomes(message_id, MessageStatus.UNCONFIRMED)

    assert sorted(sent(dock), key=int) == [str(number) for number in range(patience.IN_FLIGHT + 1)]


# -- with the real engine --------------------------------------------------------------------------------------------
def test_whatsapps_refusal_holds_new_people_and_lets_answers_go(harbour: Harbour) -> None:
    shop, bob, eve, dan = (harbour.phone(name) for name in ("Shop", "Bob", "Eve", "Dan"))
    session_id = harbour.linked(shop)
    harbour.wa.send_text(bob, shop, "Are you open?")
    harbour.received("Are you open?")
    harbour.wa.faults.message_errors[eve.number] = 463

    row = harbour.becomes(harbour.sends(session_id, eve, "Hello Eve"), MessageStatus.FAILED)
    held = harbour.sends(session_id, dan, "Hello Dan")
    harbour.becomes(harbour.sends(session_id, bob, "We are."), MessageStatus.DELIVERED)

    assert (row.error_code, row.retry_at is None) == ("new_chats_restricted", False)
    assert harbour.message(held).status == MessageStatus.QUEUED

    harbour.wa.send_text(dan, shop, "Hello?")
    harbour.becomes(held, MessageStatus.DELIVERED)
    assert [message.text for message in eve.inbox] == []


TEXTS = 40


def test_clients_that_ask_again_and_hosts_that_die_send_nothing_twice(harbour: Harbour) -> None:
    """A client hears half of the answers and asks again with the same key, by several threads; the host is killed in
    the middle, twice. Each text arrives once, or we say that we do not know, and none is sent twice by us."""
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.becomes(harbour.sends(session_id, bob, "To warm up"), MessageStatus.DELIVERED)
    person = make_person(harbour.company, Role.ADMIN)
    address = f"/api/whatsapp/sessions/{session_id}/messages"
    made: dict[str, set[str]] = {}

    def ask(number: int) -> None:
        client = client_for(person)
        body = {"phone": f"+{bob.number}", "message": f"Text {number}"}
        for _ in range(3):
            answer = client.post(address, body, format="json", headers={"Idempotency-Key": f"text-{number}"})
            if answer.status_code != 409:
                assert answer.status_code == 202, answer.content
                made.setdefault(f"Text {number}", set()).add(answer.json()["data"]["id"])

    def ask_for(numbers: range) -> None:
        for number in numbers:
            ask(number)

    threads = [
        threading.Thread(target=in_its_own_connection, args=[ask_for, numbers])
        for numbers in (range(0, TEXTS, 2), range(1, TEXTS, 2), range(TEXTS))
    ]
    for thread in threads:
        thread.start()
    for so_far in (TEXTS // 6, TEXTS // 2):
        eventually(lambda so_far=so_far: len(bob.inbox) > so_far, what=f"more than {so_far} have arrived")  # type: ignore[misc]
        pids = eventually(harbour.worker.host_pids, what="a host is there")
        os.kill(pids[session_id], signal.SIGKILL)
        harbour.shows(session_id, State.CONNECTED)
    for thread in threads:
        thread.join(120)

    rows = Message.objects.filter(session_id=session_id, body__startswith="Text ")
    under_way = (MessageStatus.QUEUED, MessageStatus.SENT)
    eventually(
        lambda: not harbour.run(rows.filter(status__in=under_way).exists), within=90, what="nothing is under way"
    )
    statuses = dict(harbour.run(lambda: list(rows.values_list("body", "status"))))
    arrived = Counter(message.text for message in bob.inbox if message.text.startswith("Text "))

    assert {len(ids) for ids in made.values()} == {1}, "one key, one message"
    assert harbour.run(rows.count) == TEXTS == len(statuses)
    assert set(arrived.values()) == {1}
    settled = {MessageStatus.SERVER_ACK, MessageStatus.DELIVERED}
    assert {body for body, status in statuses.items() if status in settled} <= set(arrived)
    assert {statuses[body] for body in statuses.keys() - arrived.keys()} <= {MessageStatus.UNCONFIRMED}
