"""Codes that reset a password, and passwords that are changed: proven, once, and told to their owner."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import EmailCode, User
from accounts.permissions import SYSTEM
from accounts.services import codes
from accounts.services.people import change_person
from tests.accounts.mailbox import code_for, deliver
from tests.accounts.races import in_its_own_connection, wait_for_a_lock
from tests.conftest import ApiClients
from tests.people import Person, client_for

pytestmark = pytest.mark.django_db

NEW = "lighthouse-at-noon"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.99"


def ask(action: str, *, language: str = "", address: str = HERE, agent: str = "Browser/1", **body: Any) -> Any:
    return client_for(language=language).post(
        f"/api/auth/{action}", body, format="json", REMOTE_ADDR=address, headers={"user-agent": agent}
    )


def send(person: Person, **more: Any) -> Any:
    return ask("send-code", email=person.user.email, mode="reset", **more)


def code_of(person: Person) -> str:
    assert send(person).status_code == 200
    return code_for(person.user.email)


def verify(person: Person, code: str, **more: Any) -> Any:
    return ask("verify-email", email=person.user.email, mode="reset", code=code, **more)


def reset(person: Person, **more: Any) -> Any:
    return ask("reset-password", **{"email": person.user.email, "newPassword": NEW, **more})


def wrong(code: str, by: int = 1) -> str:
    return f"{(int(code) + by) % 1_000_000:06d}"


def has(person: Person, password: str) -> bool:
    return User.objects.get(pk=person.user.pk).check_password(password)


TEXTS = {
    "ru": ("Код подтвержден", "Пароль успешно изменен"),
    "en": ("The code has been confirmed", "The password has been changed"),
}


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("role", ["acme_admin", "acme_manager"])
def test_a_forgotten_password_is_reset_as_the_older_clients_do_it(
    request: pytest.FixtureRequest, language: str, role: str
) -> None:
    person: Person = request.getfixturevalue(role)
    token = person.token
    confirmed, changed = TEXTS[language]

    answer = verify(person, code_of(person), language=language)
    assert (answer.status_code, answer.json()["message"]) == (200, confirmed)
    assert set(answer.json()) == {"message", "resetToken"}
    answer = reset(person, language=language)
    assert (answer.status_code, answer.json()) == (200, {"message": changed})

    assert has(person, NEW)
    assert client_for().get("/api/auth/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    (letter,) = deliver()
    assert letter.to == [person.user.email]
    assert NEW not in str(letter.body)


NOT_PROVEN = {
    "success": False,
    "code": "reset_not_proven",
    "message": "Сначала подтвердите код сброса пароля",
}


def test_without_a_code_nobody_sets_anybodys_password(acme_admin: Person) -> None:
    answers = [reset(acme_admin), reset(acme_admin, resetToken="0" * 64), reset(acme_admin, email="nobody@acme.test")]
    code_of(acme_admin)
    answers += [reset(acme_admin)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(400, NOT_PROVEN)] * 4
    assert has(acme_admin, acme_admin.password)


def test_a_proof_is_good_once(acme_admin: Person) -> None:
    token = verify(acme_admin, code_of(acme_admin)).json()["resetToken"]

    assert reset(acme_admin).status_code == 200
    assert [reset(acme_admin, newPassword="another-one-9", resetToken=t).status_code for t in ("", token)] == [400, 400]
    assert has(acme_admin, NEW)


@pytest.mark.parametrize("where", [{"address": ELSEWHERE}, {"agent": "Curl/8"}])
def test_who_did_not_prove_it_cannot_use_the_proof(acme_admin: Person, where: dict[str, str]) -> None:
    verify(acme_admin, code_of(acme_admin))

    assert reset(acme_admin, **where).json() == NOT_PROVEN
    assert reset(acme_admin).status_code == 200


def test_who_holds_the_token_may_come_from_anywhere(acme_admin: Person) -> None:
    token = verify(acme_admin, code_of(acme_admin)).json()["resetToken"]

    assert reset(acme_admin, address=ELSEWHERE, resetToken="f" * 64).json() == NOT_PROVEN
    assert reset(acme_admin, resetToken="f" * 64).json() == NOT_PROVEN
    assert reset(acme_admin, address=ELSEWHERE, resetToken=token).status_code == 200


def test_a_proof_of_one_address_is_nothing_for_another(acme_admin: Person, acme_manager: Person) -> None:
    token = verify(acme_admin, code_of(acme_admin)).json()["resetToken"]

    assert reset(acme_manager).json() == reset(acme_manager, resetToken=token).json() == NOT_PROVEN


def test_a_proof_does_not_wait_for_ever(acme_admin: Person) -> None:
    verify(acme_admin, code_of(acme_admin))
    EmailCode.objects.update(proven_at=timezone.now() - codes.PROOF_LIFETIME)

    assert reset(acme_admin).json() == NOT_PROVEN


@pytest.mark.parametrize(("password", "code"), [("12345", "password_short"), ("qwerty", "password_weak")])
def test_a_password_that_will_not_do_costs_no_proof(acme_admin: Person, password: str, code: str) -> None:
    verify(acme_admin, code_of(acme_admin))

    assert reset(acme_admin, newPassword=password).json()["code"] == code
    assert reset(acme_admin).status_code == 200


def test_an_inactive_person_gets_no_code(acme_manager: Person) -> None:
    change_person(user=acme_manager.user, by=SYSTEM, is_active=False)

    assert send(acme_manager).status_code == 200
    assert deliver() == []


# -- codes -----------------------------------------------------------------------------------------------------------
WRONG = {"success": False, "code": "wrong_code", "message": "Неверный код"}


def test_a_code_is_good_once(acme_admin: Person) -> None:
    code = code_of(acme_admin)

    assert [verify(acme_admin, code).status_code for _ in range(2)] == [200, 400]


def test_a_code_does_not_wait_for_ever(acme_admin: Person) -> None:
    code = code_of(acme_admin)
    EmailCode.objects.update(created_at=timezone.now() - codes.LIFETIME)

    assert verify(acme_admin, code).json() == WRONG


def test_five_wrong_guesses_end_a_code(acme_admin: Person) -> None:
    code = code_of(acme_admin)
    for n in range(1, codes.MOST_GUESSES + 1):
        assert verify(acme_admin, wrong(code, n)).json() == WRONG

    assert verify(acme_admin, code).json() == WRONG


def test_four_wrong_guesses_do_not(acme_admin: Person) -> None:
    code = code_of(acme_admin)
    for n in range(1, codes.MOST_GUESSES):
        verify(acme_admin, wrong(code, n))

    assert verify(acme_admin, code).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_guesses_at_once_are_counted_one_after_the_other(acme_admin: Person) -> None:
    code = code_of(acme_admin)
    for n in range(1, codes.MOST_GUESSES):
        verify(acme_admin, wrong(code, n))

    with ThreadPoolExecutor(1) as elsewhere:
        with transaction.atomic():
            verify(acme_admin, wrong(code, codes.MOST_GUESSES), address=ELSEWHERE)
            second = elsewhere.submit(in_its_own_connection, verify, acme_admin, code)
            wait_for_a_lock()
        assert second.result().json() == WRONG


def test_an_unknown_address_is_answered_like_a_wrong_code(acme_admin: Person) -> None:
    assert ask("send-code", email="nobody@acme.test", mode="reset").json() == send(acme_admin).json()
    answers = [
        ask("verify-email", email=email, mode="reset", code="1").json()
        for email in ("nobody@acme.test", acme_admin.user.email)
    ]

    assert answers == [WRONG, WRONG]


def test_a_code_is_for_what_it_was_asked_for(acme_admin: Person) -> None:
    code = code_of(acme_admin)

    answer = ask("verify-email", email=acme_admin.user.email, mode="register", code=code)

    assert answer.json() == WRONG
    assert verify(acme_admin, code).status_code == 200


def test_an_older_code_still_works_when_another_was_asked_for(acme_admin: Person) -> None:
    """Or anybody could spoil somebody's reset by asking in their name."""
    code = code_of(acme_admin)
    send(acme_admin, address=ELSEWHERE)

    assert verify(acme_admin, code).status_code == 200


