"""The older system's REST contract over sessions, access and numbers: its keys, codes and texts, exactly (seed 1.1)."""

from typing import Any

import pytest

from fleet import leases
from fleet.models import Placement
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person
from tests.whatsapp.test_api import SESSIONS, check_failure, grant, make_linked, make_session, receive
from whatsapp.models import Chat, Message, Session
from whatsapp.services import sessions

pytestmark = pytest.mark.django_db

#: Of the older system, each of them, and what we add.
SESSION_KEYS = {
    *("id", "companyId", "phoneNumber", "displayName", "isActive", "isConnected", "qrCode", "sessionData", "lastSeen"),
    *("adminId", "createdAt", "updatedAt", "admin", "_count"),
}
ADDED_TO_SESSION = {
    *("name", "label", "network", "isLinked", "wanted", "state", "reason", "reasonText", "since", "nextRetryAt"),
    "ignoresGroups",
    "queuePausedAt",
}
GRANT_KEYS = {
    *("id", "sessionId", "managerId", "companyId", "canRead", "canWrite", "canManageChats", "grantedAt", "grantedBy"),
    "manager",
}
CHAT_KEYS = {
    *("id", "sessionId", "companyId", "chatId", "chatName", "chatType", "isGroup", "lastMessageAt", "lastMessageText"),
    *("isArchived", "unreadCount", "createdAt", "updatedAt"),
}
MESSAGE_KEYS = {
    *("id", "chatId", "sessionId", "companyId", "messageId", "fromMe", "fromNumber", "fromName", "body"),
    *("messageType", "mediaUrl", "timestamp", "isRead", "managerId", "createdAt", "manager"),
}
ADDED_TO_MESSAGE = {"media", "status", "errorCode", "reactions", "retryAt", "priority", "sendAt", "expiresAt"}
NAMES = {"firstName", "lastName", "email"}


def show_qr(company: Company, session_id: str) -> None:
    run_in(company, lambda: Session.objects.filter(pk=session_id).update(qr="2@a", qr_expires_at="2999-01-01T00:00Z"))


# -- W2 ------------------------------------------------------------------------------------------------------------
def test_cleaning_up_puts_away_what_never_had_a_phone_and_nothing_else(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=10)
    linked = make_linked(acme, acme_admin)
    chat_id = receive(acme, linked, "Hello")
    unlinked = make_linked(acme, acme_admin, "4915550000002")
    run_in(acme, sessions.pause, company=acme, session_id=unlinked, by=acme_admin.actor)
    Placement.objects.filter(pk=unlinked).update(device_jid="")
    waiting, given_up = make_session(acme, acme_admin, "Waiting"), make_session(acme, acme_admin, "Given up")
    Placement.objects.filter(pk=given_up).update(wanted=Wanted.STOPPED)

    answer = api(acme_admin, language="").post(f"{SESSIONS}/cleanup")

    assert answer.json() == {
        "success": True,
        "message": "Старые сессии очищены. Теперь можно создать новую сессию.",
    }
    listed = {row["id"] for row in api(acme_admin).get(SESSIONS).json()["data"]}
    assert listed == {linked, unlinked, waiting}
    assert run_in(acme, Chat.objects.filter(pk=chat_id).exists)


def test_a_manager_may_not_clean_up(acme_manager: Person, api: ApiClients) -> None:
    answer = api(acme_manager, language="").post(f"{SESSIONS}/cleanup")

    check_failure(answer, 403, "session_cleanup_denied")
    assert answer.json()["message"] == "Только администраторы могут очищать WhatsApp сессии"


