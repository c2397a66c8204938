"""The seven calls and their acknowledgements (seed contract 2.3), by the clients that their users have."""

from typing import Any

import pytest

from accounts.permissions import Rights
from tests.people import Person
from tests.socketio.conftest import NEEDS_CLIENTS, Connect
from tests.socketio.scene import Scene
from tests.whatsapp.desk import text
from whatsapp.engine.port import ChallengeIssued
from whatsapp.socketio import connection
from whatsapp.socketio.calls import CALLS

pytestmark = [NEEDS_CLIENTS, pytest.mark.django_db(transaction=True)]

GENERATIONS = pytest.mark.parametrize("version", [4, 2])
ADMIN = {"canRead": True, "canWrite": True, "canManageChats": True}


@GENERATIONS
def test_joining_shows_the_session_and_what_one_may(
    connect: Connect, scene: Scene, acme_admin: Person, version: int
) -> None:
    client = connect(acme_admin, version=version)
    answer = client.calls("whatsapp:join_session", scene.of_session)

    assert (answer["success"], answer["data"]["permissions"]) == (True, ADMIN)
    session = answer["data"]["session"]
    assert (session["id"], session["isConnected"], session["phoneNumber"]) == (
        scene.session_id,
        True,
        "4915550000001",
    )
    seed = {"companyId", "displayName", "isActive", "qrCode", "sessionData", "lastSeen", "adminId", "admin"}
    assert seed | {"createdAt", "updatedAt"} <= set(session)


