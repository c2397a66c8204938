"""/api/managers: made, read, changed and let go by the company's admins; and nobody gets into two companies by it."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts import throttle
from accounts.errors import ManagerLimitReached
from accounts.models import Membership, Role, User
from accounts.permissions import Rights
from accounts.services.people import create_member
from config.asgi import application
from tenants.companies import change_company
from tenants.context import arun_in, run_in
from tenants.models import Company
from tests.accounts.mailbox import code_for, deliver
from tests.accounts.races import in_its_own_connection, wait_for_a_lock
from tests.people import Person, client_for, make_person
from tests.sockets import Socket
from whatsapp.models import ManagerAccess
from whatsapp.services import access, sessions

pytestmark = pytest.mark.django_db

FORM = {"email": "mia@acme.test", "firstName": "Миа", "lastName": "Ли", "password": "harbour-lights-8"}
ADMINS_ONLY = {"success": False, "code": "admins_only", "message": "Доступ запрещен. Требуются права администратора"}
NOT_FOUND = {"success": False, "code": "manager_not_found", "message": "Менеджер не найден"}


def create(person: Person, *, language: str = "", **change: Any) -> Any:
    return client_for(person, language=language).post("/api/managers", FORM | change, format="json")


def created(person: Person, **change: Any) -> str:
    answer = create(person, **change)
    assert answer.status_code == 201, answer.json()
    return str(answer.json()["manager"]["id"])


def change(person: Person, manager_id: str, **body: Any) -> Any:
    return client_for(person, language="").put(f"/api/managers/{manager_id}", body, format="json")


def remove(person: Person, manager_id: str) -> Any:
    return client_for(person, language="").delete(f"/api/managers/{manager_id}")


def log_in(email: str = FORM["email"], password: str = FORM["password"], **more: str) -> Any:
    body = {"email": email, "password": password, **more}
    return client_for(language="").post("/api/auth/login", body, format="json")


# -- making ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "message"), [("", "Менеджер успешно создан"), ("en", "The manager has been created")]
)
def test_an_admin_makes_a_manager_who_logs_in(acme_admin: Person, language: str, message: str) -> None:
    answer = create(acme_admin, language=language)

    assert (answer.status_code, set(answer.json()), answer.json()["message"]) == (201, {"message", "manager"}, message)
    manager = answer.json()["manager"]
    assert set(manager) == {"id", "email", "firstName", "lastName", "companyName", "role", "createdAt"}
    assert (manager["email"], manager["firstName"], manager["companyName"], manager["role"]) == (
        *("mia@acme.test", "Миа"),
        *("Acme", "manager"),
    )
    assert log_in().status_code == 200


def test_the_manager_is_told_by_mail_and_the_password_is_not(acme_admin: Person) -> None:
    create(acme_admin)
    (letter,) = deliver()

    assert (letter.to, "Acme" in letter.subject) == (["mia@acme.test"], True)
    assert FORM["password"] not in str(letter.message())


def test_the_address_may_end_with_a_slash(acme_admin: Person) -> None:
    client = client_for(acme_admin)

    assert client.post("/api/managers/", FORM, format="json").status_code == 201
    assert client.get("/api/managers/").json()["count"] == 1


@pytest.mark.parametrize("who", ["acme_manager", "acme_admin"])
def test_who_is_in_the_company_already_is_not_made_again(
    request: pytest.FixtureRequest, acme_admin: Person, who: str
) -> None:
    email = request.getfixturevalue(who).user.email

    answer = create(acme_admin, email=email.upper())

    assert (answer.status_code, answer.json()["message"]) == (400, "Менеджер с таким email уже существует в компании")


@pytest.mark.parametrize("name", ["email", "firstName", "password"])
def test_a_field_that_is_missing_is_named(acme_admin: Person, name: str) -> None:
    body = {key: value for key, value in FORM.items() if key != name}

    answer = client_for(acme_admin).post("/api/managers", body, format="json")

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [name])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"email": "mia"}, "email_wrong"),
        ({"password": "12345"}, "password_short"),
        ({"password": "qwerty"}, "password_weak"),
    ],
)
def test_what_will_not_do_makes_nobody(acme_admin: Person, wrong: dict[str, str], code: str) -> None:
    answer = create(acme_admin, **wrong)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Membership.objects.filter(role=Role.MANAGER).exists()
    assert deliver() == []


# -- the plan --------------------------------------------------------------------------------------------------------
def test_a_plan_that_is_full_says_how_full(acme_admin: Person) -> None:
    for number in range(3):
        created(acme_admin, email=f"{number}@acme.test")

    answer = create(acme_admin)

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "success": False,
            "code": "manager_limit_reached",
            "message": "Достигнут лимит на количество managers для вашего тарифа",
            "limit": 3,
            "current": 3,
        },
    )
    assert not User.objects.filter(email=FORM["email"]).exists()


def test_managers_are_not_made_and_let_go_for_ever(acme_admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "accounts.services.managers.MANAGERS_PER_COMPANY", throttle.Limit("managers", 2, throttle.WINDOW)
    )
    for number in range(2):
        remove(acme_admin, created(acme_admin, email=f"{number}@acme.test"))

    assert create(acme_admin).status_code == 429


def test_an_operator_is_held_by_no_plan(operator: Person) -> None:
    change_company(operator.company, max_managers=0)

    assert create(operator).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_managers_made_at_once_are_counted_one_after_the_other(acme_admin: Person) -> None:
    change_company(acme_admin.company, max_managers=1)

    making = partial(create_member, company=acme_admin.company, role=Role.MANAGER, by=acme_admin.actor)

    with ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            making(email="first@acme.test")
            second = elsewhere.submit(in_its_own_connection, making, email="second@acme.test")
            wait_for_a_lock()
        with pytest.raises(ManagerLimitReached):
            second.result()

    assert Membership.objects.filter(company=acme_admin.company, role=Role.MANAGER).count() == 1


# -- reading ---------------------------------------------------------------------------------------------------------
def test_all_managers_of_the_company_are_listed_whoever_made_them(
    acme_admin: Person, acme_manager: Person, globex_manager: Person
) -> None:
    other = make_person(acme_admin.company, Role.ADMIN)
    first = created(other)

    answer = client_for(acme_admin).get("/api/managers").json()

    assert set(answer) == {"success", "data", "count"}
    assert (answer["success"], answer["count"]) == (True, 2)
    assert [row["id"] for row in answer["data"]] == [first, acme_manager.user.pk]
    keys = {"id", "email", "firstName", "lastName", "companyName", "role", "createdAt", "updatedAt"}
    assert {frozenset(row) for row in answer["data"]} == {frozenset(keys)}


def test_one_manager_is_shown_with_who_made_them(acme_admin: Person) -> None:
    manager_id = created(acme_admin)

    answer = client_for(acme_admin).get(f"/api/managers/{manager_id}").json()

    assert set(answer) == {"success", "data"}
    assert set(answer["data"]) == {
        *("id", "email", "firstName", "lastName", "companyName", "role", "createdAt", "updatedAt"),
        *("adminId", "companyId", "isActive"),
    }
    assert (answer["data"]["adminId"], answer["data"]["companyId"]) == (acme_admin.user.pk, acme_admin.company.pk)


@pytest.mark.parametrize("who", ["globex_manager", "acme_admin", "nobody"])
def test_who_is_no_manager_of_the_company_is_not_found(
    request: pytest.FixtureRequest, acme_admin: Person, who: str
) -> None:
    manager_id = "cmd5u0y7b0001xurbphmqfoe4" if who == "nobody" else request.getfixturevalue(who).user.pk
    before = list(Membership.objects.values())

    answers = [
        client_for(acme_admin, language="").get(f"/api/managers/{manager_id}"),
        change(acme_admin, manager_id, firstName="X", password="harbour-lights-8"),
        remove(acme_admin, manager_id),
    ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(404, NOT_FOUND)] * 3
    assert list(Membership.objects.values()) == before


def test_managers_are_the_admins_business(acme_admin: Person, acme_manager: Person) -> None:
    other = created(acme_admin)
    client: APIClient = client_for(acme_manager, language="")

    answers = [
        create(acme_manager),
        client.post("/api/managers", {}, format="json"),
        client.get("/api/managers"),
        client.get(f"/api/managers/{other}"),
        change(acme_manager, other, firstName="X"),
        remove(acme_manager, other),
    ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(403, ADMINS_ONLY)] * 6


# -- changing --------------------------------------------------------------------------------------------------------
def test_what_is_given_is_changed_and_nothing_else(acme_admin: Person) -> None:
    manager_id = created(acme_admin)

    answer = change(acme_admin, manager_id, lastName="Мей")

    assert (answer.status_code, answer.json()["message"]) == (200, "Менеджер успешно обновлен")
    manager = answer.json()["manager"]
    assert (manager["firstName"], manager["lastName"], manager["email"]) == ("Миа", "Мей", "mia@acme.test")
    assert log_in().status_code == 200


def test_a_new_email_and_password_are_what_the_manager_logs_in_with(acme_admin: Person) -> None:
    manager_id = created(acme_admin)
    token = log_in().json()["token"]
    deliver()

    change(acme_admin, manager_id, email="Mia.Lee@acme.test", password=FORM["password"] + "9")

    assert log_in().status_code == 401
    assert log_in("mia.lee@acme.test", FORM["password"] + "9").status_code == 200
    assert client_for().get("/api/auth/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert [letter.to for letter in deliver()] == [["mia.lee@acme.test"]]


@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("acme_manager", "Менеджер с таким email уже существует в компании"),
        ("globex_admin", "Пользователь с таким email уже существует"),
    ],
)
def test_an_email_that_is_taken_changes_nothing(
    request: pytest.FixtureRequest, acme_admin: Person, who: str, message: str
) -> None:
    manager_id = created(acme_admin)

    answer = change(acme_admin, manager_id, firstName="X", email=request.getfixturevalue(who).user.email)

    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert User.objects.get(pk=manager_id).first_name == "Миа"


@pytest.mark.django_db(transaction=True)
def test_an_admin_does_not_find_out_all_emails_of_the_platform(acme_admin: Person, globex_admin: Person) -> None:
    manager_id = created(acme_admin)

    statuses = [change(acme_admin, manager_id, email=globex_admin.user.email).status_code for _ in range(31)]

    assert statuses == [400] * 30 + [429]


# -- letting go ------------------------------------------------------------------------------------------------------
def test_who_is_let_go_is_out_at_once_and_stays_a_person(acme_admin: Person) -> None:
    manager_id = created(acme_admin)
    token = log_in().json()["token"]

    answer = remove(acme_admin, manager_id)

    assert (answer.status_code, answer.json()) == (200, {"message": "Менеджер успешно удален"})
    assert client_for().get("/api/auth/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert User.objects.filter(pk=manager_id).exists()
    assert remove(acme_admin, manager_id).json() == NOT_FOUND


def test_who_comes_back_has_the_new_password_and_none_of_the_old_grants(acme_admin: Person) -> None:
    company, manager_id = acme_admin.company, created(acme_admin)
    session_id = run_in(company, sessions.create, company=company, by=acme_admin.actor).pk
    sharing = {"session_id": session_id, "manager_id": manager_id, "rights": Rights(can_read=True)}
    run_in(company, access.grant, company=company, by=acme_admin.actor, **sharing)  # type: ignore[arg-type]

    remove(acme_admin, manager_id)
    again = created(acme_admin, firstName="Мия", password="other-harbour-9")

    assert again == manager_id
    assert not run_in(company, ManagerAccess.objects.exists)
    assert log_in().status_code == 401
    assert log_in(password="other-harbour-9").status_code == 200


@pytest.mark.django_db(transaction=True)
async def test_a_manager_who_is_let_go_hears_no_more(acme_admin: Person, acme_manager: Person) -> None:
    company = acme_admin.company
    session = await arun_in(company, sessions.create, company=company, by=acme_admin.actor)
    sharing: dict[str, Any] = {"session_id": session.pk, "manager_id": acme_manager.user.pk}
    await arun_in(company, access.grant, company=company, by=acme_admin.actor, rights=Rights(can_read=True), **sharing)
    socket = Socket(application, "/ws/whatsapp/")
    assert await socket.connect() is None
    await socket.send({"type": "auth", "token": await sync_to_async(lambda: acme_manager.token)()})
    assert (await socket.receive())["type"] == "snapshot"

    await sync_to_async(remove)(acme_admin, acme_manager.user.pk)

    assert (await socket.receive())["code"] == "not_authenticated"
    assert await socket.closed() == 4401


# -- one person, two companies ---------------------------------------------------------------------------------------
def test_somebody_with_an_account_elsewhere_keeps_it_as_it_is(acme_admin: Person, globex_manager: Person) -> None:
    before = User.objects.values().get(pk=globex_manager.user.pk)

    answer = create(acme_admin, email=globex_manager.user.email)

    assert (answer.status_code, answer.json()["manager"]["firstName"]) == (201, "Миа")
    assert User.objects.values().get(pk=globex_manager.user.pk) == before
    assert log_in(globex_manager.user.email, FORM["password"], company="acme").status_code == 401
    assert log_in(globex_manager.user.email, globex_manager.password, company="acme").status_code == 200


def test_an_admin_is_not_told_who_has_an_account_elsewhere(
    acme_admin: Person, globex_manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[str] = []
    encode = MD5PasswordHasher.encode

    def and_count(self: Any, password: str, salt: Any) -> str:
        spent.append(password)
        return str(encode(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", and_count)
    told = []
    for email in (globex_manager.user.email, "nobody@globex.test"):
        spent.clear()
        manager = create(acme_admin, email=email).json()["manager"]
        told.append((set(manager), manager["firstName"], manager["lastName"], len(spent)))

    assert told[0] == told[1]
    weak = [
        create(acme_admin, email=email, password="qwerty").json() for email in ("a@b.test", globex_manager.user.email)
    ]
    assert weak[0] == weak[1]


def test_a_company_decides_nothing_about_somebody_elses_account(acme_admin: Person, globex_manager: Person) -> None:
    manager_id = created(acme_admin, email=globex_manager.user.email)

    for body in ({"password": "stolen-harbour-9"}, {"email": "stolen@acme.test"}):
        answer = change(acme_admin, manager_id, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "person_decides")
    assert change(acme_admin, manager_id, firstName="Мария").json()["manager"]["firstName"] == "Мария"

    user = User.objects.get(pk=manager_id)
    assert (user.first_name, user.email, user.check_password(globex_manager.password)) == (
        *("Manager", globex_manager.user.email),
        True,
    )


def test_an_account_whose_password_another_company_chose_opens_no_second_one(
    acme_admin: Person, globex_admin: Person
) -> None:
    """Globex makes an account for somebody who is to work at acme, and waits."""
    created(globex_admin, email="mia@acme.test", password="globex-knows-this-1")
    created(acme_admin, email="mia@acme.test")

    at_acme = log_in(password="globex-knows-this-1", company="acme")
    at_globex = log_in(password="globex-knows-this-1")

    assert (at_acme.status_code, at_globex.status_code) == (401, 200)
    person = User.objects.get(email="mia@acme.test")
    pages = Client()
    pages.force_login(person)
    assert pages.post("/company", {"company": acme_admin.company.pk}).status_code == 404
    assert "Acme" not in pages.get("/").content.decode()


def test_once_its_owner_has_proven_the_address_it_opens_both(acme_admin: Person, globex_admin: Person) -> None:
    created(globex_admin, email="mia@acme.test", password="globex-knows-this-1")
    manager_id = created(acme_admin, email="mia@acme.test")
    deliver()
    guest = client_for(language="")
    guest.post("/api/auth/send-code", {"email": "mia@acme.test", "mode": "reset"}, format="json")
    proof = {"email": "mia@acme.test", "mode": "reset", "code": code_for("mia@acme.test")}
    assert guest.post("/api/auth/verify-email", proof, format="json").status_code == 200
    new = {"email": "mia@acme.test", "newPassword": "only-mia-knows-2"}
    assert guest.post("/api/auth/reset-password", new, format="json").status_code == 200

    assert {log_in(password="only-mia-knows-2", company=slug).status_code for slug in ("acme", "globex")} == {200}
    for admin in (acme_admin, globex_admin):
        assert change(admin, manager_id, password="stolen-harbour-9").json()["code"] == "person_decides"


def test_no_admin_decides_about_an_operator(acme_admin: Person, operator: Person) -> None:
    manager_id = created(acme_admin, email=operator.user.email)

    assert change(acme_admin, manager_id, password="stolen-harbour-9").status_code == 403
    assert Company.objects.filter(memberships__user=operator.user).count() == 1