# -- W3 ------------------------------------------------------------------------------------------------------------
def test_the_list_has_the_older_keys_who_made_it_and_counts(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    receive(acme, session_id, "One", "Two")

    (row,) = api(acme_admin).get(SESSIONS).json()["data"]

    assert set(row) == SESSION_KEYS | ADDED_TO_SESSION
    assert row["_count"] == {"chats": 1, "messages": 2}
    assert (row["adminId"], set(row["admin"])) == (acme_admin.user.pk, NAMES)
    assert row["admin"]["email"] == acme_admin.user.email
    assert (row["qrCode"], row["sessionData"]) == (None, None)


def test_the_list_shows_a_qr_code_to_those_who_may_link_alone(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)
    show_qr(acme, session_id)

    def seen_by(person: Person) -> Any:
        (row,) = api(person).get(SESSIONS).json()["data"]
        return row["qrCode"]

    assert seen_by(acme_admin).startswith("data:image/png;base64,")
    grant(acme, session_id, acme_manager, acme_admin, can_write=False)
    assert seen_by(acme_manager) is None
    grant(acme, session_id, acme_manager, acme_admin, can_write=True)
    assert seen_by(acme_manager).startswith("data:image/png;base64,")


def test_the_list_comes_in_pages_where_a_page_is_asked_for(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=10)
    made = [make_session(acme, acme_admin, f"Number {n}") for n in range(3)]

    page = api(acme_admin).get(SESSIONS, {"page": 2, "limit": 2}).json()

    assert [row["id"] for row in page["data"]] == made[:1]
    assert page["pagination"] == {"page": 2, "limit": 2, "total": 3, "pages": 2}
    assert "pagination" not in api(acme_admin).get(SESSIONS).json()


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "abc"}, {"limit": "100000"}, {"limit": "-1"}])
def test_a_page_that_cannot_be_is_refused(acme_admin: Person, api: ApiClients, query: dict[str, str]) -> None:
    check_failure(api(acme_admin).get(SESSIONS, query), 400, "invalid")


def test_a_list_takes_as_many_queries_for_many_sessions_as_for_one(
    acme: Company, acme_admin: Person, api: ApiClients, django_assert_max_num_queries: Any
) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=50)
    for number in range(20):
        receive(acme, make_linked(acme, acme_admin, f"49155500001{number:02}"), f"Hello {number}")

    with django_assert_max_num_queries(9):
        assert len(api(acme_admin).get(SESSIONS).json()["data"]) == 20


