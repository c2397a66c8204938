"""A number's queue in the pages: what waits and why, taking it back, stopping, and the pace."""

import html
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role
from accounts.permissions import SYSTEM, Rights
from fleet.states import State
from tests.pages.conftest import Desk, at_browser
from tests.people import Person, make_person
from whatsapp.models import Chat, Message, MessageStatus, Pacing
from whatsapp.services import access, outbound, queue
from whatsapp.services.outbound import Delivery
from whatsapp.services.pacing import Rules

pytestmark = pytest.mark.django_db

JSON = {"accept": "application/json"}
PACE = {"min_gap": "3", "max_gap": "9.5", "daily_limit": "200", "new_chat_limit": ""}


@pytest.fixture
def client(desk: Desk, acme_admin: Person) -> Client:
    return at_browser(acme_admin)


def content(response: Any) -> str:
    return html.unescape(response.content.decode())


def put(desk: Desk, text: str, *, by: Any = SYSTEM, phone: str = "", **delivery: Any) -> str:
    where = {"phone": phone} if phone else {"chat_id": desk.chat.pk}
    options = {"session_id": desk.session.pk, "by": by, "delivery": Delivery(**delivery), **where}
    row: Message = desk.run(outbound.queue_text, company=desk.company, text=text, **options)
    return row.pk


def status(desk: Desk, message_id: str) -> str:
    return str(desk.run(Message.objects.get, pk=message_id).status)


def with_rights(desk: Desk, **rights: bool) -> Person:
    person = make_person(desk.company, Role.MANAGER)
    sharing = {"session_id": desk.session.pk, "manager_id": person.user.pk, "rights": Rights(**rights), "by": SYSTEM}
    desk.run(access.grant, company=desk.company, **sharing)
    return person


# -- looking -----------------------------------------------------------------------------------------------------------
def test_an_empty_queue_says_that_nothing_waits(client: Client, desk: Desk) -> None:
    seen = content(client.get(desk.at("/queue")))

    assert "Nothing waits. What is written leaves at once." in seen
    assert "Messages leave" in seen
    assert 'href="' + desk.at("/queue") + '"' in content(client.get(desk.at()))


def test_a_row_tells_chat_words_priority_when_it_leaves_and_expires(client: Client, desk: Desk) -> None:
    now = timezone.now()
    put(desk, "Soon", priority=5)
    put(desk, "Tomorrow " + "x" * 200, send_at=now + timedelta(days=1), expires_at=now + timedelta(days=2))

    seen = content(client.get(desk.at("/queue?part=rows")))

    for word in ("Bob", "Soon", "priority 5", "in its turn", "It is to leave later.", "not after", "Tomorrow xxx"):
        assert word in seen
    assert "x" * 100 not in seen
    assert seen.index("Soon") < seen.index("Tomorrow")


def test_why_all_of_it_waits_is_said(client: Client, desk: Desk) -> None:
    put(desk, "Hello")
    path = desk.at("/queue")

    desk.is_in(State.STOPPED)
    assert "The number is not connected." in content(client.get(path))
    client.post(desk.at("/hold"), {"from": "queue"})
    assert "Sending was stopped here." in content(client.get(path))


def test_what_whatsapp_refuses_is_said_with_its_end(client: Client, desk: Desk) -> None:
    until = timezone.now() + timedelta(hours=3)
    desk.run(Pacing.objects.create, session_id=desk.session.pk, refusals=2, new_chats_after=until)
    put(desk, "Hello stranger", phone="+4915550100009")

    seen = content(client.get(desk.at("/queue")))

    assert seen.count("WhatsApp refuses messages to new people for now.") == 2
    assert "Answers to people who have written go on." in seen
    assert f"{until:%Y-%m-%dT%H:%M:%S}" in seen


