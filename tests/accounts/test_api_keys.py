"""A program's key: shown once, acts as its maker, ends with them or when it is taken back."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, Role
from tenants.companies import change_company, suspend_company
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person, make_person

pytestmark = pytest.mark.django_db

KEYS = "/api/company/api-keys"
SESSIONS = "/api/whatsapp/sessions"


def make_key(api: ApiClients, person: Person) -> tuple[str, str]:
    """(its id, the key)"""
    data = api(person).post(KEYS, {"name": "Booking system"}, format="json").json()["data"]
    return data["id"], data["key"]


def with_key(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=key)
    return client


def test_a_key_is_shown_once_and_opens_the_api_of_its_company(acme_admin: Person, api: ApiClients) -> None:
    _, key = make_key(api, acme_admin)

    made = with_key(key).post(SESSIONS)
    (listed,) = api(acme_admin).get(KEYS).json()["data"]

    assert (made.status_code, key.startswith("whk_")) == (200, True)
    assert set(listed) == {"id", "name", "start", "scopes", "expiresAt", "createdAt", "createdBy", "lastUsedAt"}
    assert (listed["createdBy"], key.startswith(listed["start"])) == (acme_admin.user.pk, True)
    assert listed["lastUsedAt"] is not None
    assert key not in str(ApiKey.objects.values().get())


def test_a_key_that_was_taken_back_opens_nothing(acme_admin: Person, api: ApiClients) -> None:
    key_id, key = make_key(api, acme_admin)

    assert api(acme_admin).delete(f"{KEYS}/{key_id}").status_code == 200

    assert with_key(key).get(SESSIONS).status_code == 401
    assert api(acme_admin).delete(f"{KEYS}/{key_id}").status_code == 404
    assert api(acme_admin).get(KEYS).json()["data"] == []


def test_a_key_ends_with_its_makers_membership(acme: Company, api: ApiClients) -> None:
    admin = make_person(acme, Role.ADMIN)
    _, key = make_key(api, admin)

    admin.user.memberships.filter(company=acme).delete()

    assert with_key(key).get(SESSIONS).status_code == 401


@pytest.mark.parametrize("key", ["whk_", "whk_" + "x" * 43, "nonsense", "Bearer whk_"])
def test_what_is_no_key_opens_nothing(acme: Company, key: str) -> None:
    answer = with_key(key).get(SESSIONS)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_company_that_is_closed_is_closed_to_its_keys(acme: Company, acme_admin: Person, api: ApiClients) -> None:
    _, key = make_key(api, acme_admin)

    change_company(acme, subscription_expires_at=timezone.now() - timedelta(days=1))
    assert with_key(key).get(SESSIONS).json()["code"] == "subscription_expired"
    suspend_company(acme)
    assert with_key(key).get(SESSIONS).status_code == 401


def test_keys_are_the_admins_business(acme_manager: Person, acme_admin: Person, api: ApiClients) -> None:
    key_id, _ = make_key(api, acme_admin)

    answers: list[Any] = [
        api(acme_manager).get(KEYS),
        api(acme_manager).post(KEYS, {"name": "Mine"}, format="json"),
        api(acme_manager).delete(f"{KEYS}/{key_id}"),
    ]

    assert {answer.status_code for answer in answers} == {403}


def test_a_company_is_called_by_the_id_that_it_had_elsewhere(
    acme: Company, acme_admin: Person, api: ApiClients
) -> None:
    _, key = make_key(api, acme_admin)
    Company.objects.filter(pk=acme.pk).update(external_id="962302")

    for reference in ("962302", "company_962302"):
        answer = with_key(key).get(f"{SESSIONS}/{reference}/status")
        assert (answer.status_code, answer.json()["companyId"]) == (200, reference)
    assert with_key(key).get(f"{SESSIONS}/962303/status").status_code == 404
