"""POST /api/auth/login: one answer for every wrong guess, the older systems' texts, and slow guessing."""

from datetime import timedelta
from typing import Any

import bcrypt
import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts import throttle
from accounts.hashers import ImportedBcrypt, imported
from accounts.models import LoginAttempts, Registration, Role, User
from accounts.permissions import SYSTEM
from accounts.services.people import create_member
from tenants.companies import suspend_company
from tenants.domains import save_domain
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import PASSWORD, Person, make_person
from wharf.errors import Invalid


def log_in(client: APIClient, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/api/auth/login", {"email": email, "password": password, **more}, format="json")


def claims(response: Any) -> dict[str, Any]:
    return dict(AccessToken(response.json()["token"]).payload)


def test_an_admin_gets_a_token_that_names_user_and_company(api: ApiClients, acme_admin: Person) -> None:
    response = log_in(api(), "admin@acme.test")

    assert (response.status_code, list(response.json())) == (200, ["token"])
    token = claims(response)
    assert (token["userId"], token["userType"]) == (acme_admin.user.pk, "user")
    assert token["company"] == acme_admin.company.pk
    assert token["exp"] - token["iat"] == 24 * 60 * 60


def test_a_manager_logs_in_at_the_same_place(api: ApiClients, acme_manager: Person) -> None:
    assert claims(log_in(api(), "manager@acme.test"))["userType"] == "manager"


def test_the_case_of_an_email_does_not_matter(api: ApiClients, acme_admin: Person) -> None:
    assert log_in(api(), "  Admin@ACME.test ").status_code == 200


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("admin@acme.test", "wrong"),
        ("admin@acme.test", PASSWORD + " "),
        ("nobody@acme.test", PASSWORD),
        ("not an e-mail", "x"),
    ],
)
def test_every_wrong_guess_gets_the_same_answer(api: ApiClients, acme_admin: Person, email: str, password: str) -> None:
    response = log_in(api(language=""), email, password)

    assert response.status_code == 401
    assert response.json() == {
        "success": False,
        "code": "wrong_credentials",
        "message": "Неверный email или пароль",
    }


@pytest.fixture
def two_kinds_of_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "accounts.hashers.ImportedBcrypt",
    ]


def bcrypt_of_node(password: str, prefix: bytes = b"2b") -> str:
    """What the older system's database holds."""
    made = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4, prefix=b"2a" if prefix == b"2a" else b"2b"))
    return made.decode().replace("$2b$", f"${prefix.decode()}$", 1)


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
@pytest.mark.parametrize("password", ["секрет-гавани", "long " * 30])
def test_a_hash_of_an_older_system_logs_in_and_is_made_anew(
    api: ApiClients, acme_admin: Person, two_kinds_of_hashes: None, prefix: bytes, password: str
) -> None:
    User.objects.filter(pk=acme_admin.user.pk).update(password=imported(bcrypt_of_node(password, prefix)))

    assert log_in(api(), "admin@acme.test", password[:-1] + "?" if len(password) < 70 else "x").status_code == 401
    answer = log_in(api(), "admin@acme.test", password)

    assert answer.status_code == 200
    assert User.objects.get(pk=acme_admin.user.pk).password.startswith("md5$")
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['token']}")
    assert client.get("/api/auth/me").status_code == 200
    assert log_in(api(), "admin@acme.test", password).status_code == 200


@pytest.mark.parametrize("wrong", ["", "secret", "$2b$10$short", "$1$abc$def", "$2b$10$" + "я" * 53])
def test_what_is_no_bcrypt_hash_is_not_imported(wrong: str) -> None:
    with pytest.raises(Invalid):
        imported(wrong)


