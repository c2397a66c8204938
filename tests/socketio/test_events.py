"""What connections hear (seed contract 2.4), each of it once, and only those who may."""

import pytest
from django.db import transaction
from pytest_django import Settings

from accounts.permissions import Rights
from tenants.context import run_in
from tests.people import Person, client_for
from tests.socketio.clients import Client
from tests.socketio.conftest import NEEDS_CLIENTS, Connect
from tests.socketio.scene import Scene
from tests.whatsapp.desk import Desk, acknowledged, failed, receipt, text
from whatsapp.engine.port import ChallengeIssued, Connected, ConnectionLost, Ended, Ending, SendOutcome

pytestmark = [NEEDS_CLIENTS, pytest.mark.django_db(transaction=True)]

GENERATIONS = pytest.mark.parametrize("version", [4, 2])
CHAT = {"id", "chatId", "chatName", "chatType", "isGroup", "lastMessageAt", "lastMessageText", "unreadCount"}
MESSAGE = {"id", "messageId", "fromMe", "fromNumber", "fromName", "body", "messageType", "timestamp"}
JID = "4915550000001:1@s.whatsapp.net"


def joined(connect: Connect, scene: Scene, person: Person, **options: object) -> Client:
    client = connect(person, **options)
    client.hears("connection-confirmed")
    assert client.calls("whatsapp:join_session", scene.of_session)["success"]
    return client


def watching(connect: Connect, person: Person, **options: object) -> Client:
    """In the company's room, and in no session's."""
    client = connect(person, **options)
    client.hears("connection-confirmed")
    return client


@GENERATIONS
def test_a_message_is_told_once(connect: Connect, scene: Scene, acme_admin: Person, version: int) -> None:
    client = joined(connect, scene, acme_admin, version=version)
    scene.tell(text("Hello? 🌊", wa_id="NEXT"))

    told = client.hears("whatsapp:new_message")
    updated = client.hears("whatsapp:chat_updated")

    assert (set(told), set(told["chat"]), set(told["message"])) == (
        {"sessionId", "companyId", "chat", "message"},
        CHAT,
        MESSAGE,
    )
    assert (told["message"]["body"], told["message"]["fromMe"], told["chat"]["unreadCount"]) == (
        "Hello? 🌊",
        False,
        2,
    )
    assert (set(updated), updated["chat"]) == ({"sessionId", "companyId", "chat"}, told["chat"])
    rest = client.rest()
    assert (rest.count("whatsapp:new_message"), rest.count("whatsapp:chat_updated")) == (0, 0)


def test_a_message_that_whatsapp_delivers_again_is_not_told_again(
    connect: Connect, scene: Scene, acme_admin: Person
) -> None:
    client = joined(connect, scene, acme_admin)
    for _ in range(2):
        scene.tell(text("Again", wa_id="SAME"))
    scene.tell(text("Last"))

    client.hears("whatsapp:new_message")
    assert client.hears("whatsapp:new_message")["message"]["body"] == "Last"
    assert "whatsapp:new_message" not in client.rest()


def test_an_answer_is_sent_when_whatsapp_has_it_and_moves_its_chat_at_once(
    connect: Connect, scene: Scene, acme_admin: Person
) -> None:
    client = joined(connect, scene, acme_admin)
    message_id = scene.queues("Yes, until eight")
    scene.takes()

    moved = client.hears("whatsapp:chat_updated")
    assert "whatsapp:message_sent" not in client.rest()
    scene.tell(acknowledged(message_id, "OUT"))
    scene.tell(receipt("OUT"))

    sent = client.hears("whatsapp:message_sent")
    assert moved["chat"]["lastMessageText"] == "Yes, until eight"
    assert (sent["sessionId"], sent["chatId"]) == (scene.session_id, scene.chat().pk)
    assert (sent["message"]["id"], sent["message"]["messageId"], sent["message"]["status"]) == (
        message_id,
        "OUT",
        "server_ack",
    )
    assert MESSAGE | {"isRead", "managerId", "createdAt", "chatId", "sessionId", "companyId"} <= set(sent["message"])
    assert "manager" not in sent["message"]
    assert "whatsapp:message_sent" not in client.rest()