def test_joining_replays_that_it_is_connected(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = connect(acme_admin)
    client.calls("whatsapp:join_session", scene.of_session)

    told = client.hears("whatsapp:ready")
    assert told == {"sessionId": scene.session_id, "phoneNumber": "4915550000001", "displayName": "Shop"}


def test_joining_replays_the_code_on_show(connect: Connect, unlinked: Scene, acme_admin: Person) -> None:
    unlinked.tell(ChallengeIssued("qr", "2@code", 60))
    client = connect(acme_admin)
    client.calls("whatsapp:join_session", unlinked.of_session)

    told = client.hears("whatsapp:qr")
    assert told["qrCode"].startswith("data:image/png;base64,")
    assert (set(told), client.rest().count("whatsapp:qr")) == ({"sessionId", "qrCode", "expiresAt"}, 0)


def test_leaving_ends_what_is_heard(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = connect(acme_admin)
    client.calls("whatsapp:join_session", scene.of_session)
    assert client.calls("whatsapp:leave_session", scene.of_session) == {"success": True}

    scene.tell(text("Hello?"))
    scene.renames("Another name")

    assert "whatsapp:new_message" not in client.rest()


def test_chats_come_by_pages(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    answer = connect(acme_admin).calls("whatsapp:get_chats", {**scene.of_session, "page": 1, "limit": 10})

    assert answer["data"]["pagination"] == {"page": 1, "limit": 10, "total": 1, "pages": 1}
    [chat] = answer["data"]["chats"]
    assert (chat["chatName"], chat["unreadCount"], chat["_count"]) == ("Bob", 1, {"messages": 1})


def test_messages_come_by_pages_and_an_admin_only_looks(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    answer = connect(acme_admin).calls("whatsapp:get_messages", scene.of_chat())

    assert set(answer["data"]) == {"chat", "messages", "pagination"}
    assert [message["body"] for message in answer["data"]["messages"]] == ["Are you open?"]
    assert scene.chat().unread_count == 1


def test_a_manager_who_reads_has_read_and_others_see_it(
    connect: Connect, scene: Scene, acme_admin: Person, acme_manager: Person
) -> None:
    scene.grants(acme_manager)
    admin, manager = connect(acme_admin), connect(acme_manager)
    admin.calls("whatsapp:join_session", scene.of_session)

    manager.calls("whatsapp:get_messages", scene.of_chat())

    told = admin.hears("whatsapp:chat_updated")
    assert (told["sessionId"], told["companyId"], told["chat"]["unreadCount"]) == (
        scene.session_id,
        scene.company.pk,
        0,
    )


def test_marking_says_how_many_and_others_see_it(
    connect: Connect, scene: Scene, acme_admin: Person, acme_manager: Person
) -> None:
    scene.grants(acme_manager)
    admin, manager = connect(acme_admin), connect(acme_manager)
    manager.calls("whatsapp:join_session", scene.of_session)

    first = admin.calls("whatsapp:mark_chat_as_read", scene.of_chat())
    second = admin.calls("whatsapp:mark_chat_as_read", scene.of_chat())

    assert (first["message"], first["data"]["markedCount"]) == ("Сообщения отмечены как прочитанные", 1)
    assert (second["message"], second["data"]["markedCount"]) == ("Нет непрочитанных сообщений", 0)
    assert manager.hears("whatsapp:chat_updated")["chat"]["_count"] == {"messages": 1}
    assert first["data"]["chat"]["_count"] == {"messages": 1}


@GENERATIONS
def test_a_text_is_queued_and_says_so(connect: Connect, scene: Scene, acme_admin: Person, version: int) -> None:
    client = connect(acme_admin, version=version)
    answer = client.calls("whatsapp:send_message", {**scene.of_chat(), "message": " Да, до восьми 🌊 "})

    assert (answer["success"], answer["message"], answer["data"]["status"]) == (
        True,
        "Сообщение отправлено",
        "queued",
    )
    assert scene.messages()[-1].body == "Да, до восьми 🌊"


def test_texts_leave_in_the_order_in_which_they_were_written(
    connect: Connect, scene: Scene, acme_admin: Person
) -> None:
    client = connect(acme_admin, transports=["polling"])
    for number in range(20):
        client.emits("whatsapp:send_message", {**scene.of_chat(), "message": f"{number}"})
    client.calls("no-such-event")

    assert [row.body for row in scene.messages()[1:]] == [str(number) for number in range(20)]


@pytest.mark.parametrize("message", ["", "  \n", None])
def test_an_empty_text_is_refused(connect: Connect, scene: Scene, acme_admin: Person, message: str | None) -> None:
    text = {"message": message} if message is not None else {}
    answer = connect(acme_admin).calls("whatsapp:send_message", {**scene.of_chat(), **text})

    assert (answer["success"], answer["message"]) == (False, "Сообщение не может быть пустым")


def test_the_status_has_the_older_systems_keys(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    data = connect(acme_admin).calls("whatsapp:get_session_status", scene.of_session)["data"]

    assert set(data) == {"id", "phoneNumber", "displayName", "isActive", "isConnected", "lastSeen", "qrCode"}
    assert (data["isConnected"], data["qrCode"]) == (True, None)


#: Those that are refused for a session that is not one's own.
OF_A_SESSION = set(CALLS) - {"whatsapp:leave_session", "whatsapp:get_events"}


# -- refusals --------------------------------------------------------------------------------------------------------
def test_a_manager_without_access_has_none(connect: Connect, scene: Scene, acme_manager: Person) -> None:
    client = connect(acme_manager)
    for call in sorted(OF_A_SESSION):
        answer = client.calls(call, {**scene.of_chat(), "message": "Hello", "isTyping": True})
        assert (answer["success"], answer["message"]) == (False, "У вас нет доступа к этой WhatsApp сессии"), call


LACKING = {
    "whatsapp:join_session": "У вас нет доступа к этой WhatsApp сессии",
    "whatsapp:get_chats": "У вас нет права на просмотр чатов",
    "whatsapp:get_messages": "У вас нет права на просмотр сообщений",
    "whatsapp:mark_chat_as_read": "У вас нет права на просмотр сообщений",
}


def test_each_right_that_lacks_is_named(connect: Connect, scene: Scene, acme_manager: Person) -> None:
    scene.grants(acme_manager, Rights(can_write=True))
    client = connect(acme_manager)
    said = {call: client.calls(call, scene.of_chat())["message"] for call in LACKING}
    scene.grants(acme_manager, Rights(can_read=True))
    sending = client.calls("whatsapp:send_message", {**scene.of_chat(), "message": "Hello", "isTyping": True})

    assert said == LACKING
    assert sending["message"] == "У вас нет права на отправку сообщений"


def test_other_companies_ids_are_unknown(connect: Connect, scene: Scene, globex_admin: Person) -> None:
    client = connect(globex_admin)
    for call in sorted(OF_A_SESSION):
        answer = client.calls(call, {**scene.of_chat(), "message": "Hello", "isTyping": True})
        assert (answer["success"], answer["message"]) == (False, "WhatsApp сессия не найдена"), call


def test_an_unknown_chat_is_said(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = connect(acme_admin)
    for call in ("whatsapp:get_messages", "whatsapp:send_message", "whatsapp:mark_chat_as_read"):
        answer = client.calls(call, {**scene.of_session, "chatId": "nobody", "message": "Hello"})
        assert answer["message"] == "Чат не найден", call


# -- rubbish ---------------------------------------------------------------------------------------------------------
NESTED: Any = [[[[[[[[[[]]]]]]]]]]
RUBBISH = [
    pytest.param((), id="nothing"),
    pytest.param((None,), id="null"),
    pytest.param((7,), id="a number"),
    pytest.param(("x" * 30_000,), id="a long text"),
    pytest.param(([1, 2],), id="a list"),
    pytest.param((NESTED,), id="lists in lists"),
    pytest.param(({"sessionId": None},), id="no id"),
    pytest.param(({"sessionId": {"$ne": 1}},), id="an object for an id"),
    pytest.param(({"sessionId": "\x00"},), id="zero bytes"),
    pytest.param(({"sessionId": "\ud800"},), id="half a character"),
    pytest.param(({"sessionId": "x", "page": "many"},), id="pages that are no numbers"),
    pytest.param(({"sessionId": {"$bytes": "abc"}},), id="bytes"),
    pytest.param(({"sessionId": "x"}, {"more": 1}, [2]), id="more than there should be"),
]


@GENERATIONS
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_is_answered_and_harms_nobody(
    connect: Connect, scene: Scene, acme_admin: Person, version: int, rubbish: tuple[object, ...]
) -> None:
    client = connect(acme_admin, version=version)
    for call in sorted(OF_A_SESSION):
        answer = client.calls(call, *rubbish)
        assert answer["success"] is False, call
        assert answer["message"], call
        assert answer["code"] in ("invalid", "session_not_found"), call

    assert client.calls("whatsapp:get_session_status", scene.of_session)["success"] is True


def test_what_was_missed_can_be_asked_for(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = connect(acme_admin)
    cursor = client.calls("whatsapp:get_events", {"after": "now"})["data"]["next"]
    scene.tell(text("While you were away"))

    data = client.calls("whatsapp:get_events", {"after": cursor})["data"]

    assert [event["data"]["message"]["body"] for event in data["events"]] == ["While you were away"]
    assert client.calls("whatsapp:get_events", {"after": data["next"]})["data"]["events"] == []
    assert client.calls("whatsapp:get_events", {"after": "yesterday"})["code"] == "invalid"


@GENERATIONS
def test_calls_without_a_callback_are_done_and_harm_nobody(
    connect: Connect, scene: Scene, acme_admin: Person, version: int
) -> None:
    client = connect(acme_admin, version=version)
    for call in CALLS:
        client.emits(call)
        client.emits(call, {**scene.of_chat(), "message": f"from {call}"})

    assert client.calls("whatsapp:get_session_status", scene.of_session)["success"] is True
    assert [row.body for row in scene.messages()[1:]] == ["from whatsapp:send_message"]


def test_a_client_that_asks_too_much_is_told_so_and_goes_on_later(
    connect: Connect, scene: Scene, acme_admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CALLS_AT_ONCE", 3)
    monkeypatch.setattr(connection, "CALLS_A_SECOND", 1)
    client = connect(acme_admin)
    codes = [client.calls("whatsapp:get_session_status", scene.of_session).get("code") for _ in range(6)]

    assert codes[0] is None
    assert "too_many_calls" in codes
    assert "disconnect" not in client.rest()