def test_codes_to_one_address_have_their_measure(acme_admin: Person) -> None:
    statuses = [send(acme_admin).status_code for _ in range(6)]
    answer = send(acme_admin)

    assert statuses == [200] * 5 + [429]
    assert (answer.json()["code"], int(answer["Retry-After"]) > 0) == ("too_many_requests", True)
    assert len(deliver()) == 5


def test_codes_to_one_address_have_their_measure_wherever_they_are_asked_for(acme_admin: Person) -> None:
    statuses = [send(acme_admin, address=f"198.51.100.{n}").status_code for n in range(21)]

    assert statuses == [200] * 20 + [429]


def test_an_unknown_address_has_the_same_measure() -> None:
    statuses = [ask("send-code", email="nobody@acme.test", mode="reset").status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]


def test_a_code_that_expired_while_the_mail_server_was_away_is_not_sent(acme_admin: Person) -> None:
    send(acme_admin)
    EmailCode.objects.update(created_at=timezone.now() - codes.LIFETIME - timedelta(seconds=1))

    assert deliver() == []


def test_the_code_stands_nowhere_in_the_database(acme_admin: Person) -> None:
    code = code_of(acme_admin)

    assert code not in [str(value) for value in EmailCode.objects.values_list()[0]]
    assert codes.digits(EmailCode(pk="one")) != codes.digits(EmailCode(pk="another"))


