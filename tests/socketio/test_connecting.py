"""Connecting as the older system's clients do, and being refused in the words they know (seed contract 2.1, 2.2)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Membership, User
from tests.people import Person
from tests.socketio.conftest import NEEDS_CLIENTS, Connect
from tests.socketio.raw import Raw
from whatsapp import listening

pytestmark = [NEEDS_CLIENTS, pytest.mark.django_db(transaction=True)]

#: Each generation over each transport, and as each connects by itself.
WAYS = [
    pytest.param({"version": 4}, "websocket", id="4 as documented"),
    pytest.param({"version": 4, "transports": ["polling"]}, "polling", id="4 polling"),
    pytest.param({"version": 4, "transports": ["polling", "websocket"]}, "websocket", id="4 upgraded"),
    pytest.param({"version": 2, "transports": ["websocket"]}, "websocket", id="2 websocket"),
    pytest.param({"version": 2, "transports": ["polling"]}, "polling", id="2 polling"),
    pytest.param({"version": 2}, "websocket", id="2 upgraded"),
]
GENERATIONS = pytest.mark.parametrize("version", [4, 2])


@pytest.mark.parametrize(("way", "transport"), WAYS)
def test_a_client_is_confirmed(connect: Connect, acme_admin: Person, way: dict[str, object], transport: str) -> None:
    client = connect(acme_admin, **way)

    client.hears("connect")
    told = client.hears("connection-confirmed")
    # Whatever has an acknowledgement gets one, or clients with `retries` would say nothing else any more.
    assert client.calls("no-such-event")["code"] == "unknown_event"
    while client.transport() != transport:
        assert client.calls("whatsapp:leave_session", {"sessionId": "x"}) == {"success": True}

    who = {"email": "admin@acme.test", "role": "admin", "companyId": acme_admin.company.pk}
    assert (told["status"], told["user"]) == ("connected", who)
    assert set(told) == {"status", "socketId", "user", "timestamp"}


def test_a_manager_is_one(connect: Connect, acme_manager: Person) -> None:
    assert connect(acme_manager).hears("connection-confirmed")["user"]["role"] == "manager"


@GENERATIONS
def test_older_ways_to_bring_a_token_are_taken(connect: Connect, acme_admin: Person, version: int) -> None:
    """The header for those of today, the namespace's query for those that have nothing else."""
    options: dict[str, Any] = (
        {"auth": {}, "extraHeaders": {"Authorization": f"Bearer {acme_admin.token}"}}
        if version == 4
        else {"transportOptions": {}, "query": {"token": acme_admin.token}}
    )

    assert connect(version=version, **options).hears("connection-confirmed")["status"] == "connected"


def test_a_token_in_the_address_alone_is_not_believed(connect: Connect, acme_admin: Person) -> None:
    client = connect(auth={}, query={"token": acme_admin.token})

    assert client.hears("connect_error")["message"] == "Токен авторизации не предоставлен"


# -- refusals --------------------------------------------------------------------------------------------------------
def claims(person: Person, **changes: Any) -> str:
    token = AccessToken(person.token)  # type: ignore[arg-type]
    for name, value in changes.items():
        token[name] = value
    return str(token)


def expired(person: Person, seconds: float = -1) -> str:
    token = AccessToken(person.token)  # type: ignore[arg-type]
    token.set_exp(lifetime=timedelta(seconds=seconds))
    return str(token)


def of_a_former_member(person: Person) -> str:
    token = person.token
    Membership.objects.filter(user=person.user).delete()
    return token


def of_an_inactive_user(person: Person) -> str:
    token = person.token
    User.objects.filter(pk=person.user.pk).update(is_active=False)
    return token


def of_an_older_password(person: Person) -> str:
    token = person.token
    person.user.set_password("another-one-8")
    person.user.save()
    return token


