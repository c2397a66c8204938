"""The live WebSocket: who may listen, what they see when they join, and what they hear afterwards."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from pytest_django import Settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Membership
from accounts.permissions import Rights
from config.asgi import application
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import Happening
from tenants.context import arun_in
from tenants.models import Company
from tests.people import Person
from tests.product import free_port
from tests.sockets import Socket
from whatsapp import consumers, listening, live
from whatsapp.engine.port import ChallengeIssued
from whatsapp.models import Session
from whatsapp.services import access, linking, news, sessions, transitions

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/ws/whatsapp/"


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Socket]:
    socket = Socket(application, URL, **options)
    assert await socket.connect() is None
    yield socket
    await socket.disconnect()


async def authenticated(socket: Socket, person: Person) -> Any:
    """The snapshot that a person's token gets."""
    token = await sync_to_async(lambda: person.token)()
    await socket.send({"type": "auth", "token": token})
    return await socket.receive()


async def new_session(company: Company, by: Person, name: str) -> str:
    actor = await sync_to_async(lambda: by.actor)()
    return (await arun_in(company, sessions.create, company=company, by=actor, name=name)).pk


async def grant(company: Company, session_id: str, to: Person, by: Person, rights: Rights) -> None:
    actor = await sync_to_async(lambda: by.actor)()
    options: dict[str, Any] = {"session_id": session_id, "manager_id": to.user.pk, "rights": rights, "by": actor}
    await arun_in(company, access.grant, company=company, **options)


@news.writing
def _happen(company: Company, session_id: str) -> None:
    placement = Placement.objects.get(pk=session_id)
    transitions.record(placement, Happening.STARTED, Reason.STARTING)
    transitions.tell(company, session_id)


def _challenge(company: Company, session_id: str) -> None:
    placement = Placement.objects.get(pk=session_id)
    session = Session.objects.get(pk=session_id)
    linking.record_challenge(company, session, placement, ChallengeIssued("qr", "2@secret", 60))


async def test_a_snapshot_comes_on_joining_and_changes_after_it(acme: Company, acme_admin: Person) -> None:
    session_id = await new_session(acme, acme_admin, "Front desk")

    async with connected() as socket:
        snapshot = await authenticated(socket, acme_admin)
        await arun_in(acme, _happen, acme, session_id)
        change = await socket.receive()

    assert (snapshot["type"], [row["name"] for row in snapshot["sessions"]]) == ("snapshot", ["Front desk"])
    assert (change["type"], change["session"]["state"], change["session"]["reasonText"]) == (
        "session.changed",
        "connecting",
        "Запускается.",
    )


async def test_reasons_come_in_the_readers_language(acme: Company, acme_admin: Person) -> None:
    await new_session(acme, acme_admin, "Front desk")

    async with connected(headers={"Accept-Language": "en-GB,en;q=0.8"}) as socket:
        snapshot = await authenticated(socket, acme_admin)

    assert snapshot["sessions"][0]["reasonText"] == "No phone is linked yet."


async def test_a_new_session_appears_to_every_admin(acme: Company, acme_admin: Person) -> None:
    async with connected() as socket:
        assert (await authenticated(socket, acme_admin))["sessions"] == []
        session_id = await new_session(acme, acme_admin, "New")
        snapshot = await socket.receive()

    assert [row["id"] for row in snapshot["sessions"]] == [session_id]


async def test_codes_reach_only_those_who_may_link(acme: Company, acme_admin: Person, acme_manager: Person) -> None:
    session_id = await new_session(acme, acme_admin, "Front desk")
    await grant(acme, session_id, acme_manager, acme_admin, Rights(can_read=True))

    async with connected() as admin, connected() as reader:
        await authenticated(admin, acme_admin)
        seen = await authenticated(reader, acme_manager)
        await arun_in(acme, _challenge, acme, session_id)
        told = await admin.receive()

        assert (told["type"], told["challenge"]["qr"]) == ("session.challenge", "2@secret")
        assert told["challenge"]["qrCode"].startswith("data:image/png;base64,")
        assert (len(seen["sessions"]), seen["challenges"]) == (1, [])
        assert await reader.is_silent()


async def test_access_that_is_given_and_taken_counts_at_once(
    acme: Company, acme_admin: Person, acme_manager: Person
) -> None:
    session_id = await new_session(acme, acme_admin, "Front desk")
    actor = await sync_to_async(lambda: acme_admin.actor)()

    async with connected() as socket:
        assert (await authenticated(socket, acme_manager))["sessions"] == []
        await grant(acme, session_id, acme_manager, acme_admin, Rights(can_read=True))
        given = await socket.receive()
        await arun_in(
            acme, access.revoke, company=acme, session_id=session_id, manager_id=acme_manager.user.pk, by=actor
        )
        taken = await socket.receive()
        await arun_in(acme, _happen, acme, session_id)

        assert [row["id"] for row in given["sessions"]] == [session_id]
        assert taken["sessions"] == []
        assert await socket.is_silent()


