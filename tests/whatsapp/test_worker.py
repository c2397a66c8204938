"""The worker with real hosts on the sandbox: what people want comes true, and nothing that happens is lost."""

import base64
import os
import signal

import pytest

from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from sandbox.protocol.node import Node
from tests.jpegs import picture
from tests.waiting import eventually
from tests.whatsapp.harbour import Harbour, WorkerThread
from whatsapp.engine import device_store
from whatsapp.engine.jpeg import measure
from whatsapp.models import Media, Message, MessageStatus, Session
from whatsapp.services import sessions
from whatsapp.worker import patience


def test_a_phone_links_by_qr_and_messages_flow_both_ways(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)

    harbour.wa.send_text(bob, shop, "Are you open?")
    question = harbour.received("Are you open?")
    answer = harbour.sends(session_id, bob, "We are open.")
    row = harbour.becomes(answer, MessageStatus.DELIVERED)

    assert question.sender is not None
    assert (question.sender.phone_number, question.sender.push_name) == (bob.number, "Bob")
    assert row.chat_id == question.chat_id
    assert [message.text for message in bob.inbox] == ["We are open."]
    harbour.wa.read(bob, [row.wa_id])
    harbour.becomes(answer, MessageStatus.READ)


def test_the_session_belongs_to_its_number_once_it_is_linked(harbour: Harbour) -> None:
    shop = harbour.phone("Shop")

    session = harbour.session(harbour.linked(shop))

    assert session.account is not None
    assert session.account.phone_number == shop.number
    assert session.placement.device_jid == f"{shop.number}:1@s.whatsapp.net"
    assert (session.qr, session.pairing_code) == ("", "")


def test_a_phone_links_by_pairing_code(harbour: Harbour) -> None:
    shop = harbour.phone("Shop")
    session_id = harbour.new_session("By code")

    harbour.do(sessions.request_code, session_id, phone=f"+{shop.number}")
    code = harbour.code(session_id)
    harbour.wa.type_code(shop, code)

    assert (len(code), code[4]) == (9, "-")
    harbour.shows(session_id, State.CONNECTED)


