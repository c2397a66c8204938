"""An API key does what its maker may, cut down to its scopes: over REST, the WebSocket and Socket.IO alike."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, Role
from accounts.permissions import SCOPE_PERMISSIONS, Actor, Permission, Rights, Scope, permitted, with_key
from accounts.services import api_keys, people
from config.asgi import application
from tenants.context import arun_in, run_in, run_in_public
from tenants.models import Company
from tests.accounts.test_api_keys import KEYS
from tests.accounts.test_api_keys import with_key as client_with_key
from tests.conftest import ApiClients
from tests.people import Person, make_operator, make_person
from tests.socketio.raw import Raw
from tests.sockets import Socket
from tests.whatsapp.desk import BOB, Desk, text
from wharf.errors import PermissionDenied
from whatsapp.models import Message, Session

pytestmark = pytest.mark.django_db
LIVE_DATA = pytest.mark.django_db(transaction=True)

S: Final = "/api/whatsapp/sessions"


def key_of(person: Person, *scopes: str, **more: Any) -> str:
    """A new key of theirs."""
    asked = {"scopes": scopes or tuple(Scope), "name": "Booking system", **more}
    return run_in_public(api_keys.create, company=person.company, by=person.actor, **asked)[1]


# -- the table -------------------------------------------------------------------------------------------------------
def test_all_scopes_together_leave_everything() -> None:
    assert frozenset().union(*SCOPE_PERMISSIONS.values()) == frozenset(Permission)
    assert set(SCOPE_PERMISSIONS) == set(Scope)


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_gives_a_manager_nothing_that_they_were_not_granted(scope: Scope) -> None:
    actor = with_key(Actor(user_id="u", name="U", company_id="c", role=Role.MANAGER), frozenset({scope}))

    assert permitted(actor) == frozenset()
    assert permitted(actor, Rights(can_read=True)) <= {Permission.SESSION_VIEW, Permission.CHAT_READ}


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SEND, Scope.LINK])
def test_an_operators_key_is_no_operator_unless_it_is_for_managing(scope: Scope) -> None:
    operator = Actor(user_id="u", name="U", company_id="c", is_operator=True)

    assert not with_key(operator, frozenset({scope})).is_operator
    assert permitted(with_key(operator, frozenset({scope}))) == SCOPE_PERMISSIONS[scope]
    assert with_key(operator, frozenset({scope, Scope.MANAGE})).is_operator


# -- REST ------------------------------------------------------------------------------------------------------------
#: Something of each scope, as (method, address, body), and the scope that it takes.
CALLS: Final[dict[str, tuple[Scope, str, str, Any]]] = {
    "reads chats": (Scope.READ, "GET", S + "/{session}/chats", None),
    "reads messages": (Scope.READ, "GET", S + "/{session}/chats/{chat}/messages", None),
    "sends to a number": (Scope.SEND, "POST", S + "/{session}/messages", {"phone": f"+{BOB.pn}", "message": "Hello"}),
    "sends to a chat": (Scope.SEND, "POST", S + "/{session}/chats/{chat}/send", {"message": "Hello"}),
    "sends on a line": (Scope.SEND, "POST", S + "/{session}/send", {"phone": f"+{BOB.pn}", "message": "Hello"}),
    "makes a number": (Scope.LINK, "POST", S, {"name": "Second"}),
    "starts a number": (Scope.LINK, "POST", S + "/{session}/start", {}),
    "pauses a number": (Scope.LINK, "POST", S + "/{session}/pause", {}),
    "sees who has access": (Scope.MANAGE, "GET", S + "/{session}/access", None),
    "grants access": (Scope.MANAGE, "POST", S + "/{session}/access", {"managerId": "{manager}"}),
    "renames a chat": (Scope.MANAGE, "PATCH", S + "/{session}/chats/{chat}", {"chatName": "Bobby"}),
    "lists managers": (Scope.MANAGE, "GET", "/api/managers", None),
    "changes settings": (Scope.MANAGE, "PUT", "/api/company/settings", {"settings": {"currency": "EUR"}}),
    "lists webhooks": (Scope.MANAGE, "GET", "/api/whatsapp/webhooks", None),
    "lists keys": (Scope.MANAGE, "GET", KEYS, None),
    "renames its maker": (Scope.MANAGE, "PUT", "/api/auth/profile", {"firstName": "Other"}),
}


@pytest.fixture
def ask(desk: Desk, acme_admin: Person, acme_manager: Person) -> Callable[..., Any]:
    Company.objects.filter(pk=acme_admin.company.pk).update(max_sessions=5)
    desk.tell(text("Are you open?"))
    ids = {"session": desk.session_id, "chat": Message.objects.get().chat_id, "manager": acme_manager.user.pk}

    def call(key: str, what: str) -> Any:
        _, method, path, body = CALLS[what]
        filled = {name: str(value).format(**ids) for name, value in body.items()} if what == "grants access" else body
        client: APIClient = client_with_key(key)
        return getattr(client, method.lower())(path.format(**ids), filled, format="json")

    return call


@pytest.mark.parametrize("scope", Scope)
def test_each_scope_opens_what_it_is_for_and_nothing_else(
    acme_admin: Person, ask: Callable[..., Any], scope: Scope
) -> None:
    key = key_of(acme_admin, scope)

    answers = {what: ask(key, what) for what in CALLS}

    refused = {what for what, answer in answers.items() if answer.status_code == 403}
    assert refused == {what for what, (needed, *_) in CALLS.items() if needed != scope}
    for what in set(CALLS) - refused:
        assert answers[what].status_code in (200, 201, 202), (what, answers[what].json())


def test_a_key_of_all_scopes_opens_all_of_it(acme_admin: Person, ask: Callable[..., Any]) -> None:
    key = key_of(acme_admin)

    assert {what for what in CALLS if ask(key, what).status_code >= 400} == set()


def test_a_key_reads_the_events_of_its_scopes_alone(desk: Desk, acme_admin: Person) -> None:
    desk.tell(text("Are you open?"))

    read, send = (client_with_key(key_of(acme_admin, scope)).get("/api/whatsapp/events") for scope in ("read", "send"))

    assert "Are you open?" in read.content.decode()
    assert send.status_code == 200
    assert "Are you open?" not in send.content.decode()


def test_an_admin_who_is_made_a_manager_leaves_their_keys_with_no_more_than_their_grants(
    desk: Desk, acme: Company
) -> None:
    admin = make_person(acme, Role.ADMIN)
    key = key_of(admin, "read", "send")
    assert admin.membership is not None
    run_in_public(people.change_role, membership=admin.membership, role=Role.MANAGER, by=make_operator(acme).actor)

    assert client_with_key(key).get(f"{S}/{desk.session_id}/chats").status_code == 403


def test_a_key_makes_no_keys(acme_admin: Person) -> None:
    answer = client_with_key(key_of(acme_admin)).post(KEYS, {"name": "Child"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "keys_are_made_by_people")
    assert ApiKey.objects.count() == 1


def test_an_operators_key_for_sending_changes_no_plan(operator: Person) -> None:
    body = {"limits": {"max_managers": 99}}

    narrow, wide = (client_with_key(key_of(operator, *scopes)) for scopes in (["send"], ["send", "manage"]))

    assert narrow.put("/api/company/limits", body, format="json").status_code == 403
    assert wide.put("/api/company/limits", body, format="json").status_code == 200


def test_a_key_for_sending_gives_its_maker_no_new_password(acme_admin: Person) -> None:
    by = with_key(acme_admin.actor, frozenset({Scope.SEND}))

    with pytest.raises(PermissionDenied):
        people.set_password(user=acme_admin.user, password=None, by=by)


# -- making one over REST --------------------------------------------------------------------------------------------
def test_scopes_and_expiry_are_taken_and_shown(acme_admin: Person, api: ApiClients) -> None:
    asked = {"name": "Reports", "scopes": ["send", "read", "read"], "expiresAt": "2999-01-01T00:00:00Z"}

    made = api(acme_admin).post(KEYS, asked, format="json").json()["data"]
    (listed,) = api(acme_admin).get(KEYS).json()["data"]

    for shape in (made, listed):
        assert (shape["scopes"], shape["expiresAt"]) == (["read", "send"], "2999-01-01T00:00:00.000Z")


def test_without_scopes_a_key_has_all_and_does_not_end(acme_admin: Person, api: ApiClients) -> None:
    made = api(acme_admin).post(KEYS, {"name": "Everything"}, format="json").json()["data"]

    assert (made["scopes"], made["expiresAt"]) == (["read", "send", "link", "manage"], None)


@pytest.mark.parametrize(
    "wrong",
    [{"scopes": []}, {"scopes": ["everything"]}, {"scopes": "read"}, {"expiresAt": "yesterday"}, {"name": ""}],
    ids=str,
)
def test_a_key_that_makes_no_sense_is_refused(acme_admin: Person, api: ApiClients, wrong: Any) -> None:
    answer = api(acme_admin).post(KEYS, {"name": "Reports", **wrong}, format="json")

    assert (answer.status_code, {name.split(".")[0] for name in answer.json()["fields"]}) == (400, set(wrong))
    assert not ApiKey.objects.exists()


def test_a_key_cannot_begin_its_life_expired(acme_admin: Person, api: ApiClients) -> None:
    body = {"name": "Reports", "expiresAt": "2020-01-01T00:00:00Z"}

    answer = api(acme_admin).post(KEYS, body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, "key_expiry_past")


def test_an_expired_key_is_refused_and_says_why(acme_admin: Person, api: ApiClients) -> None:
    key = key_of(acme_admin, expires_at=timezone.now() + timedelta(hours=1))
    assert client_with_key(key).get(S).status_code == 200

    ApiKey.objects.update(expires_at=timezone.now())
    answer = client_with_key(key).get(S)

    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_expired")
    assert [row["name"] for row in api(acme_admin).get(KEYS).json()["data"]] == ["Booking system"]


# -- sockets ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def live_desk(live_companies: tuple[Company, Company]) -> Desk:
    return run_in(live_companies[0], Desk.open, live_companies[0])


async def snapshot_with(key: str) -> tuple[Socket, Any]:
    socket = Socket(application, "/ws/whatsapp/")
    assert await socket.connect() is None
    await socket.send({"type": "auth", "token": key})
    return socket, await socket.receive()


@LIVE_DATA
@pytest.mark.parametrize(("scope", "hears_texts"), [("read", True), ("send", False), ("link", False)])
async def test_a_websocket_tells_a_key_what_its_scopes_let_it_hear(
    live_desk: Desk, acme_admin: Person, scope: str, hears_texts: bool
) -> None:
    key = await sync_to_async(key_of)(acme_admin, scope)
    socket, snapshot = await snapshot_with(key)
    assert [session["id"] for session in snapshot["sessions"]] == [live_desk.session_id]

    await arun_in(live_desk.company, live_desk.tell, text("Are you open?"))
    await arun_in(live_desk.company, Session.objects.update, name="Renamed")

    if hears_texts:
        heard: list[str] = []
        while "message.new" not in heard:
            heard.append((await socket.receive())["type"])
    else:
        assert await socket.is_silent()
    await socket.disconnect()


@LIVE_DATA
@pytest.mark.parametrize("scope", Scope)
async def test_codes_on_show_are_for_keys_that_link(
    live_companies: tuple[Company, Company], acme_admin: Person, scope: Scope
) -> None:
    await sync_to_async(run_in)(live_companies[0], Desk.unlinked, live_companies[0])

    socket, snapshot = await snapshot_with(await sync_to_async(key_of)(acme_admin, scope))

    assert bool(snapshot["challenges"]) is (scope == Scope.LINK)
    await socket.disconnect()


@LIVE_DATA
async def test_an_expired_key_opens_no_websocket(acme_admin: Person, live_companies: Any) -> None:
    key = await sync_to_async(key_of)(acme_admin)
    await ApiKey.objects.aupdate(expires_at=timezone.now())

    _, answer = await snapshot_with(key)

    assert (answer["type"], answer["code"]) == ("error", "api_key_expired")


@LIVE_DATA
async def test_socket_io_answers_a_key_within_its_scopes(live_desk: Desk, acme_admin: Person) -> None:
    await arun_in(live_desk.company, live_desk.tell, text("Are you open?"))
    chat = await arun_in(live_desk.company, lambda: Message.objects.get().chat_id)
    ids = {"sessionId": live_desk.session_id, "chatId": chat, "message": "Yes"}
    for scope, may in {"read": "whatsapp:get_chats", "send": "whatsapp:send_message"}.items():
        async with Raw(await sync_to_async(key_of)(acme_admin, scope)) as raw:
            answers = {call: await raw.calls(call, ids) for call in ("whatsapp:get_chats", "whatsapp:send_message")}
        assert [call for call, answer in answers.items() if answer["success"]] == [may]
        assert {answers[call]["code"] for call in answers if call != may} <= {"chats_denied", "writing_denied"}


@LIVE_DATA
async def test_socket_io_tells_an_expired_key_that_it_is_over(live_companies: Any, acme_admin: Person) -> None:
    key = await sync_to_async(key_of)(acme_admin)
    await ApiKey.objects.aupdate(expires_at=timezone.now())

    async with Raw(key) as raw:
        assert raw.refusal in ("This API key has expired", "Срок действия этого API-ключа истёк")