async def test_another_companys_admin_hears_nothing(
    acme: Company, acme_admin: Person, globex: Company, globex_admin: Person
) -> None:
    session_id = await new_session(acme, acme_admin, "Front desk")

    async with connected() as stranger:
        assert (await authenticated(stranger, globex_admin))["sessions"] == []
        await arun_in(acme, _happen, acme, session_id)
        await arun_in(acme, _challenge, acme, session_id)

        assert await stranger.is_silent()


@pytest.mark.parametrize("token", ["", "rubbish", "a.b.c"])
async def test_a_wrong_token_ends_the_connection(token: str, live_companies: None) -> None:
    async with connected() as socket:
        await socket.send({"type": "auth", "token": token})

        assert (await socket.receive())["code"] == "not_authenticated"
        assert await socket.closed() == 4401


async def test_an_expired_token_ends_a_connection_that_was_good(acme: Company, acme_admin: Person) -> None:
    token = AccessToken(await sync_to_async(lambda: acme_admin.token)())  # type: ignore[arg-type]
    # On a busy machine two seconds may pass before the token is looked at for the first time.
    for seconds in (2, 6, 18):
        token.set_exp(lifetime=timedelta(seconds=seconds))
        async with connected() as socket:
            await socket.send({"type": "auth", "token": str(token)})
            was_good = (await socket.receive())["type"] == "snapshot"
            if was_good:
                assert (await socket.receive())["code"] == "not_authenticated"
            assert await socket.closed() == 4401
        if was_good:
            break

    assert was_good
    assert time.time() >= float(token["exp"]) - 1


async def test_who_says_nothing_is_sent_away(live_companies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "AUTH_SECONDS", 0.05)

    async with connected() as socket:
        assert (await socket.receive())["code"] == "not_authenticated"
        assert await socket.closed() == 4401


async def test_a_membership_that_ends_ends_the_connection(
    acme: Company, acme_manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "RECHECK_SECONDS", 0.05)

    async with connected() as socket:
        await authenticated(socket, acme_manager)
        await sync_to_async(Membership.objects.filter(user=acme_manager.user).delete)()

        assert (await socket.receive())["code"] == "not_authenticated"
        assert await socket.closed() == 4401


@pytest.mark.parametrize("rubbish", ["{", "[]", "null", '{"type": 5}', '{"type": "auth"}', "[" * 5000, "x" * 20000])
async def test_rubbish_is_answered_and_harms_nobody(acme: Company, acme_admin: Person, rubbish: str) -> None:
    async with connected() as socket:
        await authenticated(socket, acme_admin)
        await socket.send_text(rubbish)
        assert (await socket.receive())["code"] == "bad_message"

        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"


async def test_a_missing_live_layer_does_not_undo_what_was_written(
    acme: Company, acme_admin: Person, settings: Settings
) -> None:
    session_id = await new_session(acme, acme_admin, "Front desk")
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}"

    await arun_in(acme, _happen, acme, session_id)

    assert (await sync_to_async(Placement.objects.get)(pk=session_id)).state == "connecting"


async def test_logging_out_ends_the_pages_connection(acme_admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RECHECK_SECONDS", 0.05)
    client = Client()
    await sync_to_async(client.force_login)(acme_admin.user)
    cookie = f"sessionid={client.cookies['sessionid'].value}"

    async with connected(origin="http://testserver", cookie=cookie) as socket:
        assert (await socket.receive())["type"] == "snapshot"
        await sync_to_async(client.logout)()

        assert (await socket.receive())["code"] == "not_authenticated"
        assert await socket.closed() == 4401


async def test_who_may_not_read_hears_of_the_state_and_of_no_message(
    acme: Company, acme_admin: Person, acme_manager: Person
) -> None:
    session_id = await new_session(acme, acme_admin, "Front desk")
    await grant(acme, session_id, acme_manager, acme_admin, Rights(can_write=True))

    async with connected() as socket:
        await authenticated(socket, acme_manager)
        hint = live.Hint(live.chats_group(acme, session_id), "message.new", {"message": {}})
        await arun_in(acme, live.publish, hint)
        await arun_in(acme, _happen, acme, session_id)

        assert (await socket.receive())["type"] == "session.changed"
