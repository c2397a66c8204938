"""The event log: written with the change, in order, without gaps."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection, transaction

from accounts.permissions import SYSTEM
from tenants.context import run_in
from tenants.models import Company
from tests.whatsapp.desk import SHOP, Desk, acknowledged, receipt, text
from whatsapp.catalogue import KINDS
from whatsapp.engine.port import ChallengeIssued, ConnectionLost
from whatsapp.models import Event, Message
from whatsapp.services import news, sessions

pytestmark = pytest.mark.django_db


def logged(kind: str = "") -> list[Event]:
    rows = Event.objects.order_by("position")
    return list(rows.filter(kind=kind) if kind else rows)


def test_a_message_is_one_event_with_everybody_in_it(desk: Desk) -> None:
    desk.tell(text("Hello?"))

    (event,) = logged("message.new")
    message = Message.objects.get()
    assert (event.session_id, event.account_id, event.chat_id) == (
        desk.session_id,
        message.account_id,
        message.chat_id,
    )
    assert event.happened_at == message.timestamp
    assert event.data["message"]["body"] == "Hello?"
    assert event.data["sender"] == {
        "id": message.sender_id,
        "phone": "4915550000099",
        "lid": "99000000000001",
        "name": "Bob",
    }
    assert event.data["account"]["phone"] == SHOP


def test_what_is_told_again_is_logged_once(desk: Desk) -> None:
    desk.tell(text("Hello?", wa_id="SAME"), text("Hello?", wa_id="SAME"))
    desk.tell(text("Hello?", wa_id="SAME"))

    assert len(logged("message.new")) == 1


def test_a_session_counts_its_own_and_the_company_all(acme: Company, desk: Desk) -> None:
    other = Desk.open(acme, number="4915550000002", name="Second")
    for number in range(3):
        desk.tell(text(f"first {number}"))
        other.tell(text(f"second {number}"), text(f"third {number}"))

    assert [event.position for event in logged()] == list(range(1, len(logged()) + 1))
    for session_id in (desk.session_id, other.session_id):
        seqs = [event.seq for event in logged() if event.session_id == session_id]
        assert seqs == list(range(1, len(seqs) + 1))


def test_a_message_that_is_sent_leaves_its_trail(desk: Desk) -> None:
    desk.tell(text("Hello?"))
    desk.queue("Good morning")
    desk.take()
    desk.tell(ConnectionLost("", retrying=True))

    assert [event.kind for event in logged()[-4:]] == [
        "message.new",
        "message.new",
        "message.status",
        "session.changed",
    ]
    assert logged("message.status")[-1].data["status"] == "sent"


def test_a_receipt_is_an_event(desk: Desk) -> None:
    message_id = desk.send("Good morning")
    desk.tell(acknowledged(message_id, "OUT"), receipt("OUT"))

    assert logged()[-1].data["status"] == "delivered"


def test_what_is_undone_was_never_logged(desk: Desk) -> None:
    before = len(logged())

    with transaction.atomic():
        desk.tell(text("Hello?"))
        transaction.set_rollback(True)

    assert len(logged()) == before
    desk.tell(text("Hello?"))
    assert [event.position for event in logged()] == list(range(1, len(logged()) + 1))


def test_of_a_service_within_another_only_what_stays_is_logged(acme: Company, desk: Desk) -> None:
    @news.writing
    def fails() -> None:
        sessions.change(company=acme, session_id=desk.session_id, name="Never", by=SYSTEM)
        raise ZeroDivisionError

    @news.writing
    def goes_on() -> None:
        with pytest.raises(ZeroDivisionError):
            fails()
        sessions.change(company=acme, session_id=desk.session_id, name="Kept", by=SYSTEM)

    goes_on()

    names = [event.data["name"] for event in logged("session.changed")]
    assert ("Never" in names, names[-1]) == (False, "Kept")


def test_news_outside_of_a_transaction_that_logs_it_is_a_mistake(acme: Company) -> None:
    with pytest.raises(RuntimeError):
        news.tell(acme, "chat.changed", {})


def test_a_code_is_never_logged(acme: Company, desk: Desk) -> None:
    desk = Desk.unlinked(acme, "Second")
    desk.tell(ChallengeIssued("qr", "2@verysecret", 60))

    assert "2@verysecret" not in str([event.data for event in logged()])
    assert {event.kind for event in logged()} <= set(KINDS)


@pytest.mark.django_db(transaction=True)
def test_many_writers_leave_no_gap_and_wait_for_nobody_twice(acme: Company) -> None:
    desks = [run_in(acme, partial(Desk.open, acme, number=f"491555000010{n}", name=f"Desk {n}")) for n in range(3)]

    def writes(number: int) -> None:
        desk = desks[number % len(desks)]
        try:
            if number % 2:
                run_in(acme, desk.tell, text(f"in {number}", wa_id=f"W{number}"))
            else:
                run_in(acme, desk.queue, f"out {number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(writes, range(60)))

    rows = run_in(acme, logged)
    assert [event.position for event in rows] == list(range(1, len(rows) + 1))
    for desk in desks:
        seqs = [event.seq for event in rows if event.session_id == desk.session_id]
        assert seqs == list(range(1, len(seqs) + 1))
    assert sum(event.kind == "message.new" for event in rows) == 60