def test_a_long_queue_has_pages(client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsapp.pages.queue.ROWS", 2)
    for text in ("one", "two", "three"):
        put(desk, text)

    first, second = (content(client.get(desk.at(f"/queue?page={page}"))) for page in (1, 2))

    assert [text in first for text in ("one", "two", "three", "?page=2")] == [True, True, False, True]
    assert [text in second for text in (">one<", ">two<", "three", "?page=1")] == [False, False, True, True]


# -- who may -----------------------------------------------------------------------------------------------------------
def test_who_reads_chats_sees_the_queue_and_changes_nothing(desk: Desk) -> None:
    reader = at_browser(with_rights(desk, can_read=True))
    message_id = put(desk, "Hello")

    seen = content(reader.get(desk.at("/queue")))

    assert "Hello" in seen
    assert not any(path in seen for path in ("/cancel", "/queue/pace", "/hold"))
    for path in (f"/queue/messages/{message_id}/cancel", f"/queue/chats/{desk.chat.pk}/cancel", "/queue/pace"):
        assert reader.post(desk.at(path), PACE).status_code == 403
    assert status(desk, message_id) == MessageStatus.QUEUED


def test_who_may_not_read_chats_sees_no_queue(desk: Desk) -> None:
    assert at_browser(with_rights(desk, can_manage_chats=True)).get(desk.at("/queue")).status_code == 403


def test_a_writer_takes_back_their_own(desk: Desk) -> None:
    writer = with_rights(desk, can_read=True, can_write=True)
    own, others = put(desk, "own", by=writer.actor), put(desk, "others")

    seen = content(at_browser(writer).get(desk.at("/queue")))

    assert f"/messages/{own}/cancel" in seen
    assert f"/messages/{others}/cancel" not in seen


# -- taking back -------------------------------------------------------------------------------------------------------
def test_one_message_is_taken_back(client: Client, desk: Desk) -> None:
    message_id = put(desk, "Oops")
    path = desk.at(f"/queue/messages/{message_id}/cancel")

    answer = client.post(path, headers=JSON)

    assert answer.json() == {"message": "The message is taken back.", "url": desk.at("/queue")}
    assert status(desk, message_id) == MessageStatus.CANCELLED


def test_what_has_left_is_not_taken_back_and_the_page_says_so(client: Client, desk: Desk) -> None:
    message_id = put(desk, "Gone")
    desk.run(Message.objects.filter(pk=message_id).update, status=MessageStatus.SENT)

    back = client.post(desk.at(f"/queue/messages/{message_id}/cancel"), follow=True)

    assert "The message has left already, or may have" in content(back)


def test_all_of_a_chat_is_taken_back(client: Client, desk: Desk) -> None:
    theirs = [put(desk, text) for text in ("one", "two")]
    other = put(desk, "other", phone="+4915550100009")
    path = desk.at(f"/queue/chats/{desk.chat.pk}/cancel")
    assert content(client.get(desk.at("/queue"))).count(path) == 2

    answer = client.post(path, headers=JSON)

    assert answer.json()["message"] == "2 messages are taken back."
    assert [status(desk, each) for each in (*theirs, other)] == ["cancelled", "cancelled", "queued"]


def test_another_numbers_chat_is_not_found(client: Client, desk: Desk) -> None:
    elsewhere = desk.new_session("Elsewhere")
    put(desk, "Hello")

    answer = client.post(f"/sessions/{elsewhere.pk}/queue/chats/{desk.chat.pk}/cancel")

    assert answer.status_code == 404
    assert desk.run(Chat.objects.get, pk=desk.chat.pk)


# -- stopping and the pace ---------------------------------------------------------------------------------------------
def test_sending_is_stopped_and_let_go_on_from_here(client: Client, desk: Desk) -> None:
    assert client.post(desk.at("/hold"), {"from": "queue"})["Location"] == desk.at("/queue")
    assert desk.fresh().queue_paused_at is not None
    assert "Send again" in content(client.get(desk.at("/queue")))
    assert client.post(desk.at("/release"), {"from": "queue"})["Location"] == desk.at("/queue")
    assert desk.fresh().queue_paused_at is None


def test_the_pace_is_set_and_shown(client: Client, desk: Desk) -> None:
    answer = client.post(desk.at("/queue/pace"), PACE, headers=JSON)

    assert answer.json()["message"] == "Saved."
    found, _, _ = desk.run(queue.look, company=desk.company, session_id=desk.session.pk, by=SYSTEM)
    assert found.rules == Rules(3.0, 9.5, 200, None)
    seen = content(client.get(desk.at("/queue")))
    assert 'value="9.5"' in seen
    assert 'value="200"' in seen


def test_managers_see_the_pace_and_do_not_set_it(desk: Desk, client: Client) -> None:
    client.post(desk.at("/queue/pace"), PACE)

    seen = content(at_browser(with_rights(desk, can_read=True, can_write=True)).get(desk.at("/queue")))

    assert "3 to 9.5 s" in seen
    assert "<input" not in seen.partition("pace-title")[2].partition("</section>")[0]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"min_gap": "x"}, "Give seconds from 0 to 3600"),
        ({"min_gap": "nan"}, "Give seconds from 0 to 3600"),
        ({"max_gap": "-1"}, "Give seconds from 0 to 3600"),
        ({"max_gap": "3601"}, "Give seconds from 0 to 3600"),
        ({"daily_limit": "0"}, "whole numbers from 1 on"),
        ({"new_chat_limit": "2.5"}, "whole numbers from 1 on"),
        ({"min_gap": "10"}, "must not be longer than the longest one"),
    ],
)
def test_a_pace_that_is_none_is_explained(client: Client, desk: Desk, asked: dict[str, str], reason: str) -> None:
    answer = client.post(desk.at("/queue/pace"), PACE | asked, headers=JSON)
    page = client.post(desk.at("/queue/pace"), PACE | asked, follow=True)

    assert (answer.status_code, reason in answer.json()["message"], reason in content(page)) == (400, True, True)
    assert not desk.run(Pacing.objects.exists)
