"""POST /api/auth/register, send-code, verify-email: a company and its admin, made once the address is proven."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import EmailCode, Membership, Registration, User
from accounts.services import codes
from accounts.tasks import forget_codes_and_registrations
from tenants.context import run_in
from tenants.models import Company
from tests.accounts.mailbox import code_for, deliver, queued
from tests.accounts.races import in_its_own_connection, wait_for_a_lock
from tests.conftest import ApiClients
from tests.people import PASSWORD, Person, client_for

pytestmark = pytest.mark.django_db

FORM = {
    "email": "ivan@romashka.test",
    "firstName": "Иван",
    "lastName": "Петров",
    "companyName": "Ромашка",
    "password": PASSWORD,
}
EMAIL = FORM["email"]
TEXTS = {
    "ru": ("Регистрация успешна", "Код отправлен на email", "Email успешно подтвержден"),
    "en": (
        "The registration has been received",
        "The code has been sent by e-mail",
        "The e-mail has been verified",
    ),
}


def ask(action: str, *, language: str = "", address: str = "127.0.0.1", **body: Any) -> Any:
    return client_for(language=language).post(
        f"/api/auth/{action}", body, format="json", REMOTE_ADDR=address, headers={"user-agent": "test"}
    )


def send(**more: Any) -> Any:
    return ask("send-code", **{"email": EMAIL, "mode": "register", **more})


def verify(code: str, **more: Any) -> Any:
    return ask("verify-email", **{"email": EMAIL, "mode": "register", "code": code, **more})


def log_in(email: str = EMAIL, password: str = PASSWORD) -> Any:
    return ask("login", email=email, password=password)


@pytest.mark.parametrize("language", TEXTS)
def test_a_company_and_its_admin_are_made_by_the_code_from_the_mail(language: str) -> None:
    registered, sent, verified = TEXTS[language]

    answer = ask("register", language=language, **FORM)
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": registered, "email": EMAIL, "company": "Ромашка"},
    )
    answer = send(language=language)
    assert (answer.status_code, answer.json()) == (200, {"message": sent})
    answer = verify(code_for(EMAIL), language=language)
    assert (answer.status_code, answer.json()) == (200, {"message": verified})

    membership = Membership.objects.get(user__email=EMAIL)
    company = membership.company
    assert (membership.role, membership.user.full_name) == ("admin", "Иван Петров")
    assert (company.name, company.slug, company.timezone, company.currency, company.language) == (
        *("Ромашка", "romashka"),
        *("UTC", "USD", "ru"),
    )
    token = log_in().json()["token"]
    client = client_for()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/api/auth/me").json()["company"]["slug"] == "romashka"
    assert client.get("/api/whatsapp/sessions").json() == {"success": True, "data": []}
    assert run_in(company, connection.introspection.table_names)


def test_a_second_company_of_the_same_cyrillic_name_works_too() -> None:
    for number in range(2):
        ask("register", **FORM | {"email": f"{number}@romashka.test"})
        send(email=f"{number}@romashka.test")
        code = code_for(f"{number}@romashka.test")
        assert verify(code, email=f"{number}@romashka.test").status_code == 200

    assert list(Company.objects.filter(name="Ромашка").order_by("slug").values_list("slug", flat=True)) == [
        "romashka",
        "romashka-2",
    ]


def test_nothing_but_a_row_is_made_before_the_address_is_proven() -> None:
    before = Company.objects.count()
    ask("register", **FORM)
    send()

    assert (Company.objects.count(), User.objects.filter(email=EMAIL).exists()) == (before, False)
    assert Registration.objects.get().password.startswith("md5$")


def test_registering_alone_sends_nothing() -> None:
    ask("register", **FORM)

    assert deliver() == []


def test_who_has_not_proven_the_address_is_told_so_only_with_the_right_password() -> None:
    ask("register", **FORM)

    right, wrong = log_in(), log_in(password="wrong")

    assert (right.status_code, right.json()["message"]) == (401, "Email не подтвержден")
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Неверный email или пароль")


@pytest.mark.parametrize("name", ["email", "firstName", "companyName", "password"])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    answer = ask("register", **{key: value for key, value in FORM.items() if key != name})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [name])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "not an e-mail"}, "email_wrong"),
        ({"password": "12345"}, "password_short"),
        ({"password": "password"}, "password_weak"),
        ({"password": "ivan@romashka.test"}, "password_weak"),
        ({"companyName": "\t\t x\x07"}, "invalid"),
        ({"companyName": "x" * 121}, "company_name_wrong"),
    ],
)
def test_what_will_not_do_is_refused_and_kept_nowhere(change: dict[str, str], code: str) -> None:
    answer = ask("register", **FORM | change)

    assert (answer.status_code, answer.json()["code"]) in {(400, code), (400, "company_name_wrong")}
    assert not Registration.objects.exists()


def test_a_companys_name_is_no_link_in_a_mail_to_a_stranger() -> None:
    ask("register", **FORM | {"companyName": "Prize: https://evil.example/x me@evil.example"})
    send()
    (letter,) = deliver()

    assert "Prize https evil example x me evil example" in str(letter.body)


# -- nobody is told who has an account -------------------------------------------------------------------------------
def test_an_address_with_an_account_is_answered_alike_and_its_owner_is_told(acme_admin: Person) -> None:
    email = acme_admin.user.email
    taken = [ask("register", **FORM | {"email": email}), send(email=email), verify("000000", email=email)]
    letters = deliver()
    free = [ask("register", **FORM), send(), verify("000000")]

    def told(answers: list[Any]) -> list[Any]:
        return [(a.status_code, {k: v for k, v in a.json().items() if k != "email"}) for a in answers]

    assert told(taken) == told(free)
    assert [(letter.to, letter.subject) for letter in letters] == [([email], "У вас уже есть учётная запись")]
    assert "000000" not in str(letters[0].body)


def test_a_log_in_with_the_registrations_password_does_not_tell_who_has_an_account(acme_admin: Person) -> None:
    told = []
    for email in (acme_admin.user.email, "nobody@acme.test"):
        ask("register", **FORM | {"email": email, "password": "evil-harbour-9"})
        told.append([log_in(email, password).json() for password in ("evil-harbour-9", "wrong")])

    assert told[0] == told[1]
    assert told[0][0]["message"] == "Email не подтвержден"


def test_the_admins_log_in_knows_no_registrations() -> None:
    ask("register", **FORM)

    assert authenticate(username=EMAIL, password=PASSWORD) is None


def test_registering_is_no_way_to_go_on_guessing(acme_admin: Person) -> None:
    email = acme_admin.user.email
    ask("register", **FORM | {"email": email, "password": "evil-harbour-9"})
    for number in range(5):
        log_in(email, f"guess {number}")
        log_in(email, "evil-harbour-9")

    assert log_in(email, acme_admin.password).status_code == 429


def test_a_code_never_makes_a_second_company_for_an_address_with_an_account(acme_admin: Person) -> None:
    email = acme_admin.user.email
    ask("register", **FORM | {"email": email})
    send(email=email)

    # Nobody was told this code; somebody may still guess it.
    answer = verify(codes.digits(EmailCode.objects.get()), email=email)

    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_code")
    assert not Company.objects.filter(name="Ромашка").exists()
    assert User.objects.get(email=email).check_password(acme_admin.password)


@pytest.mark.parametrize("mode", ["register", "reset"])
def test_asking_does_the_same_whether_or_not_there_is_an_account(acme_admin: Person, mode: str) -> None:
    def statements(email: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            send(email=email, mode=mode)
        return [" ".join(query["sql"].split()[:1]) for query in queries]

    assert statements(acme_admin.user.email) == statements("nobody@acme.test")


def test_for_an_address_without_registration_nothing_is_sent() -> None:
    assert send().status_code == 200

    assert deliver() == []


# -- codes and whom they are for -------------------------------------------------------------------------------------
def test_a_strangers_registration_of_the_same_address_is_not_what_my_code_is_for() -> None:
    ask("register", **FORM)
    ask("register", address="192.0.2.66", **FORM | {"companyName": "Evil", "password": "evil-harbour-9"})
    send()

    verify(code_for(EMAIL))

    assert Membership.objects.get(user__email=EMAIL).company.name == "Ромашка"
    assert log_in(password="evil-harbour-9").status_code == 401
    assert not Registration.objects.exists()


def test_the_mail_says_what_the_code_is_for() -> None:
    ask("register", **FORM)
    send(language="en")
    (letter,) = deliver()

    assert letter.to == [EMAIL]
    assert "Ромашка" in str(letter.body)
    assert "15 minutes" in str(letter.body)
    assert PASSWORD not in str(letter.body)
    assert letter.extra_headers == {"Auto-Submitted": "auto-generated"}


@pytest.mark.parametrize(
    ("action", "message"),
    [("send-code", "Неверный режим отправки кода"), ("verify-email", "Неверный режим верификации")],
)
def test_an_unknown_mode_is_refused(action: str, message: str) -> None:
    answer = ask(action, email=EMAIL, mode="other", code="000000")

    assert (answer.status_code, answer.json()["message"]) == (400, message)


GUESTS = ["register", "send-code", "verify-email", "reset-password", "login"]


@pytest.mark.parametrize("action", GUESTS)
@pytest.mark.parametrize("header", ["Bearer abc", "anything"])
def test_what_is_for_guests_refuses_whoever_has_a_token(api: ApiClients, action: str, header: str) -> None:
    answer = api(language="").post(f"/api/auth/{action}", {}, format="json", headers={"authorization": header})

    assert (answer.status_code, answer.json()) == (
        400,
        {"success": False, "code": "already_logged_in", "message": "Вы уже авторизованы"},
    )


def test_what_nobody_can_use_any_more_is_forgotten() -> None:
    ask("register", **FORM)
    send()
    Registration.objects.update(created_at=timezone.now() - timedelta(days=8))
    ask("register", **FORM | {"email": "new@romashka.test"})
    send(email="new@romashka.test")

    forget_codes_and_registrations(timestamp=0)

    assert [row.email for row in Registration.objects.all()] == ["new@romashka.test"]
    assert [row.email for row in EmailCode.objects.all()] == ["new@romashka.test"]


def test_registering_has_its_measure() -> None:
    statuses = [ask("register", **FORM).status_code for _ in range(21)]

    assert statuses == [200] * 20 + [429]
    assert ask("register", address="192.0.2.7", **FORM).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_same_code_twice_at_once_makes_one_company() -> None:
    ask("register", **FORM)
    send()
    guess = code_for(EMAIL)

    with ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            assert verify(guess).status_code == 200
            second = elsewhere.submit(in_its_own_connection, verify, guess, address="192.0.2.7")
            wait_for_a_lock()
        assert second.result().json()["code"] == "wrong_code"

    assert Company.objects.filter(name="Ромашка").count() == Membership.objects.filter(user__email=EMAIL).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_company_that_cannot_be_made_now_costs_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    ask("register", **FORM)
    send()
    code = code_for(EMAIL)
    with monkeypatch.context() as patch:
        patch.setattr("tenants.provisioning.clone_script", lambda: "SELECT 1 / 0")
        assert verify(code).status_code >= 400

    assert not User.objects.filter(email=EMAIL).exists()
    assert verify(code).status_code == 200


def test_no_job_holds_a_code_or_an_address() -> None:
    ask("register", **FORM)
    send()
    (job,) = queued()

    assert job.args == {"code_id": EmailCode.objects.get().pk}
