"""API keys as an admin sees them: made for something, shown once, taken back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session as LogIn
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey
from tenants.models import Company
from tests.accounts.test_api_keys import with_key
from tests.pages.conftest import at_browser
from tests.people import Person, make_person
from tests.whatsapp.test_key_scopes import key_of

pytestmark = pytest.mark.django_db

ASKED = {"name": "Booking system", "scopes": ["read", "send"], "days": "30"}


def content(response: Any) -> str:
    return str(response.content.decode())


def secret_on(page: Any) -> str:
    found = re.search(r'value="(whk_[\w-]+)"', content(page))
    return found[1] if found else ""


def make(client: Client, **more: Any) -> str:
    """The address of the page that shows the key."""
    return str(client.post("/keys/new", {**ASKED, **more})["Location"])


def test_a_key_is_shown_once_and_works(acme_admin: Person) -> None:
    client = at_browser(acme_admin)

    address = make(client)
    first, again = client.get(address), client.get(address)

    key = secret_on(first)
    assert with_key(key).get("/api/whatsapp/sessions").status_code == 200
    assert (secret_on(again), key in content(again)) == ("", False)
    assert key not in address
    assert "Booking system" in content(again)
    assert first["Cache-Control"] == "no-store"


def test_the_key_stands_nowhere_in_clear(acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    address = make(client)
    kept = str([row.get_decoded() for row in LogIn.objects.all()])

    key = secret_on(client.get(address))

    assert "secret_on_show" in kept
    assert key[4:] not in kept
    assert key[4:].encode().hex() not in kept
    assert "secret_on_show" not in str([row.get_decoded() for row in LogIn.objects.all()])
    assert key not in str(ApiKey.objects.values().get())


def test_looking_at_another_key_does_not_use_up_the_new_one(acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    first, second = make(client, name="First"), make(client, name="Second")

    assert secret_on(client.get(first)) == ""
    client.head(second)
    assert secret_on(client.get(second)).startswith("whk_")


def test_another_admin_is_not_shown_it(acme: Company, acme_admin: Person) -> None:
    address = make(at_browser(acme_admin))

    assert secret_on(at_browser(make_person(acme)).get(address)) == ""


@pytest.mark.parametrize(
    ("days", "lasts"),
    [("30", 30), ("90", 90), ("365", 365), ("", None), ("99999", 30), ("x", 30)],
)
def test_a_key_lasts_as_long_as_was_chosen(acme_admin: Person, days: str, lasts: int | None) -> None:
    make(at_browser(acme_admin), days=days)

    expires_at = ApiKey.objects.get().expires_at
    if lasts is None:
        assert expires_at is None
    else:
        assert expires_at is not None
        assert abs(expires_at - timezone.now() - timedelta(days=lasts)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"name": "  "}, "Give the key a name"),
        ({"scopes": []}, "Choose at least one"),
        ({"scopes": "all"}, "at least one"),
    ],
)
def test_what_is_missing_is_said_and_what_was_typed_stays(
    acme_admin: Person, wrong: dict[str, Any], reason: str
) -> None:
    response = at_browser(acme_admin).post("/keys/new", {**ASKED, "days": "365", **wrong})

    assert response.status_code == 400
    assert reason in content(response)
    assert '<option value="365" selected' in content(response)
    assert not ApiKey.objects.exists()


def test_the_list_tells_all_that_is_known_of_a_key(acme_admin: Person) -> None:
    key = key_of(acme_admin, "read", "manage", expires_at=timezone.now() + timedelta(days=1))

    seen = content(at_browser(acme_admin).get("/keys"))

    assert "Reading, Managing" in seen
    assert f"{key[:10]}…" in seen
    assert key not in seen
    assert "Admin Acme" in seen
    assert "never" in seen


def test_an_expired_key_is_marked(acme_admin: Person) -> None:
    key_of(acme_admin)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(days=1))

    assert "Expired" in content(at_browser(acme_admin).get("/keys"))


def test_without_keys_the_page_says_what_they_are_for(acme_admin: Person) -> None:
    assert "A key lets a program of yours use your numbers" in content(at_browser(acme_admin).get("/keys"))


def test_taking_a_key_back_asks_first_and_counts_at_once(acme_admin: Person) -> None:
    client, key = at_browser(acme_admin), key_of(acme_admin)
    address = f"/keys/{ApiKey.objects.get().pk}"
    assert "Take this key back?" in content(client.get(f"{address}/revoke"))
    assert with_key(key).get("/api/whatsapp/sessions").status_code == 200

    assert client.post(f"{address}/revoke")["Location"] == "/keys"

    assert with_key(key).get("/api/whatsapp/sessions").status_code == 401
    assert client.get(address).status_code == client.post(f"{address}/revoke").status_code == 404


def test_a_managers_menu_has_no_keys(acme_admin: Person, acme_manager: Person) -> None:
    assert 'href="/keys"' in content(at_browser(acme_admin).get("/"))
    assert 'href="/keys"' not in content(at_browser(acme_manager).get("/"))