# -- W4 ------------------------------------------------------------------------------------------------------------
def test_the_qr_of_a_connected_session_says_who_is_connected(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    session_id = make_linked(acme, acme_admin)
    owner = leases.register(name="one", pid=1, capacity=10, store_id="disk")
    Placement.objects.filter(pk=session_id).update(state=State.CONNECTED, owner=owner)

    answer = api(acme_admin, language="").get(f"{SESSIONS}/{session_id}/qr")

    assert answer.json() == {
        "success": True,
        "data": {
            "isConnected": True,
            "phoneNumber": "4915550000001",
            "displayName": "Shop",
            "message": "WhatsApp уже подключен",
        },
    }


# -- W6, W7, W8 ----------------------------------------------------------------------------------------------------
def test_a_grant_and_the_list_of_grants_have_the_older_keys(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    path = f"{SESSIONS}/{make_session(acme, acme_admin)}/access"

    given = api(acme_admin, language="").post(path, {"managerId": acme_manager.user.pk}, format="json").json()
    (listed,) = api(acme_admin).get(path).json()["data"]

    assert (set(given["data"]), set(given["data"]["manager"])) == (GRANT_KEYS, NAMES)
    assert given["message"] == "Доступ менеджера к WhatsApp успешно настроен"
    assert set(listed) == GRANT_KEYS | {"grantedByUser"}
    assert (set(listed["manager"]), set(listed["grantedByUser"])) == ({"id"} | NAMES, NAMES)
    assert listed["grantedByUser"]["email"] == acme_admin.user.email


def test_a_manager_may_not_see_who_has_access(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    session_id = make_session(acme, acme_admin)
    grant(acme, session_id, acme_manager, acme_admin)

    answer = api(acme_manager, language="").get(f"{SESSIONS}/{session_id}/access")

    check_failure(answer, 403, "access_list_denied")
    assert answer.json()["message"] == "Только администраторы могут просматривать доступы к WhatsApp"


@pytest.mark.parametrize(
    ("permissions", "rights"),
    [
        (None, (True, True, False)),
        (["read"], (True, False, False)),
        (["read", "write", "manage"], (True, True, True)),
        ([], (False, False, False)),
    ],
)
def test_access_can_be_given_by_the_names_of_permissions(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients, permissions: Any, rights: Any
) -> None:
    path = f"{SESSIONS}/{make_session(acme, acme_admin)}/managers"
    body = {"managerId": acme_manager.user.pk} | ({} if permissions is None else {"permissions": permissions})

    data = api(acme_admin).post(path, body, format="json").json()["data"]

    assert (data["canRead"], data["canWrite"], data["canManageChats"]) == rights
    assert len(api(acme_admin).get(path).json()["data"]) == 1
    assert api(acme_admin).delete(f"{path}/{acme_manager.user.pk}").status_code == 200
    assert api(acme_admin).get(path).json()["data"] == []


def test_an_unknown_permission_is_refused(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    body = {"managerId": acme_manager.user.pk, "permissions": ["everything"]}

    answer = api(acme_admin).post(f"{SESSIONS}/{make_session(acme, acme_admin)}/managers", body, format="json")

    check_failure(answer, 400, "invalid")


# -- W9 to W12 -----------------------------------------------------------------------------------------------------
def test_chats_and_messages_have_the_older_keys(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    path = f"{SESSIONS}/{session_id}/chats"
    chat_id = receive(acme, session_id, "Hello")

    listed = api(acme_admin).get(path).json()["data"]
    opened = api(acme_admin).get(f"{path}/{chat_id}/messages").json()["data"]

    assert set(listed["chats"][0]) == CHAT_KEYS | {"_count", "contact", "assigneeId"}
    assert set(opened["messages"][0]) == MESSAGE_KEYS | ADDED_TO_MESSAGE
    chat = api(acme_admin).get(f"{path}/{chat_id}").json()["data"]
    assert set(opened["chat"]) == set(chat) == CHAT_KEYS | {"contact", "assigneeId"}
    assert set(listed["pagination"]) == set(opened["pagination"]) == {"page", "limit", "total", "pages"}


def test_a_message_can_be_posted_to_the_chats_messages(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    session_id = make_linked(acme, acme_admin)
    chat_id = receive(acme, session_id, "Hello")

    path = f"{SESSIONS}/{session_id}/chats/{chat_id}/messages"
    answer = api(acme_admin, language="").post(path, {"message": "Hi"}, format="json")

    assert (answer.status_code, answer.json()["message"]) == (200, "Сообщение отправлено")
    row = run_in(acme, Message.objects.get, pk=answer.json()["data"]["id"])
    assert (row.body, row.sent_by_id) == ("Hi", acme_admin.user.pk)


# -- W13 -----------------------------------------------------------------------------------------------------------
def test_numbers_are_over_the_sessions_that_one_sees(
    acme: Company, acme_admin: Person, acme_manager: Person, api: ApiClients
) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=10)
    granted, other = make_linked(acme, acme_admin), make_linked(acme, acme_admin, "4915550000002")
    receive(acme, granted, "One", "Two")
    receive(acme, other, "Three")
    grant(acme, granted, acme_manager, acme_admin)
    four = {"phone": "4915550000077", "message": "Four"}
    assert api(acme_admin).post(f"{SESSIONS}/{granted}/messages", four, format="json").status_code == 202

    def seen_by(person: Person) -> Any:
        return api(person).get("/api/whatsapp/stats").json()["data"]

    assert seen_by(acme_manager) == {
        "sessions": {"total": 1, "connected": 0, "disconnected": 1},
        "chats": {"total": 2},
        # What was received is from long ago.
        "messages": {"total": 3, "last30Days": {"total": 1, "incoming": 0, "outgoing": 1}},
    }
    everything = seen_by(acme_admin)
    assert (everything["sessions"]["total"], everything["chats"]["total"], everything["messages"]["total"]) == (2, 3, 4)