def test_a_message_written_on_the_linked_phone_is_recorded_as_ours(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    harbour.linked(shop)

    harbour.wa.send_text(shop, bob, "Written on the phone")
    row = harbour.received("Written on the phone")

    assert (row.from_me, row.sender, row.sent_by_id) == (True, None, None)
    assert row.chat.contact is not None
    assert row.chat.contact.phone_number == bob.number
    harbour.becomes(row.pk, MessageStatus.DELIVERED)


def test_what_phones_send_is_described_as_their_messages_do(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    harbour.linked(shop)
    photo = picture(1600, 1200)
    view = f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"

    harbour.wa.send_image(bob, shop, photo, "A photo")
    harbour.wa.send_thing(bob, shop, document={"name": "bill.pdf", "mimetype": "application/pdf"}, text="A document")
    harbour.wa.send_thing(bob, shop, voice={"seconds": 7})
    harbour.wa.send_thing(bob, shop, video={"seconds": 31, "preview": view}, text="A video")
    harbour.wa.send_thing(bob, shop, location={"latitude": 53.5, "longitude": 9.9, "name": "A place", "preview": view})
    harbour.wa.send_thing(bob, shop, contact={"name": "A contact", "number": "4915550000088"})
    harbour.wa.send_thing(bob, shop, poll={"options": ["Mon", "Tue"]}, text="A poll")
    harbour.received("A poll")

    rows = harbour.run(lambda: {row.message.kind: row for row in Media.objects.select_related("message")})
    seen = {kind: measure(bytes(row.preview or b"")) for kind, row in rows.items()}
    assert seen == {**dict.fromkeys(rows), "image": (100, 75), "video": (100, 75), "location": (100, 75)}
    assert (rows["image"].width, rows["image"].height, rows["image"].size) == (1600, 1200, len(photo))
    assert (rows["document"].file_name, rows["document"].mimetype) == ("bill.pdf", "application/pdf")
    assert (rows["audio"].seconds, rows["audio"].is_voice, rows["video"].seconds) == (7, True, 31)
    assert (rows["location"].title, rows["location"].latitude) == ("A place", 53.5)
    assert (rows["contact"].lines, rows["poll"].lines) == (["+4915550000088"], ["Mon", "Tue"])
    assert rows["document"].message.body == "A document"


def test_pausing_keeps_the_link_and_starting_needs_no_code(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)

    harbour.do(sessions.pause, session_id)
    paused = harbour.shows(session_id, State.STOPPED, Reason.PAUSED)
    harbour.wa.send_text(bob, shop, "While you were out")
    harbour.do(sessions.start, session_id)

    assert paused.device_jid
    harbour.shows(session_id, State.CONNECTED)
    harbour.received("While you were out")


def test_unlinking_logs_the_device_out_and_keeps_the_history(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.wa.send_text(bob, shop, "Remember me")
    harbour.received("Remember me")

    harbour.do(sessions.unlink, session_id)
    placement = harbour.shows(session_id, State.UNPAIRED, Reason.UNLINKED)

    assert (placement.device_jid, placement.wanted) == ("", Wanted.STOPPED)
    assert not shop.companions
    folder = device_store.make_folder(harbour.state_dir, session_id)
    eventually(lambda: not (folder / device_store.DEVICE_FILE).exists(), what="the keys are erased")
    assert harbour.received("Remember me")


def test_a_number_that_is_linked_again_finds_its_chats(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.wa.send_text(bob, shop, "Before")
    before = harbour.received("Before")
    harbour.do(sessions.unlink, session_id)
    harbour.shows(session_id, State.UNPAIRED, Reason.UNLINKED)

    harbour.do(sessions.start, session_id)
    harbour.wa.scan(shop, harbour.qr(session_id))
    harbour.shows(session_id, State.CONNECTED)
    harbour.wa.send_text(bob, shop, "After")

    assert harbour.received("After").chat_id == before.chat_id


def test_unlinking_on_the_phone_is_told_with_its_reason_and_not_fought(harbour: Harbour) -> None:
    shop = harbour.phone("Shop")
    session_id = harbour.linked(shop)

    harbour.wa.unlink(shop, 1)
    placement = harbour.shows(session_id, State.UNPAIRED, Reason.LOGGED_OUT_ON_PHONE)

    assert (placement.wanted, placement.device_jid, placement.next_retry_at) == (Wanted.STOPPED, "", None)


def test_a_cut_connection_comes_back_by_itself(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)

    harbour.wa.drop(shop)
    eventually(lambda: any(Reason.CONNECTION_LOST in line for line in harbour.history(session_id)))
    harbour.shows(session_id, State.CONNECTED)
    harbour.wa.send_text(bob, shop, "Still there?")

    harbour.received("Still there?")


def test_a_killed_host_is_noticed_and_its_session_comes_back(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)

    for number in (signal.SIGKILL, signal.SIGABRT):
        os.kill(harbour.worker.host_pids()[session_id], number)
        harbour.noted(session_id, number.name)
        harbour.shows(session_id, State.CONNECTED)
        harbour.wa.send_text(bob, shop, f"After {number.name}")
        harbour.received(f"After {number.name}")

    assert [line for line in harbour.history(session_id) if Reason.HOST_DIED in line] == [
        "connected>connecting:host_died",
        "connected>connecting:host_died",
    ]


def test_a_restarted_worker_brings_everything_back_without_a_qr(harbour: Harbour) -> None:
    phones = [harbour.phone(f"Shop {n}") for n in range(3)]
    ids = [harbour.linked(phone, name=phone.name) for phone in phones]

    harbour.restart_worker()

    for session_id in ids:
        harbour.shows(session_id, State.CONNECTED)
        assert not any("waiting_for_scan" in line for line in harbour.history(session_id)[6:])
    assert len(set(harbour.worker.host_pids().values())) == 1, "linked sessions share a host"


def test_pausing_one_session_of_a_shared_host_leaves_the_others_alone(harbour: Harbour) -> None:
    first, second, bob = harbour.phone("First"), harbour.phone("Second"), harbour.phone("Bob")
    one, two = harbour.linked(first, "First"), harbour.linked(second, "Second")
    harbour.restart_worker()
    harbour.shows(one, State.CONNECTED)
    harbour.shows(two, State.CONNECTED)
    host = harbour.worker.host_pids()[two]
    history = harbour.history(two)

    harbour.do(sessions.pause, one)
    harbour.shows(one, State.STOPPED, Reason.PAUSED)
    harbour.wa.send_text(bob, second, "Are you there?")

    harbour.received("Are you there?")
    assert harbour.worker.host_pids() == {two: host}
    assert harbour.history(two) == history


def test_a_second_worker_takes_nothing_that_is_owned(harbour: Harbour) -> None:
    session_id = harbour.linked(harbour.phone("Shop"))
    before = Placement.objects.get(pk=session_id)

    second = WorkerThread(harbour.state_dir).start()
    try:
        other = harbour.new_session("Another")
        harbour.qr(other)
        after = Placement.objects.get(pk=session_id)
    finally:
        second.stop()

    assert (after.owner_id, after.fence, after.state) == (before.owner_id, before.fence, State.CONNECTED)


def test_a_scan_that_whatsapp_does_not_complete_ends_in_a_reason(harbour: Harbour) -> None:
    session_id = harbour.new_session("Broken")
    phone = harbour.phone("Shop")

    with_error = harbour.scan_broken(phone, session_id)

    placement = harbour.shows(session_id, State.UNPAIRED, Reason.PAIRING_REFUSED)
    assert with_error
    assert placement.wanted == Wanted.STOPPED
    assert harbour.session(session_id).qr == ""


def test_codes_that_run_out_end_in_a_reason(harbour: Harbour) -> None:
    harbour.wa.faults.qr_refs = 1
    session_id = harbour.new_session("Nobody scans")

    harbour.qr(session_id)

    harbour.shows(session_id, State.UNPAIRED, Reason.CODES_RAN_OUT)


def test_whatsapp_out_of_reach_is_said_with_the_next_attempt(harbour: Harbour) -> None:
    session_id = harbour.linked(harbour.phone("Shop"))
    harbour.wa.faults.refuse_tcp = True

    harbour.restart_worker()
    placement = harbour.shows(session_id, State.CONNECTING, Reason.SERVER_UNREACHABLE)
    assert placement.next_retry_at is not None
    assert placement.attempts >= 1
    harbour.wa.faults.refuse_tcp = False

    harbour.shows(session_id, State.CONNECTED)


def test_a_temporary_ban_is_said_with_its_end_and_never_retried(harbour: Harbour) -> None:
    shop = harbour.phone("Shop")
    session_id = harbour.linked(shop)

    harbour.ban(shop, seconds=3600)
    placement = harbour.shows(session_id, State.REFUSED, Reason.TEMPORARY_BAN)

    assert placement.next_retry_at is not None
    assert (placement.wanted, bool(placement.device_jid)) == (Wanted.STOPPED, True)


def test_a_refused_message_has_failed_with_whatsapps_code(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.wa.faults.message_errors[bob.number] = 463

    row = harbour.becomes(harbour.sends(session_id, bob, "Hello"), MessageStatus.FAILED)

    assert (row.error_code, row.retry_at is None) == ("new_chats_restricted", False)


def test_a_message_to_a_number_without_whatsapp_has_failed(harbour: Harbour) -> None:
    session_id = harbour.linked(harbour.phone("Shop"))
    nobody = harbour.phone("Nobody")
    harbour.wa.faults.on_whatsapp[nobody.number] = False

    row = harbour.becomes(harbour.sends(session_id, nobody, "Hello?"), MessageStatus.FAILED)

    assert row.error_code == "not_on_whatsapp"


def test_a_send_that_a_killed_host_took_with_it_is_never_sent_twice(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.becomes(harbour.sends(session_id, bob, "One to warm up"), MessageStatus.DELIVERED)
    harbour.wa.faults.hold_message_acks = True
    pid = harbour.worker.host_pids()[session_id]

    message_id = harbour.sends(session_id, bob, "Did this arrive?")
    eventually(lambda: _sent_id(harbour, session_id, message_id))
    os.kill(pid, signal.SIGKILL)
    harbour.wa.faults.hold_message_acks = False

    row = harbour.becomes(message_id, MessageStatus.UNCONFIRMED)
    assert row.wa_id
    harbour.shows(session_id, State.CONNECTED)
    harbour.becomes(harbour.sends(session_id, bob, "One more"), MessageStatus.DELIVERED)
    assert [m.text for m in bob.inbox].count("Did this arrive?") <= 1


def test_a_text_queued_while_the_session_reconnects_leaves_when_it_is_back(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.worker.stop()

    message_id = harbour.sends(session_id, bob, "As soon as you can")
    assert harbour.message(message_id).status == MessageStatus.QUEUED
    harbour.worker = WorkerThread(harbour.state_dir).start()

    harbour.becomes(message_id, MessageStatus.DELIVERED)


def test_a_burst_is_stored_once_each(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    texts = {f"Message {n}" for n in range(120)}

    for text in sorted(texts):
        harbour.wa.send_text(bob, shop, text)

    stored = Message.objects.filter(session_id=session_id)
    eventually(lambda: harbour.run(stored.count) >= len(texts), what="all are stored")
    assert harbour.run(lambda: sorted(stored.values_list("body", flat=True))) == sorted(texts)
    assert harbour.received("Message 1").chat.unread_count == len(texts)


def test_an_archived_session_is_out_of_sight_and_free_in_the_plan(harbour: Harbour) -> None:
    session_id = harbour.new_session("Mistake")
    harbour.qr(session_id)

    harbour.do(sessions.archive, session_id)

    harbour.shows(session_id, State.UNPAIRED, Reason.PAIRING_CANCELLED)
    assert not harbour.run(lambda: Session.objects.live().exists())


def test_the_name_on_the_phone_appears_and_follows_when_it_changes(harbour: Harbour) -> None:
    shop = harbour.phone("Ромашка")
    session_id = harbour.linked(shop)

    def name() -> str:
        account = harbour.session(session_id).account
        return account.push_name if account else ""

    eventually(lambda: name() == "Ромашка", what="the profile's name")
    harbour.wa.rename(shop, "Ромашка и Ко")
    eventually(lambda: name() == "Ромашка и Ко", what="the new name")


def test_what_a_dead_worker_last_said_is_not_believed(harbour: Harbour) -> None:
    session_id = harbour.linked(harbour.phone("Shop"))
    harbour.worker.stop()
    # As a worker leaves it that is killed.
    Placement.objects.filter(pk=session_id).update(state=State.CONNECTED, reason="")

    harbour.worker = WorkerThread(harbour.state_dir).start()

    eventually(lambda: "connected>connecting:worker_silent" in harbour.history(session_id), what="it is taken back")
    harbour.shows(session_id, State.CONNECTED)


def test_a_session_that_left_a_shared_host_comes_back_in_another(harbour: Harbour) -> None:
    first, second, bob = harbour.phone("First"), harbour.phone("Second"), harbour.phone("Bob")
    one, two = harbour.linked(first, "First"), harbour.linked(second, "Second")
    harbour.restart_worker()
    harbour.shows(one, State.CONNECTED)
    harbour.shows(two, State.CONNECTED)
    shared = harbour.worker.host_pids()[two]

    harbour.do(sessions.pause, one)
    harbour.shows(one, State.STOPPED, Reason.PAUSED)
    harbour.do(sessions.start, one)
    harbour.shows(one, State.CONNECTED)
    harbour.wa.unlink(second, 1)
    harbour.shows(two, State.UNPAIRED, Reason.LOGGED_OUT_ON_PHONE)
    harbour.wa.send_text(bob, first, "Back again?")

    harbour.received("Back again?")
    assert harbour.worker.host_pids()[one] != shared


def test_a_number_unlinked_from_a_shared_host_is_linked_again_beside_it(harbour: Harbour) -> None:
    first, second = harbour.phone("First"), harbour.phone("Second")
    one, two = harbour.linked(first, "First"), harbour.linked(second, "Second")
    harbour.restart_worker()
    harbour.shows(one, State.CONNECTED)
    harbour.shows(two, State.CONNECTED)
    shared = harbour.worker.host_pids()[two]

    harbour.do(sessions.unlink, one)
    harbour.shows(one, State.UNPAIRED, Reason.UNLINKED)
    harbour.do(sessions.start, one)
    harbour.wa.scan(first, harbour.qr(one))

    harbour.shows(one, State.CONNECTED)
    assert harbour.worker.host_pids()[two] == shared


def test_texts_sent_while_the_connection_is_cut_arrive_once_each(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    texts = [f"Cut {number}" for number in range(6)]

    for text in texts:
        harbour.wa.drop(shop)
        harbour.becomes(harbour.sends(session_id, bob, text), MessageStatus.DELIVERED)

    assert [message.text for message in bob.inbox] == texts


def test_of_texts_sent_while_one_cut_follows_another_none_arrives_twice_and_none_is_lost_unsaid(
    harbour: Harbour,
) -> None:
    """The engine tries a text twice. When it cannot write the second time, nobody knows whether the first arrived."""
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    texts = [f"Cut {number}" for number in range(6)]

    sent = {}
    for text in texts:
        harbour.wa.drop(shop)
        sent[text] = harbour.sends(session_id, bob, text)

    ends = {
        text: harbour.becomes(message_id, MessageStatus.DELIVERED, MessageStatus.UNCONFIRMED).status
        for text, message_id in sent.items()
    }
    arrived = [message.text for message in bob.inbox]
    assert len(arrived) == len(set(arrived))
    assert all(text in arrived or ends[text] == MessageStatus.UNCONFIRMED for text in texts)


def test_a_text_whose_second_try_is_never_answered_does_not_hold_up_those_behind_it(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine waits without end for the answer to what it wrote again after a cut, and sends nothing meanwhile."""
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    harbour.wa.faults.hold_message_acks = True
    held = harbour.sends(session_id, bob, "Did this arrive?")
    wa_id = eventually(lambda: _sent_id(harbour, session_id, held))
    eventually(lambda: _tries(harbour, wa_id) == 1, what="the first try is there")
    harbour.wa.drop(shop)
    eventually(lambda: _tries(harbour, wa_id) == 2, what="the second try is there")
    harbour.wa.faults.hold_message_acks = False
    behind = harbour.sends(session_id, bob, "One more")

    with monkeypatch.context() as patch:
        patch.setattr(patience, "STUCK_SECONDS", 0.5)
        eventually(lambda: "connected>connecting:not_answering" in harbour.history(session_id), what="it is left")

    harbour.becomes(behind, MessageStatus.DELIVERED)
    assert harbour.becomes(held, MessageStatus.UNCONFIRMED).wa_id == wa_id


def _sent_id(harbour: Harbour, session_id: str, message_id: str) -> str:
    """WhatsApp's id of a text that the engine is about to send, or has sent; empty before."""
    secret = harbour.message(message_id).secret
    folder = device_store.make_folder(harbour.state_dir, session_id)
    return device_store.sent_id(folder, bytes(secret)) if secret else ""


def _tries(harbour: Harbour, wa_id: str) -> int:
    return [node.text("id") for node in harbour.wa.watch.said("in", "message")].count(wa_id)


def test_a_half_open_connection_is_seen_within_a_minute_and_made_anew(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhatsApp's keep-alive goes out every 20 to 30 s, and is waited for 10 s."""
    monkeypatch.setattr(patience, "DOUBT_SECONDS", 0.5)
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)

    harbour.wa.hang(shop)
    harbour.wa.send_text(bob, shop, "Anybody there?")
    degraded = eventually(
        lambda: [line for line in harbour.history(session_id) if line == "connected>degraded:not_answering"],
        within=60,
        what="the doubt",
    )

    assert degraded
    harbour.received("Anybody there?")
    assert harbour.shows(session_id, State.CONNECTED).wanted == Wanted.RUNNING


def test_a_second_program_with_the_devices_keys_is_told_and_not_fought_over(harbour: Harbour) -> None:
    shop = harbour.phone("Shop")
    session_id = harbour.linked(shop)
    conflict = Node("stream:error", {}, [Node("conflict", {"type": "replaced"})])

    harbour.wa.stream_error(shop, conflict)

    placement = harbour.shows(session_id, State.REFUSED, Reason.STREAM_REPLACED)
    assert placement.wanted == Wanted.STOPPED
    eventually(lambda: session_id not in harbour.worker.host_pids(), what="nothing connects it again")