def test_a_text_that_whatsapp_refuses_was_never_sent(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = joined(connect, scene, acme_admin)
    message_id = scene.queues("Hello")
    scene.takes()
    scene.tell(failed(message_id, SendOutcome.REFUSED, detail="server returned error 463"))

    assert "whatsapp:message_sent" not in client.rest()


def test_what_is_written_on_the_phone_is_told_as_sent(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = joined(connect, scene, acme_admin)
    scene.tell(text("From the phone", from_me=True))

    assert client.hears("whatsapp:message_sent")["message"]["body"] == "From the phone"
    assert "whatsapp:new_message" not in client.rest()


def test_marking_over_rest_is_heard(connect: Connect, scene: Scene, acme_admin: Person, acme_manager: Person) -> None:
    scene.grants(acme_manager)
    client = joined(connect, scene, acme_admin)
    path = f"/api/whatsapp/sessions/{scene.session_id}/chats/{scene.chat().pk}/messages"
    assert client_for(acme_manager).get(path).status_code == 200

    assert client.hears("whatsapp:chat_updated")["chat"]["unreadCount"] == 0


# -- sessions --------------------------------------------------------------------------------------------------------
@GENERATIONS
def test_linking_is_told_step_by_step(connect: Connect, unlinked: Scene, acme_admin: Person, version: int) -> None:
    client = joined(connect, unlinked, acme_admin, version=version)
    unlinked.tell(ChallengeIssued("qr", "2@first", 60))
    first = client.hears("whatsapp:qr")
    assert client.hears("whatsapp:session_status", status="qr_ready")["qrCode"] == first["qrCode"]
    unlinked.tell(ChallengeIssued("qr", "2@second", 60))
    second = client.hears("whatsapp:qr")
    assert client.hears("whatsapp:session_status", status="qr_ready")["qrCode"] == second["qrCode"]
    unlinked.tell(Connected(JID, push_name="Shop"))

    ready = client.hears("whatsapp:ready")
    status = client.hears("whatsapp:session_status", status="connected")
    assert client.hears("whatsapp:chats_updated") == {
        "sessionId": unlinked.session_id,
        "companyId": unlinked.company.pk,
    }
    assert first["qrCode"] != second["qrCode"]
    assert first["qrCode"].startswith("data:image/png;base64,")
    who = {"sessionId": unlinked.session_id, "phoneNumber": "4915550000001", "displayName": "Shop"}
    assert (ready, status) == (who, {**who, "status": "connected", "isConnected": True})
    rest = [name for name in client.rest() if name.startswith("whatsapp:")]
    assert rest == []


def test_the_end_of_a_connection_is_told_with_its_reason(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = joined(connect, scene, acme_admin)
    scene.tell(Ended(Ending.LOGGED_OUT))
    scene.renames("Another name")

    told = client.hears("whatsapp:disconnected")
    status = client.hears("whatsapp:session_status", status="disconnected")
    assert (told["sessionId"], told["reason"]) == (scene.session_id, "logged_out_on_phone")
    assert (status["reason"], status["isConnected"]) == ("logged_out_on_phone", False)
    assert told["reasonText"] == "Устройство отвязали на телефоне. Привяжите его снова, чтобы продолжить."
    rest = client.rest()
    assert (rest.count("whatsapp:disconnected"), rest.count("whatsapp:session_status")) == (0, 0)


def test_a_connection_that_comes_back_is_ready_again(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = joined(connect, scene, acme_admin)
    client.hears("whatsapp:ready")
    scene.tell(ConnectionLost())
    client.hears("whatsapp:disconnected", reason="connection_lost")
    scene.tell(Connected(JID))

    client.hears("whatsapp:ready")


def test_whoever_has_not_joined_hears_how_sessions_are_and_no_message(
    connect: Connect, scene: Scene, acme_admin: Person
) -> None:
    client = watching(connect, acme_admin)
    scene.tell(text("Hello?"), ConnectionLost())

    client.hears("whatsapp:session_status", status="disconnected")
    assert [name for name in client.rest() if name.startswith("whatsapp:")] == []


def test_a_new_session_is_heard_of_without_joining(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = watching(connect, acme_admin)
    other = Scene(_unlinked(scene))
    other.tell(ChallengeIssued("qr", "2@other", 60))

    assert client.hears("whatsapp:session_status", status="qr_ready")["sessionId"] == other.session_id


def test_a_code_that_came_before_anybody_could_listen_is_told(
    connect: Connect, scene: Scene, acme_admin: Person
) -> None:
    client = watching(connect, acme_admin)

    def creates_and_shows_a_code() -> str:
        with transaction.atomic():
            desk = Desk.unlinked(scene.company, "Second desk")
            desk.tell(ChallengeIssued("qr", "2@early", 60))
        return desk.session_id

    session_id = run_in(scene.company, creates_and_shows_a_code)

    assert client.hears("whatsapp:session_status", status="qr_ready")["sessionId"] == session_id
    assert "whatsapp:session_status" not in client.rest()


def _unlinked(scene: Scene) -> Desk:
    return run_in(scene.company, Desk.unlinked, scene.company, "Second desk")


# -- who may -----------------------------------------------------------------------------------------------------------
def test_codes_reach_only_those_who_may_link(
    connect: Connect, unlinked: Scene, acme_admin: Person, acme_manager: Person
) -> None:
    unlinked.grants(acme_manager, Rights(can_read=True))
    admin, reader = joined(connect, unlinked, acme_admin), joined(connect, unlinked, acme_manager)
    unlinked.tell(ChallengeIssued("qr", "2@secret", 60))

    admin.hears("whatsapp:qr")
    status = reader.hears("whatsapp:session_status")
    assert status == {"sessionId": unlinked.session_id, "status": "qr_ready", "isConnected": False}
    assert "whatsapp:qr" not in reader.rest()
    assert reader.calls("whatsapp:get_session_status", unlinked.of_session)["data"]["qrCode"] is None
    assert admin.calls("whatsapp:get_session_status", unlinked.of_session)["data"]["qrCode"]


def test_managers_without_a_grant_hear_of_nothing(
    connect: Connect, scene: Scene, acme_admin: Person, acme_manager: Person
) -> None:
    client, admin = watching(connect, acme_manager), joined(connect, scene, acme_admin)
    admin.hears("whatsapp:ready")
    scene.tell(text("Hello?"), ConnectionLost())
    scene.tell(Connected(JID))

    # Both are told by the same process, in order.
    admin.hears("whatsapp:ready")
    assert client.rest() == ["connect"]


@GENERATIONS
def test_access_that_is_taken_away_counts_at_once(
    connect: Connect, scene: Scene, acme_admin: Person, acme_manager: Person, version: int
) -> None:
    scene.grants(acme_manager)
    manager, admin = joined(connect, scene, acme_manager, version=version), joined(connect, scene, acme_admin)
    manager.hears("whatsapp:ready")
    scene.revokes(acme_manager)

    told = manager.hears("manager-access-revoked")
    scene.tell(text("Nothing for you"), ConnectionLost())
    admin.hears("whatsapp:new_message")

    assert (told["sessionId"], told["managerId"], told["managerName"], told["permissions"]) == (
        scene.session_id,
        acme_manager.user.pk,
        acme_manager.user.full_name,
        [],
    )
    assert set(told) == {"sessionId", "managerId", "managerName", "permissions", "revokedBy", "timestamp"}
    assert [name for name in manager.rest() if name.startswith("whatsapp:")] == []
    answer = manager.calls("whatsapp:join_session", scene.of_session)
    assert answer["message"] == "У вас нет доступа к этой WhatsApp сессии"


def test_reading_that_is_taken_away_ends_messages_alone(
    connect: Connect, scene: Scene, acme_manager: Person, acme_admin: Person
) -> None:
    scene.grants(acme_manager)
    manager, admin = joined(connect, scene, acme_manager), joined(connect, scene, acme_admin)
    scene.grants(acme_manager, Rights(can_write=True))
    manager.calls("whatsapp:get_session_status", scene.of_session)
    scene.tell(text("Nothing for you"), ConnectionLost())
    admin.hears("whatsapp:new_message")

    manager.hears("whatsapp:session_status", status="disconnected")
    assert "whatsapp:new_message" not in manager.rest()


def test_access_that_is_given_lets_one_join(connect: Connect, scene: Scene, acme_manager: Person) -> None:
    manager = watching(connect, acme_manager)
    assert not manager.calls("whatsapp:join_session", scene.of_session)["success"]
    scene.grants(acme_manager)
    assert manager.calls("whatsapp:join_session", scene.of_session)["success"]
    scene.tell(text("For you"))

    assert manager.hears("whatsapp:new_message")["message"]["body"] == "For you"


# -- hyphens ---------------------------------------------------------------------------------------------------------
def test_hyphenated_names_come_too_when_asked_for(
    connect: Connect, scene: Scene, acme_admin: Person, acme_manager: Person, settings: Settings
) -> None:
    settings.SOCKETIO_ALIASES = True
    scene.grants(acme_manager)
    client = joined(connect, scene, acme_manager)
    assert client.hears("session-connected") == client.hears("whatsapp:ready")
    scene.tell(text("Hello?"))
    assert client.hears("new-message") == client.hears("whatsapp:new_message") == client.hears("whatsapp:message")
    assert client.hears("chat-updated") == client.hears("whatsapp:chat_updated")
    scene.queues("Hello")
    scene.takes()
    scene.tell(acknowledged(scene.messages()[-1].pk, "OUT"))
    scene.tell(receipt("OUT"))
    for status in ("sent", "delivered"):
        told = client.hears("message-status", status=status)
        assert (told["sessionId"], told["messageId"]) == (scene.session_id, "OUT")
    scene.grants(acme_manager, Rights(can_read=True))
    assert client.hears("manager-access-granted")["permissions"] == ["read"]
    scene.tell(ConnectionLost())
    assert client.hears("session-disconnected") == client.hears("whatsapp:disconnected")


def test_hyphenated_names_do_not_come_by_themselves(connect: Connect, scene: Scene, acme_admin: Person) -> None:
    client = joined(connect, scene, acme_admin)
    scene.tell(text("Hello?"), ConnectionLost())
    client.hears("whatsapp:disconnected")

    assert not [name for name in client.rest() if not name.startswith("whatsapp:") and name != "connect"]
