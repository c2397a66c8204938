"""A manager who is kept out of a company for now: everywhere at once, without losing anything."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from accounts.errors import AdminsOnly, ManagerLimitReached, ManagerNotFound
from accounts.models import Membership, Role
from accounts.permissions import SYSTEM, Rights
from accounts.services import managers, people
from config.asgi import application
from tenants.context import arun_in_public, run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.pages.conftest import Desk, at_browser
from tests.people import Person, make_person
from tests.socketio.raw import Raw
from tests.sockets import Socket
from whatsapp.models import ManagerAccess
from whatsapp.services import access

pytestmark = pytest.mark.django_db

SESSIONS = "/api/whatsapp/sessions"


def set_active(person: Person, is_active: bool, by: Person | None = None) -> None:
    actor = by.actor if by else SYSTEM
    managers.change(company=person.company, manager_id=person.user.pk, is_active=is_active, by=actor)


def test_who_is_kept_out_comes_in_nowhere_and_is_told_so(acme_manager: Person, api: ApiClients) -> None:
    client, browser = api(acme_manager), at_browser(acme_manager)
    assert client.get(SESSIONS).status_code == 200

    set_active(acme_manager, is_active=False)

    assert client.get(SESSIONS).status_code == 401
    assert browser.get("/").status_code == 403
    body = {"email": acme_manager.user.email, "password": acme_manager.password}
    for named in ({}, {"company": "acme"}):
        answer = api().post("/api/auth/login", {**body, **named}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "account_inactive")
    assert "not active" in at_browser().post("/login", body).content.decode()


def test_a_wrong_password_does_not_tell_that_somebody_is_kept_out(acme_manager: Person, api: ApiClients) -> None:
    set_active(acme_manager, is_active=False)

    answer = api().post("/api/auth/login", {"email": acme_manager.user.email, "password": "guess"}, format="json")

    assert answer.json()["code"] == "wrong_credentials"


def test_it_is_said_and_shown_over_rest(acme_admin: Person, acme_manager: Person, api: ApiClients) -> None:
    client, address = api(acme_admin), f"/api/managers/{acme_manager.user.pk}"
    assert client.get(address).json()["data"]["isActive"] is True

    assert client.put(address, {"isActive": False}, format="json").status_code == 200
    assert client.get(address).json()["data"]["isActive"] is False
    assert api(acme_manager).get(SESSIONS).status_code == 401
    client.put(address, {"firstName": "Vera"}, format="json")
    assert client.get(address).json()["data"]["isActive"] is False
    client.put(address, {"isActive": True}, format="json")

    assert api(acme_manager).get(SESSIONS).status_code == 200
    assert client.put(address, {"isActive": "perhaps"}, format="json").status_code == 400


def test_who_is_let_in_again_has_what_they_had(acme: Company, acme_manager: Person, api: ApiClients) -> None:
    desk = Desk(acme)
    desk.grant(acme_manager)
    client = api(acme_manager)
    set_active(acme_manager, is_active=False)

    set_active(acme_manager, is_active=True)

    assert [row["id"] for row in client.get(SESSIONS).json()["data"]] == [desk.session.pk]


def test_other_companies_are_not_concerned(acme: Company, globex: Company, api: ApiClients) -> None:
    person = make_person(acme, Role.MANAGER)
    people.create_member(company=globex, email=person.user.email, role=Role.MANAGER, by=SYSTEM)
    set_active(person, is_active=False)
    body = {"email": person.user.email, "password": person.password}

    token = api().post("/api/auth/login", body, format="json").json()["token"]

    assert api().get("/api/auth/me", headers={"authorization": f"Bearer {token}"}).json()["company"]["slug"] == "globex"
    refused = api().post("/api/auth/login", {**body, "company": "acme"}, format="json")
    assert refused.json()["code"] == "account_inactive"


def test_only_the_companys_admins_decide_and_only_on_managers(
    acme_admin: Person, acme_manager: Person, globex_admin: Person
) -> None:
    for person, by, refusal in (
        (acme_manager, acme_manager, AdminsOnly),
        (acme_admin, acme_admin, ManagerNotFound),
    ):
        with pytest.raises(refusal):
            set_active(person, is_active=False, by=by)
    with pytest.raises(ManagerNotFound):
        managers.change(
            company=globex_admin.company, manager_id=acme_manager.user.pk, is_active=False, by=globex_admin.actor
        )
    assert Membership.objects.filter(is_active=False).count() == 0


def test_who_is_kept_out_still_counts_for_the_plan(acme: Company, acme_admin: Person, acme_manager: Person) -> None:
    Company.objects.filter(pk=acme.pk).update(max_managers=1)
    set_active(acme_manager, is_active=False)

    with pytest.raises(ManagerLimitReached):
        managers.create(
            company=acme, by=acme_admin.actor, email="b@acme.test", first_name="B", last_name="", password=None
        )


# -- live ------------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
async def test_live_connections_end_at_once(live_companies: Any, acme_manager: Person) -> None:
    token = await sync_to_async(lambda: acme_manager.token)()
    await sync_to_async(share_a_number)(acme_manager)
    socket = Socket(application, "/ws/whatsapp/")
    assert await socket.connect() is None
    await socket.send({"type": "auth", "token": token})
    assert (await socket.receive())["type"] == "snapshot"

    async with Raw(token) as raw:
        await arun_in_public(set_active, acme_manager, False)

        assert (await socket.receive())["code"] == "not_authenticated"
        assert (await raw.hears("error"))["error"] == "account_not_ready"

    async with Raw(token) as raw:
        assert raw.refusal == "Аккаунт не активен или не верифицирован"


def share_a_number(person: Person) -> None:
    desk = Desk(person.company)
    run_in(
        person.company,
        access.grant,
        company=person.company,
        session_id=desk.session.pk,
        manager_id=person.user.pk,
        rights=Rights(can_read=True),
        by=SYSTEM,
    )
    assert run_in(person.company, ManagerAccess.objects.count) == 1