REFUSALS: dict[str, tuple[Callable[[Person], str | None], str]] = {
    "no token": (lambda _: None, "Токен авторизации не предоставлен"),
    "empty token": (lambda _: "", "Токен авторизации не предоставлен"),
    "unknown user": (lambda person: claims(person, userId="nobody"), "Пользователь не найден"),
    "former member": (of_a_former_member, "Пользователь не найден"),
    "inactive": (of_an_inactive_user, "Аккаунт не активен или не верифицирован"),
    "unknown manager": (
        lambda person: claims(person, userId="nobody", userType="manager"),
        "Менеджер не найден",
    ),
    "unknown type": (lambda person: claims(person, userType="robot"), "Недопустимый тип пользователя"),
    "rubbish": (lambda _: "a.b.c", "Ошибка аутентификации"),
    "expired": (expired, "Ошибка аутентификации"),
    "old password": (of_an_older_password, "Ошибка аутентификации"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refusal_says_why(connect: Connect, acme_admin: Person, why: str) -> None:
    make_token, sentence = REFUSALS[why]

    assert connect(token=make_token(acme_admin)).hears("connect_error")["message"] == sentence


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_client_2_is_refused_in_the_same_words(connect: Connect, acme_admin: Person, transport: str) -> None:
    client = connect(version=2, token="a.b.c", transports=[transport])

    assert client.hears("error") == "Ошибка аутентификации"


def test_a_reader_of_english_is_refused_in_english(connect: Connect, live_companies: None) -> None:
    client = connect(token="a.b.c", extraHeaders={"Accept-Language": "en"})

    assert client.hears("connect_error") == {
        "message": "Authentication failed",
        "data": {"code": "handshake_failed"},
    }


def test_a_client_that_was_refused_may_come_again(connect: Connect, acme_admin: Person) -> None:
    """Its documentation calls `connect()` after two seconds."""
    connect(token="a.b.c").hears("connect_error")

    connect(acme_admin).hears("connection-confirmed")


@pytest.mark.parametrize(
    "auth", [[], "token", 7, {"token": 7}, {"token": ["a"]}, {"token": {"a": 1}}, {"token": "ы\x00"}]
)
def test_rubbish_for_a_token_is_refused(connect: Connect, live_companies: None, auth: object) -> None:
    assert connect(auth=auth).hears("connect_error")["message"] in (
        "Токен авторизации не предоставлен",
        "Ошибка аутентификации",
    )


@GENERATIONS
def test_other_namespaces_are_not_there(connect: Connect, acme_admin: Person, version: int) -> None:
    client = connect(acme_admin, version=version, namespace="/elsewhere")

    assert client.hears("connect_error" if version == 4 else "error") in (
        {"message": "Invalid namespace"},
        "Invalid namespace",
    )


# -- the root ----------------------------------------------------------------------------------------------------------
@GENERATIONS
def test_anybody_may_see_whether_the_server_is_there(connect: Connect, live_companies: None, version: int) -> None:
    client = connect(version=version, namespace="/", token="")
    client.hears("connect")

    client.emits("test-connection")
    told = client.hears("connection-ok")
    if version == 4:
        # Client 2 keeps this name for itself.
        client.emits("ping")
        assert client.hears("pong") is None

    assert set(told) == {"socketId", "timestamp", "server"}


def test_ping_is_answered_with_the_time(connect: Connect, acme_admin: Person) -> None:
    client = connect(acme_admin)
    client.emits("ping")

    assert set(client.hears("pong")) == {"timestamp"}


# -- the end -----------------------------------------------------------------------------------------------------------
def test_an_expired_token_ends_the_connection(
    connect: Connect, acme_admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "RECHECK_SECONDS", 0.05)
    client = connect(acme_admin)
    client.hears("connection-confirmed")
    monkeypatch.setattr(tokens, "aware_utcnow", lambda: datetime.now(UTC) + timedelta(hours=25))

    assert client.hears("error") == {"message": "Ошибка аутентификации", "error": "handshake_failed"}
    assert client.hears("disconnect") == "io server disconnect"


async def test_it_ends_when_the_token_does_and_not_at_the_next_look(acme_admin: Person) -> None:
    async with Raw(expired(acme_admin, 3)) as raw:
        assert (await raw.hears("error"))["error"] == "handshake_failed"


@GENERATIONS
def test_a_membership_that_ends_ends_the_connection(
    connect: Connect, acme_manager: Person, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "RECHECK_SECONDS", 0.05)
    client = connect(acme_manager, version=version)
    client.hears("connection-confirmed")
    Membership.objects.filter(user=acme_manager.user).delete()

    assert client.hears("disconnect") == "io server disconnect"


def test_a_call_after_the_end_of_a_membership_is_refused_at_once(connect: Connect, acme_manager: Person) -> None:
    # With `retries` the client would keep the answer to itself until it has it four times.
    client = connect(acme_manager, retries=0)
    client.hears("connection-confirmed")
    Membership.objects.filter(user=acme_manager.user).delete()

    assert client.calls("whatsapp:join_session", {"sessionId": "x"})["success"] is False
    assert client.hears("disconnect") == "io server disconnect"
