"""The outbound queue: what leaves when, what waits for what, and what can still be taken back."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Role
from accounts.permissions import SYSTEM, Rights
from tenants.context import run_in
from tenants.models import Company
from tests.accounts.races import in_its_own_connection, wait_for_a_lock
from tests.conftest import ApiClients
from tests.people import Person, make_person
from tests.whatsapp.desk import BOB, BOB_BY_LID, EVE, GROUP, NOON, Desk, acknowledged, failed, orders_of, receipt, text
from whatsapp.engine.port import ConnectionLost, SendOutcome
from whatsapp.errors import (
    BadExpiry,
    BadGap,
    BadPriority,
    BadSendTime,
    CancellingDenied,
    ChatNotFound,
    MessageLeft,
    MessageNotFound,
    PacingDenied,
    QueueControlDenied,
    ReadingDenied,
)
from whatsapp.models import Chat, Message, MessageStatus, Pacing
from whatsapp.services import access, outbound, owning, pacing, queue
from whatsapp.services.outbound import Delivery
from whatsapp.services.pacing import Hold, Rules
from whatsapp.services.queue import Queue, Waiting
from whatsapp.tasks import expire_queued

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
DAN = "4915550000077"


def put(desk: Desk, words: str = "Hello", *, phone: str = BOB.pn, by: Any = SYSTEM, **delivery: Any) -> str:
    options: dict[str, Any] = {"company": desk.company, "session_id": desk.session_id, "by": by}
    return outbound.queue_text(text=words, phone=f"+{phone}", delivery=Delivery(**delivery), **options).pk


def in_(span: timedelta) -> datetime:
    return timezone.now() + span


def rewind(message_id: str, **moments: timedelta) -> None:
    """As if so much time had passed since."""
    values = {name: getattr(Message.objects.get(pk=message_id), name) - span for name, span in moments.items()}
    Message.objects.filter(pk=message_id).update(**values)


def look(desk: Desk, by: Any = SYSTEM, **page: int) -> tuple[Queue, list[Waiting]]:
    found, rows, _ = queue.look(company=desk.company, session_id=desk.session_id, by=by, **page)
    return found, rows


def reasons(desk: Desk) -> list[tuple[str, Hold | None]]:
    return [(row.message.body, row.wait.reason if row.wait else None) for row in look(desk)[1]]


def do(verb: Any, desk: Desk, by: Any = SYSTEM, **more: Any) -> Any:
    return verb(company=desk.company, session_id=desk.session_id, by=by, **more)


# -- the order -------------------------------------------------------------------------------------------------------
def test_what_has_a_higher_priority_leaves_first_and_else_the_older_one(desk: Desk) -> None:
    for words, priority in (("a", 0), ("b", 5), ("c", -5), ("d", 5), ("e", 0)):
        put(desk, words, priority=priority)

    assert [row.message.body for row in look(desk)[1]] == ["b", "d", "a", "e", "c"]
    assert orders_of(desk.take(2)) == ["b", "d"]
    assert orders_of(desk.take()) == ["a", "e", "c"]


def test_what_is_for_later_waits_and_says_when_to_ask_again(desk: Desk) -> None:
    at = in_(MINUTE)
    later = put(desk, "Good morning", send_at=at)
    put(desk, "Now")

    handed = desk.hand_over()

    assert orders_of(handed.orders) == ["Now"]
    assert (handed.again_at, handed.has_more) == (at, False)
    rewind(later, send_at=MINUTE)
    assert orders_of(desk.take()) == ["Good morning"]


def test_what_is_for_later_stands_at_its_time_and_is_news_when_it_leaves(desk: Desk) -> None:
    desk.tell(text("Question"))
    later = put(desk, "Answer", send_at=in_(MINUTE))

    row = Message.objects.get(pk=later)
    assert row.send_at is not None
    assert row.timestamp == row.send_at.replace(microsecond=0)
    assert desk.chat().last_message_text == "Question"

    rewind(later, send_at=MINUTE)
    desk.take()
    assert desk.chat().last_message_text == "Answer"


def test_what_is_due_leaves_in_the_order_of_priority_among_the_rest(desk: Desk) -> None:
    later = put(desk, "Due", send_at=in_(MINUTE), priority=3)
    put(desk, "First", priority=9)
    put(desk, "Last")
    rewind(later, send_at=MINUTE)

    assert orders_of(desk.take()) == ["First", "Due", "Last"]


@pytest.mark.parametrize(
    ("delivery", "error"),
    [
        ({"send_at": timedelta(seconds=-1)}, BadSendTime),
        ({"send_at": timedelta(days=30, minutes=1)}, BadSendTime),
        ({"expires_at": timedelta(seconds=-1)}, BadExpiry),
        ({"send_at": timedelta(hours=2), "expires_at": timedelta(hours=1)}, BadExpiry),
        ({"priority": 101}, BadPriority),
        ({"priority": -101}, BadPriority),
    ],
)
def test_what_could_never_leave_as_asked_is_not_accepted(desk: Desk, delivery: Any, error: type[Exception]) -> None:
    asked: dict[str, Any] = {
        name: in_(value) if isinstance(value, timedelta) else value for name, value in delivery.items()
    }

    with pytest.raises(error):
        put(desk, **asked)
    assert not Message.objects.exists()


# -- running out -----------------------------------------------------------------------------------------------------
def test_what_was_not_sent_in_time_has_failed_and_is_not_sent(desk: Desk) -> None:
    late = put(desk, "Your code is 1234", expires_at=in_(MINUTE))
    put(desk, "Still good", expires_at=in_(timedelta(hours=1)))
    rewind(late, expires_at=MINUTE)

    assert orders_of(desk.take()) == ["Still good"]
    row = Message.objects.get(pk=late)
    assert (row.status, row.error_code) == (MessageStatus.FAILED, "expired")


def test_the_owner_looks_again_when_something_runs_out(desk: Desk) -> None:
    do(queue.pause, desk)
    at = in_(MINUTE)
    put(desk, expires_at=at)

    assert desk.hand_over().again_at == at


def test_what_runs_out_while_nobody_owns_the_session_fails_too(desk: Desk) -> None:
    late, other = put(desk, expires_at=in_(MINUTE)), put(desk, expires_at=in_(2 * MINUTE))
    rewind(late, expires_at=MINUTE)

    expire_queued(timestamp=0)

    assert (desk.status(late), desk.status(other)) == (MessageStatus.FAILED, MessageStatus.QUEUED)


# -- stopping --------------------------------------------------------------------------------------------------------
def test_a_paused_queue_takes_texts_and_lets_none_leave_until_it_goes_on(desk: Desk) -> None:
    do(queue.pause, desk)
    put(desk, "Wait")

    assert desk.take() == []
    assert desk.session.queue_paused_at is not None
    assert reasons(desk) == [("Wait", Hold.PAUSED)]
    do(queue.resume, desk)
    assert orders_of(desk.take()) == ["Wait"]


def test_the_owner_is_woken_when_the_queue_goes_on_and_only_then(desk: Desk) -> None:
    do(queue.pause, desk)
    before = desk.placement.work

    do(queue.pause, desk)
    assert desk.placement.work == before
    do(queue.resume, desk)
    assert desk.placement.work == before + 1


def granted(desk: Desk, **rights: bool) -> Person:
    person = make_person(desk.company, Role.MANAGER)
    given: dict[str, Any] = {"company": desk.company, "session_id": desk.session_id, "by": SYSTEM}
    access.grant(manager_id=person.user.pk, rights=Rights(**rights), **given)
    return person


def test_who_manages_chats_may_pause_and_who_writes_may_not(desk: Desk) -> None:
    writer, keeper = granted(desk, can_read=True, can_write=True), granted(desk, can_manage_chats=True)

    for verb in (queue.pause, queue.resume):
        with pytest.raises(QueueControlDenied):
            do(verb, desk, by=writer.actor)
        do(verb, desk, by=keeper.actor)


def test_the_pace_is_the_admins_and_the_list_is_for_readers(desk: Desk) -> None:
    person = granted(desk, can_write=True, can_manage_chats=True)

    with pytest.raises(PacingDenied):
        do(queue.set_pace, desk, by=person.actor, rules=Rules(max_gap=1))
    with pytest.raises(ReadingDenied):
        look(desk, by=person.actor)


# -- taking back -----------------------------------------------------------------------------------------------------
def cancel(desk: Desk, message_id: str, by: Any = SYSTEM) -> Message:
    row: Message = do(queue.cancel, desk, by=by, message_id=message_id)
    return row


def test_what_waits_can_be_taken_back_and_never_leaves(desk: Desk) -> None:
    desk.tell(text("Question"))
    message_id, later = put(desk, "Oops"), put(desk, "Oops later", send_at=in_(MINUTE))

    assert cancel(desk, message_id).status == MessageStatus.CANCELLED
    assert cancel(desk, message_id).status == MessageStatus.CANCELLED
    cancel(desk, later)

    rewind(later, send_at=MINUTE)
    assert desk.take() == []
    assert desk.chat().last_message_text == "Question"


@pytest.mark.parametrize("answer", [None, SendOutcome.ACKNOWLEDGED, SendOutcome.UNCONFIRMED, SendOutcome.REFUSED])
def test_what_has_left_or_may_have_is_not_taken_back(desk: Desk, answer: SendOutcome | None) -> None:
    message_id = desk.send()
    if answer is not None:
        desk.tell(failed(message_id, answer, wa_id="OUT"))
    before = desk.status(message_id)

    with pytest.raises(MessageLeft):
        cancel(desk, message_id)
    assert desk.status(message_id) == before


def test_what_came_back_unsent_can_be_taken_back(desk: Desk) -> None:
    message_id = desk.send()
    desk.tell(failed(message_id, SendOutcome.NOT_SENT, detail="not connected"))

    assert cancel(desk, message_id).status == MessageStatus.CANCELLED


def test_writers_take_back_their_own_and_chat_managers_everybodys(desk: Desk) -> None:
    writer, keeper = granted(desk, can_write=True), granted(desk, can_manage_chats=True)
    reader = granted(desk, can_read=True)
    own, others = put(desk, by=writer.actor), put(desk)

    for person, message_id in ((reader, own), (writer, others), (reader, "nobodys")):
        with pytest.raises(CancellingDenied):
            cancel(desk, message_id, by=person.actor)
    cancel(desk, own, by=writer.actor)
    cancel(desk, others, by=keeper.actor)


def test_all_that_waits_for_a_chat_is_taken_back_at_once(desk: Desk) -> None:
    waiting = [put(desk, words) for words in ("one", "two")]
    later, evens = put(desk, "later", send_at=in_(MINUTE)), put(desk, "Eve's", phone=EVE.pn)
    chat_id = Message.objects.get(pk=later).chat_id

    assert do(queue.cancel_chat, desk, chat_id=chat_id) == 3
    assert do(queue.cancel_chat, desk, chat_id=chat_id) == 0

    assert {desk.status(each) for each in (*waiting, later)} == {MessageStatus.CANCELLED}
    assert orders_of(desk.take()) == ["Eve's"]
    assert desk.status(evens) == MessageStatus.SENT
    assert Chat.objects.get(pk=chat_id).last_message_text == ""


def test_whoever_does_not_manage_chats_takes_back_their_own_of_a_chat(desk: Desk, acme_manager: Person) -> None:
    rights = {"company": desk.company, "session_id": desk.session_id, "manager_id": acme_manager.user.pk, "by": SYSTEM}
    access.grant(rights=Rights(can_read=True), **rights)  # type: ignore[arg-type]
    others = put(desk, "others")
    chat_id = Message.objects.get(pk=others).chat_id
    with pytest.raises(CancellingDenied):
        do(queue.cancel_chat, desk, by=acme_manager.actor, chat_id=chat_id)
    access.grant(rights=Rights(can_write=True), **rights)  # type: ignore[arg-type]
    own = put(desk, "own", by=acme_manager.actor)

    assert do(queue.cancel_chat, desk, by=acme_manager.actor, chat_id=chat_id) == 1

    assert (desk.status(own), desk.status(others)) == (MessageStatus.CANCELLED, MessageStatus.QUEUED)
    with pytest.raises(ChatNotFound):
        do(queue.cancel_chat, desk, chat_id="nothing")


def test_what_is_no_message_of_ours_is_not_found(desk: Desk) -> None:
    desk.tell(text("Theirs"))

    for message_id in ("nobodys", Message.objects.get(body="Theirs").pk):
        with pytest.raises(MessageNotFound):
            cancel(desk, message_id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["owner", "person"])
def test_a_text_is_handed_over_or_taken_back_and_never_both(
    live_companies: tuple[Company, Company], first: str
) -> None:
    acme, _ = live_companies
    desk = run_in(acme, Desk.open, acme)
    message_id = run_in(acme, put, desk)
    ended: list[object] = []
    is_connected, may_go = threading.Event(), threading.Event()

    def second() -> None:
        other = (lambda: cancel(desk, message_id)) if first == "owner" else desk.take
        # PostgreSQL shows a transaction the connections of its beginning alone.
        connection.ensure_connection()
        is_connected.set()
        may_go.wait(30)
        try:
            ended.append(run_in(acme, other))
        except MessageLeft as error:
            ended.append(error)

    thread = threading.Thread(target=in_its_own_connection, args=[second])
    thread.start()
    is_connected.wait(30)

    @transaction.atomic
    def begin() -> None:
        _ = desk.take() if first == "owner" else cancel(desk, message_id)
        may_go.set()
        wait_for_a_lock()

    run_in(acme, begin)
    thread.join(30)
    if first == "owner":
        assert isinstance(ended[0], MessageLeft)
        assert run_in(acme, desk.status, message_id) == MessageStatus.SENT
    else:
        assert ended == [[]]
        assert run_in(acme, desk.status, message_id) == MessageStatus.CANCELLED


# -- the pace --------------------------------------------------------------------------------------------------------
def paced(desk: Desk, **rules: Any) -> None:
    do(queue.set_pace, desk, rules=Rules(**rules))


def past(**moments: datetime) -> None:
    Pacing.objects.update(**moments)


def test_with_a_gap_one_text_leaves_and_the_next_when_it_is_over(desk: Desk) -> None:
    paced(desk, min_gap=10, max_gap=20)
    put(desk, "One")
    put(desk, "Two")

    handed = desk.hand_over()
    assert orders_of(handed.orders) == ["One"]
    assert handed.again_at == Pacing.objects.get().next_at
    assert timedelta(seconds=9) < (handed.again_at or in_(-MINUTE)) - timezone.now() <= timedelta(seconds=20)
    assert desk.take() == []
    assert reasons(desk) == [("Two", Hold.PACING)]

    past(next_at=timezone.now())
    assert orders_of(desk.take()) == ["Two"]


def test_a_new_pace_counts_at_once(desk: Desk) -> None:
    paced(desk, min_gap=3000, max_gap=3000)
    put(desk, "One")
    put(desk, "Two")
    desk.take()

    paced(desk)

    assert orders_of(desk.take()) == ["Two"]


def test_a_day_has_so_many_texts_and_the_next_day_as_many_again(desk: Desk) -> None:
    paced(desk, daily_limit=2)
    for words in "abc":
        put(desk, words)

    handed = desk.hand_over()
    assert orders_of(handed.orders) == ["a", "b"]
    assert handed.again_at is not None
    assert (handed.again_at.hour, handed.again_at.minute) == (0, 0)
    assert reasons(desk) == [("c", Hold.DAILY_LIMIT)]

    Pacing.objects.update(day=timezone.now().date() - timedelta(days=1))
    assert orders_of(desk.take()) == ["c"]


def test_the_companys_own_day_counts(desk: Desk) -> None:
    desk.company.timezone = "Pacific/Kiritimati"
    try:
        paced(desk, daily_limit=1)
        put(desk)
        handed = desk.hand_over()
    finally:
        desk.company.timezone = "UTC"

    assert handed.again_at is not None
    assert timezone.localtime(handed.again_at, timezone.get_fixed_timezone(14 * 60)).hour == 0


def test_new_people_have_a_limit_of_their_own_that_answers_do_not_count_for(desk: Desk) -> None:
    paced(desk, new_chat_limit=1)
    desk.tell(text("Question", peer=BOB))
    desk.tell(text("All", group=GROUP))
    put(desk, "To new Eve", phone=EVE.pn)
    put(desk, "To new Dan", phone=DAN)
    put(desk, "Answer", phone=BOB.pn)
    group = Message.objects.get(body="All").chat_id
    desk.queue("To the group", chat_id=group)

    assert sorted(orders_of(desk.take())) == ["Answer", "To new Eve", "To the group"]
    assert reasons(desk) == [("To new Dan", Hold.NEW_CHAT_LIMIT)]

    desk.tell(text("Hi, it is me", peer=type(BOB)(pn=DAN)))
    assert orders_of(desk.take()) == ["To new Dan"]


def test_who_wrote_by_another_address_is_not_new(desk: Desk) -> None:
    message_id = desk.send("By number", phone=BOB.pn)
    assert desk.chat().is_new
    desk.tell(text("By hidden identity", peer=BOB_BY_LID))

    desk.tell(acknowledged(message_id))

    assert not desk.chat().is_new


def test_what_we_write_on_the_phone_makes_nobody_known(desk: Desk) -> None:
    desk.tell(text("From the phone", from_me=True))
    assert desk.chat().is_new

    desk.tell(text("Answer"))
    assert not desk.chat().is_new


def test_gaps_that_make_no_sense_are_refused(desk: Desk) -> None:
    with pytest.raises(BadGap):
        paced(desk, min_gap=2, max_gap=1)
    assert not Pacing.objects.exists()


# -- refusals --------------------------------------------------------------------------------------------------------
RESTRICTED = "server returned error 463"


def refused(desk: Desk, message_id: str, detail: str = RESTRICTED) -> None:
    desk.tell(failed(message_id, SendOutcome.REFUSED, detail=detail))


def test_after_a_refusal_texts_to_new_people_wait_and_answers_leave(desk: Desk) -> None:
    desk.tell(text("Question", peer=BOB))
    refused(desk, desk.send("Hello Eve", phone=EVE.pn))
    put(desk, "Hello Dan", phone=DAN)
    put(desk, "Answer", phone=BOB.pn)

    handed = desk.hand_over()

    assert orders_of(handed.orders) == ["Answer"]
    row = Message.objects.get(body="Hello Eve")
    assert (row.status, row.error_code) == (MessageStatus.FAILED, "new_chats_restricted")
    assert (row.retry_at, handed.holds_new) == (handed.again_at, True)
    found, (waiting,) = look(desk)
    assert (found.wait, found.refusals) == (None, 1)
    assert found.new_wait == waiting.wait
    assert waiting.wait == pacing.Wait(Hold.NEW_CHATS_REFUSED, row.retry_at)


def test_one_text_finds_out_and_when_it_is_taken_the_others_follow(desk: Desk) -> None:
    refused(desk, desk.send("Hello Eve", phone=EVE.pn))
    for number in range(3):
        put(desk, f"Hello {number}", phone=f"{DAN}{number}")
    past(new_chats_after=timezone.now())

    (probe,) = desk.take()
    assert desk.take() == []
    desk.tell(acknowledged(probe.message_id, peer=type(BOB)()))

    assert orders_of(desk.take()) == ["Hello 1", "Hello 2"]
    assert look(desk)[0].refusals == 0


def test_each_refusal_of_the_one_that_tries_makes_the_pause_longer(desk: Desk) -> None:
    refused(desk, desk.send("0", phone=f"{DAN}0"))
    first = Pacing.objects.get().new_chats_after
    past(new_chats_after=timezone.now())
    refused(desk, desk.send("1", phone=f"{DAN}1"))

    row = Pacing.objects.get()
    assert row.refusals == 2
    assert first is not None
    assert row.new_chats_after is not None
    assert row.new_chats_after - timezone.now() > first - timezone.now() + MINUTE


def test_refusals_of_what_was_on_its_way_together_count_once(desk: Desk) -> None:
    together = [put(desk, str(number), phone=f"{DAN}{number}") for number in range(4)]
    desk.take()

    for message_id in together:
        refused(desk, message_id)

    assert Pacing.objects.get().refusals == 1
    assert len(set(Message.objects.values_list("retry_at", flat=True))) == 1


def test_a_refusal_of_an_answer_says_nothing_about_new_people(desk: Desk) -> None:
    desk.tell(text("Question", peer=BOB))

    refused(desk, desk.send("Answer", phone=BOB.pn))

    assert not Pacing.objects.exists()
    assert Message.objects.get(body="Answer").retry_at is None


def test_after_too_many_at_once_everything_rests_for_a_moment(desk: Desk) -> None:
    desk.tell(text("Question", peer=BOB))
    refused(desk, desk.send("Answer", phone=BOB.pn), "server returned error 429")
    put(desk, "More", phone=BOB.pn)

    handed = desk.hand_over()

    row = Message.objects.get(body="Answer")
    assert (handed.orders, row.error_code, row.retry_at) == ([], "rate_limited", handed.again_at)
    past(next_at=timezone.now())
    assert orders_of(desk.take()) == ["More"]


def test_a_receipt_that_proves_a_refused_text_arrived_leaves_no_time_to_try_again(
    desk: Desk, acme_admin: Person, api: ApiClients
) -> None:
    message_id = desk.send("Hello Eve", phone=EVE.pn)
    desk.tell(failed(message_id, SendOutcome.REFUSED, wa_id="OUT", detail=RESTRICTED))
    address = f"/api/whatsapp/sessions/{desk.session_id}/messages/{message_id}"
    before = api(acme_admin).get(address).json()["data"]

    desk.tell(receipt("OUT"))

    after = api(acme_admin).get(address).json()["data"]
    assert before["retryAt"] is not None
    assert "does not let this number write to new people" in before["errorText"]
    assert (after["status"], after["retryAt"], after["errorCode"], after["errorText"]) == ("delivered", None, None, "")


# -- over REST -------------------------------------------------------------------------------------------------------
def base(desk: Desk) -> str:
    return f"/api/whatsapp/sessions/{desk.session_id}"


def test_the_queue_says_what_each_text_waits_for(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    client, at = api(acme_admin), in_(MINUTE)
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"phone": f"+{BOB.pn}", "message": "Later", "sendAt": at.isoformat(), "priority": 7}
    assert client.post(f"{base(desk)}/messages", body, format="json").status_code == 202
    desk.send("On its way")
    put(desk, "Now")
    paced(desk, daily_limit=1)

    free = client.get(f"{base(desk)}/queue").json()["data"]
    client.post(f"{base(desk)}/queue/pause")
    paused = client.get(f"{base(desk)}/queue").json()["data"]

    def told(data: Any) -> list[tuple[object, ...]]:
        return [tuple(row[key] for key in ("position", "body", "heldReason", "retryAt")) for row in data["messages"]]

    assert told(free) == [(1, "Now", None, None), (2, "Later", "scheduled", moment)]
    assert told(paused) == [(1, "Now", "paused", None), (2, "Later", "scheduled", moment)]
    assert (free["queue"]["inFlight"], free["queue"]["heldReason"], paused["queue"]["isPaused"]) == (1, None, True)
    assert (free["queue"]["heldText"], paused["queue"]["heldText"]) == ("", "Sending was stopped here.")


def test_a_page_of_the_queue_counts_positions_through(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    do(queue.pause, desk)
    for number in range(5):
        put(desk, str(number))
    put(desk, "Later", send_at=in_(MINUTE))

    data = api(acme_admin).get(f"{base(desk)}/queue", {"limit": 2, "page": 2}).json()["data"]

    assert [(row["position"], row["body"]) for row in data["messages"]] == [(3, "2"), (4, "3")]
    assert data["pagination"] == {"page": 2, "limit": 2, "total": 6, "pages": 3}
    assert (data["queue"]["waiting"], data["queue"]["scheduled"], data["queue"]["inFlight"]) == (5, 1, 0)
    last = api(acme_admin).get(f"{base(desk)}/queue", {"limit": 2, "page": 3}).json()["data"]["messages"]
    assert [(row["body"], row["heldReason"]) for row in last] == [("4", "paused"), ("Later", "scheduled")]


def test_a_session_that_is_away_holds_its_queue(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    message_id = put(desk, "When you are back")
    desk.tell(ConnectionLost())

    assert reasons(desk) == [("When you are back", Hold.NOT_CONNECTED)]
    shown = api(acme_admin).get(f"{base(desk)}/messages/{message_id}").json()["data"]
    assert (shown["heldReason"], shown["status"]) == ("not_connected", "queued")


def test_pausing_is_to_be_seen_in_the_session(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    client = api(acme_admin)

    paused = client.post(f"{base(desk)}/queue/pause").json()["data"]
    resumed = client.post(f"{base(desk)}/queue/resume").json()["data"]

    assert (paused["isConnected"], paused["queuePausedAt"] is None) == (True, False)
    assert resumed["queuePausedAt"] is None


def test_the_pace_is_set_as_a_whole(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    client, address = api(acme_admin), f"{base(desk)}/queue/pace"
    whole = {"minGap": 2.5, "maxGap": 8.0, "dailyLimit": 500, "newChatLimit": 20}

    assert client.put(address, whole, format="json").json()["data"] == whole
    assert client.get(f"{base(desk)}/queue").json()["data"]["queue"]["pace"] == whole
    nothing = {"minGap": 0.0, "maxGap": 0.0, "dailyLimit": None, "newChatLimit": None}
    assert client.put(address, {}, format="json").json()["data"] == nothing


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"minGap": 9, "maxGap": 1}, "bad_gap"),
        ({"minGap": -1}, "invalid"),
        ({"maxGap": "NaN"}, "invalid"),
        ({"maxGap": 3601}, "invalid"),
        ({"dailyLimit": 0}, "invalid"),
        ({"newChatLimit": "many"}, "invalid"),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(
    desk: Desk, acme_admin: Person, api: ApiClients, body: Any, code: str
) -> None:
    answer = api(acme_admin).put(f"{base(desk)}/queue/pace", body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Pacing.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("sendAt", "2030-01-01T10:00:00", "invalid"),
        ("sendAt", "tomorrow", "invalid"),
        ("sendAt", "2001-01-01T10:00:00Z", "bad_send_time"),
        ("sendAt", "9999-12-31T23:59:59-12:00", "invalid"),
        ("sendAt", "0001-01-01T00:00:00+12:00", "invalid"),
        ("expiresAt", "2001-01-01T10:00:00+03:00", "bad_expiry"),
        ("priority", 101, "invalid"),
        ("priority", "high", "invalid"),
    ],
)
def test_a_text_is_not_queued_for_a_time_that_cannot_be(
    desk: Desk, acme_admin: Person, api: ApiClients, field: str, value: object, code: str
) -> None:
    body = {"phone": f"+{BOB.pn}", "message": "Hello", field: value}

    answer = api(acme_admin).post(f"{base(desk)}/messages", body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Message.objects.exists()


def test_taking_back_over_rest(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    client, message_id = api(acme_admin), put(desk)
    address = f"{base(desk)}/messages/{message_id}/cancel"

    assert client.post(address).json()["data"]["status"] == "cancelled"
    left = client.post(f"{base(desk)}/messages/{desk.send()}/cancel")
    assert (left.status_code, left.json()["code"]) == (409, "message_left")


# -- what it costs ---------------------------------------------------------------------------------------------------
def test_handing_over_costs_no_more_however_much_waits(desk: Desk) -> None:
    for number in range(10):
        put(desk, str(number))
    lease = desk.lease

    with CaptureQueriesContext(connection) as captured:
        owning.take_queued(company=desk.company, lease=lease, limit=10)

    # The placement, the session and the texts (in one trip), the update, the log.
    assert len([each for each in captured if "SAVEPOINT" not in each["sql"]]) == 5
    assert Message.objects.filter(status=MessageStatus.SENT).count() == 10


def test_an_answer_costs_no_query_more_for_the_pace(desk: Desk) -> None:
    message_id = desk.send()
    desk.tell(acknowledged(message_id))
    second = desk.send()

    with CaptureQueriesContext(connection) as captured:
        desk.tell(acknowledged(second, "OUT-2", at=NOON))

    assert not [each for each in captured if 'FROM "whatsapp_pacing"' in each["sql"]]


def test_queueing_costs_what_it_did(desk: Desk, acme_admin: Person, api: ApiClients) -> None:
    desk.queue("Known by now")
    body, client = {"message": "Hello"}, api(acme_admin)
    address = f"{base(desk)}/chats/{desk.chat().pk}/send"
    client.post(address, body, format="json")  # the first one notes that somebody was here

    with CaptureQueriesContext(connection) as captured:
        assert client.post(address, body, format="json").status_code == 200

    counted = [each["sql"] for each in captured if "SAVEPOINT" not in each["sql"] and "search_path" not in each["sql"]]
    # Who asks, the session, the placement with its wake-up, the account, the chat, the text and its row in the audit in
    # one trip, the chat's news, the writer, the log.
    assert len(counted) <= 10, counted