@pytest.mark.parametrize(
    "who", ["nobody", "hashed here", "hashed elsewhere", "nobody, registered", "known, registered"]
)
def test_a_wrong_guess_costs_one_check_of_every_kind_whoever_it_is(
    api: ApiClients, acme_admin: Person, two_kinds_of_hashes: None, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    email = acme_admin.user.email
    if who == "hashed elsewhere":
        User.objects.filter(pk=acme_admin.user.pk).update(password=imported(bcrypt_of_node("secret")))
    if who.startswith("nobody"):
        email = "nobody@acme.test"
    if who.endswith("registered"):
        Registration.objects.create(email=email, company_name="X", password=make_password("secret"), client="")
    spent: list[str] = []
    for hasher in (MD5PasswordHasher, ImportedBcrypt):
        counted(monkeypatch, hasher, spent)

    assert log_in(api(), email, "guess").status_code == 401
    assert sorted(spent) == ["bcrypt", "md5", *(["md5"] if "registered" in who else [])]


def counted(monkeypatch: pytest.MonkeyPatch, hasher: Any, spent: list[str]) -> None:
    encode = hasher.encode

    def and_count(self: Any, password: str, salt: Any) -> str:
        spent.append(self.algorithm)
        return str(encode(self, password, salt))

    monkeypatch.setattr(hasher, "encode", and_count)


def test_an_inactive_person_is_told_so_only_with_the_right_password(api: ApiClients, acme_admin: Person) -> None:
    User.objects.filter(pk=acme_admin.user.pk).update(is_active=False)

    right, wrong = log_in(api(language=""), "admin@acme.test"), log_in(api(), "admin@acme.test", "wrong")

    assert (right.status_code, right.json()["message"]) == (403, "Аккаунт деактивирован")
    assert wrong.status_code == 401


def test_people_of_a_suspended_company_are_refused(api: ApiClients, acme_admin: Person) -> None:
    suspend_company(acme_admin.company)

    response = log_in(api(language=""), "admin@acme.test")

    assert (response.status_code, response.json()["message"]) == (401, "Компания неактивна")


def test_a_person_of_two_companies_names_one_by_slug_or_id(
    api: ApiClients, acme_admin: Person, globex: Company
) -> None:
    create_member(company=globex, email=acme_admin.user.email, role=Role.MANAGER, by=SYSTEM)

    by_slug = claims(log_in(api(), acme_admin.user.email, company="globex"))
    by_id = claims(log_in(api(), acme_admin.user.email, company=globex.pk))
    unnamed = claims(log_in(api(), acme_admin.user.email))

    assert (by_slug["company"], by_slug["userType"]) == (globex.pk, "manager")
    assert (by_id["company"], by_id["userType"]) == (globex.pk, "manager")
    assert (unnamed["company"], unnamed["userType"]) == (acme_admin.company.pk, "user")


def test_without_a_name_an_active_company_is_preferred(api: ApiClients, acme_admin: Person, globex: Company) -> None:
    create_member(company=globex, email=acme_admin.user.email, role=Role.MANAGER, by=SYSTEM)
    suspend_company(acme_admin.company)

    assert claims(log_in(api(), acme_admin.user.email))["company"] == globex.pk


@pytest.mark.parametrize("company", ["globex", "no-such-company"])
def test_a_company_one_has_no_part_in_is_as_good_as_none(
    api: ApiClients, acme_admin: Person, globex: Company, company: str
) -> None:
    response = log_in(api(), "admin@acme.test", company=company)

    assert (response.status_code, response.json()["code"]) == (401, "wrong_credentials")


def test_an_operator_has_to_name_the_company(api: ApiClients, operator: Person) -> None:
    unnamed = log_in(api(), operator.user.email)
    named = log_in(api(), operator.user.email, company="acme")

    assert (unnamed.status_code, unnamed.json()["code"]) == (400, "company_not_named")
    assert claims(named)["company"] == operator.company.pk


def test_on_a_companys_own_host_its_people_need_not_name_it(
    api: ApiClients, acme_admin: Person, globex: Company
) -> None:
    create_member(company=globex, email=acme_admin.user.email, role=Role.MANAGER, by=SYSTEM)
    save_domain(company=globex, name="chat.globex.test")

    response = api().post(
        "/api/auth/login",
        {"email": acme_admin.user.email, "password": PASSWORD},
        format="json",
        headers={"host": "chat.globex.test"},
    )

    assert claims(response)["company"] == globex.pk


def test_on_another_companys_host_nobody_gets_in(api: ApiClients, acme_admin: Person, globex: Company) -> None:
    save_domain(company=globex, name="chat.globex.test")
    ask: dict[str, Any] = {"email": "admin@acme.test", "password": PASSWORD}

    for body in (ask, ask | {"company": "acme"}):
        response = api().post("/api/auth/login", body, format="json", headers={"host": "chat.globex.test"})
        assert (response.status_code, response.json()["code"]) == (401, "wrong_credentials")


def test_guessing_is_stopped_even_with_the_right_password(api: ApiClients, acme_admin: Person) -> None:
    for _ in range(throttle.PER_EMAIL_AND_ADDRESS):
        assert log_in(api(), "admin@acme.test", "wrong").status_code == 401

    response = log_in(api(), "admin@acme.test")

    assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(response["Retry-After"]) <= throttle.WINDOW.total_seconds()


def test_an_unknown_email_is_stopped_just_the_same(api: ApiClients, acme: Company) -> None:
    statuses = [log_in(api(), "nobody@acme.test", "x").status_code for _ in range(throttle.PER_EMAIL_AND_ADDRESS + 1)]

    assert statuses == [401] * throttle.PER_EMAIL_AND_ADDRESS + [429]


def test_guessing_from_one_address_stops_nobody_elsewhere(api: ApiClients, acme_admin: Person) -> None:
    for _ in range(throttle.PER_EMAIL_AND_ADDRESS + 1):
        log_in(api(), "admin@acme.test", "wrong")

    elsewhere = api()
    elsewhere.defaults["REMOTE_ADDR"] = "192.0.2.7"
    assert log_in(elsewhere, "admin@acme.test").status_code == 200


def test_a_right_password_forgets_the_wrong_ones(api: ApiClients, acme_admin: Person) -> None:
    for _ in range(2):
        for _ in range(throttle.PER_EMAIL_AND_ADDRESS - 1):
            assert log_in(api(), "admin@acme.test", "wrong").status_code == 401
        assert log_in(api(), "admin@acme.test").status_code == 200


def test_one_address_cannot_try_all_emails(
    api: ApiClients, acme_admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "PER_ADDRESS", 5)
    for number in range(5):
        log_in(api(), f"guess{number}@acme.test", "wrong")

    assert log_in(api(), "admin@acme.test").status_code == 429


def test_after_the_window_one_may_try_again(api: ApiClients, acme_admin: Person) -> None:
    for _ in range(throttle.PER_EMAIL_AND_ADDRESS + 1):
        log_in(api(), "admin@acme.test", "wrong")

    LoginAttempts.objects.update(since=timezone.now() - throttle.WINDOW - timedelta(seconds=1))

    assert log_in(api(), "admin@acme.test").status_code == 200


@pytest.mark.parametrize("missing", ["email", "password"])
def test_a_missing_field_is_named(api: ApiClients, acme: Company, missing: str) -> None:
    body = {"email": "a@b.test", "password": "x"}
    del body[missing]

    response = api().post("/api/auth/login", body, format="json")

    assert response.status_code == 400
    assert response.json() == {
        "success": False,
        "code": "invalid",
        "message": f"Check what you sent: {missing}",
        "fields": {missing: ["This field is required."]},
    }


def test_people_with_one_email_in_two_companies_are_one_person(acme_admin: Person, globex: Company) -> None:
    other = make_person(globex, Role.MANAGER, email=acme_admin.user.email.upper())

    assert other.user == acme_admin.user
