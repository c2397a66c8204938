"""/api/company/*, PUT /api/auth/profile, and what a company whose subscription is over may still do."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone

from accounts.callers import find_caller
from accounts.errors import OperatorsOnly
from accounts.services import companies
from config.asgi import application
from tenants.companies import change_company, suspend_company
from tenants.errors import SubscriptionExpired
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person
from tests.sockets import Socket
from whatsapp import listening

pytestmark = pytest.mark.django_db

LIMITS = {"max_agents": 10, "max_phone_numbers": 5, "max_managers": 3, "max_monthly_calls": 1000}
ADMINS_ONLY = {"success": False, "code": "admins_only", "message": "Доступ запрещен. Требуются права администратора"}


def put(client: Any, what: str, body: Any) -> Any:
    return client.put(f"/api/company/{what}", body, format="json")


# -- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["acme_admin", "acme_manager"])
def test_everybody_reads_what_the_company_is(request: pytest.FixtureRequest, api: ApiClients, role: str) -> None:
    admin = request.getfixturevalue("acme_admin")
    person: Person = request.getfixturevalue(role)

    answer = api(person).get("/api/company/info")

    assert (answer.status_code, set(answer.json())) == (200, {"company", "stats"})
    company = answer.json()["company"]
    assert {key: type(value) for key, value in company.items() if key.endswith("At")} == {
        "createdAt": str,
        "updatedAt": str,
    }
    assert {key: value for key, value in company.items() if not key.endswith("At")} == {
        "id": person.company.pk,
        "name": "Acme",
        "slug": "acme",
        "settings": {"timezone": "UTC", "currency": "USD", "language": "en"},
        "subscription": {"plan": "basic", "status": "active", "expiresAt": None},
        "limits": LIMITS,
        "isActive": True,
        "createdBy": {"firstName": "Admin", "lastName": "Acme", "email": admin.user.email},
    }
    managers = 1 if role == "acme_manager" else 0
    assert answer.json()["stats"] == {"total_agents": 0, "total_managers": managers, "total_users": 1}


def test_a_company_that_no_admin_has_joined_was_made_by_nobody(api: ApiClients, acme_manager: Person) -> None:
    assert api(acme_manager).get("/api/company/info").json()["company"]["createdBy"] is None


def test_usage_counts_people_against_the_plan(api: ApiClients, acme_admin: Person, acme_manager: Person) -> None:
    assert api(acme_admin).get("/api/company/usage").json() == {
        "usage": {
            "agents": {"current": 0, "limit": 10},
            "managers": {"current": 1, "limit": 3},
            "users": {"current": 1, "limit": None},
        },
        "subscription": {"plan": "basic", "status": "active", "expiresAt": None},
        "limits": LIMITS,
    }


def test_people_are_listed_by_what_they_are(
    api: ApiClients, acme_admin: Person, acme_manager: Person, globex_admin: Person
) -> None:
    people = api(acme_manager).get("/api/company/users").json()

    assert set(people) == {"users", "managers", "total"}
    assert people["total"] == 2
    keys = ["id", "firstName", "lastName", "email", "role", "createdAt", "updatedAt"]
    assert [list(person) for person in people["users"]] == [[*keys, "isVerified"]]
    assert [list(person) for person in people["managers"]] == [keys]
    assert [person["id"] for person in people["users"] + people["managers"]] == [
        acme_admin.user.pk,
        acme_manager.user.pk,
    ]


# -- settings --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "message"), [("", "Настройки компании обновлены"), ("en", "The company's settings have been updated")]
)
def test_an_admin_changes_what_is_given_and_nothing_else(
    api: ApiClients, acme_admin: Person, language: str, message: str
) -> None:
    answer = put(api(acme_admin, language=language), "settings", {"settings": {"timezone": "Europe/Moscow"}})

    assert (answer.status_code, answer.json()) == (
        200,
        {"message": message, "settings": {"timezone": "Europe/Moscow", "currency": "USD", "language": "en"}},
    )
    assert Company.objects.get(pk=acme_admin.company.pk).timezone == "Europe/Moscow"


@pytest.mark.parametrize("body", [{}, {"settings": None}, {"settings": "x"}, {"settings": []}, []])
def test_settings_are_needed(api: ApiClients, acme_admin: Person, body: Any) -> None:
    answer = put(api(acme_admin, language=""), "settings", body)

    assert (answer.status_code, answer.json()["message"]) == (400, "Настройки обязательны")


@pytest.mark.parametrize(
    "wrong",
    [
        {"timezone": "Mars/Phobos"},
        {"timezone": "../etc"},
        {"currency": "usd"},
        {"currency": "RUBLE"},
        {"language": "tlh"},
        {"language": {"a": 1}},
    ],
)
def test_settings_that_make_no_sense_are_refused_with_their_field(
    api: ApiClients, acme_admin: Person, wrong: dict[str, Any]
) -> None:
    answer = put(api(acme_admin), "settings", {"settings": {"currency": "EUR"} | wrong})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, list(wrong))
    assert Company.objects.get(pk=acme_admin.company.pk).currency == "USD"


def test_a_manager_changes_no_settings(api: ApiClients, acme_manager: Person) -> None:
    answer = put(api(acme_manager, language=""), "settings", {"settings": {"currency": "EUR"}})

    assert (answer.status_code, answer.json()) == (403, ADMINS_ONLY)


# -- limits ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["acme_admin", "acme_manager"])
@pytest.mark.parametrize("body", [{"limits": {"max_managers": 99}}, {}])
def test_no_company_moves_its_own_limits(
    request: pytest.FixtureRequest, api: ApiClients, role: str, body: dict[str, Any]
) -> None:
    person = request.getfixturevalue(role)

    answer = put(api(person, language=""), "limits", body)

    assert (answer.status_code, answer.json()) == (403, ADMINS_ONLY | {"code": "operators_only"})
    assert Company.objects.get(pk=person.company.pk).max_managers == 3


def test_the_service_itself_refuses_a_company(acme_admin: Person) -> None:
    with pytest.raises(OperatorsOnly):
        companies.change_limits(company=acme_admin.company, by=acme_admin.actor, limits={"max_managers": 99})


def test_an_operator_moves_them(api: ApiClients, operator: Person) -> None:
    answer = put(api(operator, language=""), "limits", {"limits": {"max_phone_numbers": 7, "max_managers": 0}})

    assert answer.json() == {
        "message": "Лимиты компании обновлены",
        "limits": LIMITS | {"max_phone_numbers": 7, "max_managers": 0},
    }
    assert Company.objects.get(pk=operator.company.pk).max_sessions == 7


def test_limits_are_needed(api: ApiClients, operator: Person) -> None:
    answer = put(api(operator, language=""), "limits", {"max_managers": 5})

    assert (answer.status_code, answer.json()["message"]) == (400, "Лимиты обязательны")


@pytest.mark.parametrize("value", [-1, 10**9, "many", None, True, 1.5])
def test_a_limit_that_is_no_number_of_things_is_refused(api: ApiClients, operator: Person, value: Any) -> None:
    answer = put(api(operator), "limits", {"limits": {"max_agents": value}})

    assert (answer.status_code, list(answer.json().get("fields", []))) in [
        (400, ["limits.max_agents"]),
        (400, ["max_agents"]),
    ]


# -- profile ---------------------------------------------------------------------------------------------------------
def change(api: ApiClients, person: Person, body: Any) -> Any:
    return api(person, language="").put("/api/auth/profile", body, format="json")


@pytest.mark.parametrize("role", ["acme_admin", "acme_manager"])
def test_people_change_their_names(request: pytest.FixtureRequest, api: ApiClients, role: str) -> None:
    person = request.getfixturevalue(role)

    answer = change(api, person, {"firstName": "Анна"})

    assert (answer.status_code, answer.json()["message"]) == (200, "Профиль успешно обновлен")
    assert answer.json()["user"] == api(person).get("/api/auth/me").json()
    assert (answer.json()["user"]["firstName"], answer.json()["user"]["lastName"]) == ("Анна", "Acme")


def test_an_admin_renames_the_company(api: ApiClients, acme_admin: Person) -> None:
    answer = change(api, acme_admin, {"companyName": "Ромашка"})

    assert (answer.json()["user"]["companyName"], answer.json()["user"]["company"]["slug"]) == ("Ромашка", "acme")


def test_a_manager_does_not_and_changes_nothing_else_with_it(api: ApiClients, acme_manager: Person) -> None:
    answer = change(api, acme_manager, {"companyName": "Ромашка", "firstName": "Анна"})

    assert (answer.status_code, answer.json()) == (403, ADMINS_ONLY)
    assert change(api, acme_manager, {"companyName": "Acme"}).json()["user"]["firstName"] == "Manager"


@pytest.mark.parametrize("body", [{}, {"role": "admin"}, []])
def test_something_has_to_be_changed(api: ApiClients, acme_admin: Person, body: Any) -> None:
    answer = change(api, acme_admin, body)

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "success": False,
            "code": "nothing_to_change",
            "message": "Необходимо указать хотя бы одно поле для обновления",
            "allowed_fields": ["firstName", "lastName", "companyName"],
        },
    )


# -- the subscription ------------------------------------------------------------------------------------------------
OVER: dict[str, dict[str, Any]] = {
    "expired": {"subscription_status": "expired"},
    "cancelled": {"subscription_status": "cancelled"},
    "suspended": {"subscription_status": "suspended"},
    "past": {"subscription_expires_at": timezone.now() - timedelta(seconds=1)},
}
EXPIRED = {"success": False, "code": "subscription_expired", "message": "Подписка компании истекла"}


@pytest.mark.parametrize("how", OVER)
@pytest.mark.parametrize("address", ["/api/whatsapp/sessions", "/api/managers"])
def test_a_subscription_that_is_over_closes_whatsapp_and_managers(
    api: ApiClients, acme_admin: Person, how: str, address: str
) -> None:
    change_company(acme_admin.company, **OVER[how])

    answer = api(acme_admin, language="").get(address)

    assert (answer.status_code, answer.json()) == (403, EXPIRED)


@pytest.mark.parametrize("how", OVER)
def test_settings_and_ones_own_account_stay_within_reach(api: ApiClients, acme_admin: Person, how: str) -> None:
    change_company(acme_admin.company, **OVER[how])
    client = api(acme_admin)

    assert {client.get(f"/api/company/{what}").status_code for what in ("info", "usage", "users")} == {200}
    assert client.get("/api/auth/me").status_code == 200
    assert put(client, "settings", {"settings": {"currency": "EUR"}}).status_code == 200
    login = {"email": acme_admin.user.email, "password": acme_admin.password}
    assert api().post("/api/auth/login", login, format="json").status_code == 200


def test_a_subscription_ends_at_its_moment(api: ApiClients, acme_admin: Person) -> None:
    change_company(acme_admin.company, subscription_expires_at=timezone.now() + timedelta(hours=1))

    assert api(acme_admin).get("/api/whatsapp/sessions").status_code == 200


def test_what_asks_for_a_caller_and_says_nothing_needs_a_subscription(acme_admin: Person) -> None:
    change_company(acme_admin.company, subscription_status="expired")

    with pytest.raises(SubscriptionExpired):
        find_caller(user_id=acme_admin.user.pk, company_id=acme_admin.company.pk)


def test_pages_say_that_it_is_over(acme_admin: Person) -> None:
    change_company(acme_admin.company, subscription_status="expired")
    client = Client(headers={"accept-language": "ru"})
    client.force_login(acme_admin.user)

    page = client.get("/")

    assert page.status_code == 403
    assert "Подписка компании истекла" in page.content.decode()


@pytest.mark.django_db(transaction=True)
async def test_a_live_connection_ends_when_it_is_over(acme_admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RECHECK_SECONDS", 0.05)
    socket = Socket(application, "/ws/whatsapp/")
    assert await socket.connect() is None
    await socket.send({"type": "auth", "token": await sync_to_async(lambda: acme_admin.token)()})
    assert (await socket.receive())["type"] == "snapshot"

    await sync_to_async(change_company)(acme_admin.company, subscription_status="expired")

    assert (await socket.receive())["code"] == "subscription_expired"
    assert await socket.closed() == 4403


@pytest.mark.parametrize("address", ["/api/auth/me", "/api/company/info", "/api/managers"])
def test_an_inactive_company_is_closed_altogether(api: ApiClients, acme_admin: Person, address: str) -> None:
    suspend_company(acme_admin.company)

    answer = api(acme_admin, language="").get(address)

    assert (answer.status_code, answer.json()["message"]) == (401, "Компания неактивна")