# -- changing --------------------------------------------------------------------------------------------------------
def change(api: ApiClients, person: Person, **body: str) -> Any:
    return api(person, language="").put("/api/auth/change-password", body, format="json")


@pytest.mark.parametrize("role", ["acme_admin", "acme_manager"])
def test_who_knows_the_password_changes_it(request: pytest.FixtureRequest, api: ApiClients, role: str) -> None:
    person: Person = request.getfixturevalue(role)
    before = api(person)

    answer = change(api, person, currentPassword=person.password, newPassword=NEW)

    assert (answer.status_code, answer.json()["message"]) == (200, "Пароль успешно изменен")
    assert set(answer.json()) == {"message", "token"}
    assert before.get("/api/auth/me").status_code == 401
    after = {"authorization": f"Bearer {answer.json()['token']}"}
    assert client_for().get("/api/auth/me", headers=after).status_code == 200
    assert [letter.to for letter in deliver()] == [[person.user.email]]


@pytest.mark.parametrize(
    "body", [{}, {"currentPassword": "x"}, {"newPassword": NEW}, {"currentPassword": "", "newPassword": ""}]
)
def test_both_passwords_are_needed(api: ApiClients, acme_admin: Person, body: dict[str, str]) -> None:
    answer = change(api, acme_admin, **body)

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "success": False,
            "code": "passwords_missing",
            "message": "Текущий пароль и новый пароль обязательны",
            "required_fields": ["currentPassword", "newPassword"],
        },
    )


@pytest.mark.parametrize(
    ("current", "new", "message"),
    [
        ("wrong", NEW, "Неверный текущий пароль"),
        (None, "12345", "Новый пароль должен содержать минимум 6 символов"),
    ],
)
def test_what_is_wrong_is_said(
    api: ApiClients, acme_admin: Person, current: str | None, new: str, message: str
) -> None:
    answer = change(api, acme_admin, currentPassword=current or acme_admin.password, newPassword=new)

    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert has(acme_admin, acme_admin.password)
    assert deliver() == []


def test_six_characters_will_do(api: ApiClients, acme_admin: Person) -> None:
    assert change(api, acme_admin, currentPassword=acme_admin.password, newPassword="p7!xqz").status_code == 200


def test_who_has_only_the_token_guesses_slowly(api: ApiClients, acme_admin: Person) -> None:
    statuses = [change(api, acme_admin, currentPassword="guess", newPassword=NEW).status_code for _ in range(11)]

    assert statuses == [400] * 10 + [429]
    assert change(api, acme_admin, currentPassword=acme_admin.password, newPassword=NEW).status_code == 429
