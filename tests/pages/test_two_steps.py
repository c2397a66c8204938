"""The log-in in two steps: turned on with an app's code, asked for on every way in, and no code opens twice."""

import base64
import re
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth import authenticate
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.errors import NoSecondFactor, OperatorsOnly, SecondFactorIsOn, SecondFactorWrong
from accounts.models import SecondFactor
from accounts.services import people, second_factor
from audit.models import Entry
from tenants.context import run_in
from tests.pages.conftest import at_browser
from tests.people import PASSWORD, Person, client_for

pytestmark = pytest.mark.django_db

PAGE = "/account/two-steps"


class App:
    """An authenticator app that knows somebody's secret."""

    def __init__(self, person: Person) -> None:
        self.secret = base64.b32decode(second_factor.offer(person.user).secret.replace(" ", ""))

    def code(self, ahead: int = 0) -> str:
        """What it shows; `ahead` is how many steps its clock is."""
        at = int(time.time()) + 30 * ahead
        return TOTP(self.secret, 6, SHA1(), 30).generate(at).decode()  # noqa: S303


@pytest.fixture
def app(acme_admin: Person) -> App:
    return App(acme_admin)


@pytest.fixture
def recovery(acme_admin: Person, app: App) -> list[str]:
    """The recovery codes of acme's admin, who has turned it on with a code of half a minute ago."""
    return list(second_factor.turn_on(acme_admin.user, app.code(-1)))


def log_in(person: Person, **more: Any) -> Any:
    said = {"email": person.user.email, "password": PASSWORD, **more}
    return client_for().post("/api/auth/login", said, format="json")


def log_in_at_page(person: Person, client: Client, **more: Any) -> Any:
    return client.post("/login", {"email": person.user.email, "password": PASSWORD, **more})


def wrong(app: App) -> str:
    right = {app.code(step) for step in (-2, -1, 0, 1, 2)}
    return next(code for code in (f"{number:06d}" for number in range(10)) if code not in right)


# -- turning it on -----------------------------------------------------------------------------------------------------
def test_it_is_turned_on_by_a_code_of_the_app_and_the_recovery_codes_are_shown_once(acme_admin: Person) -> None:
    client = at_browser(acme_admin)
    assert "Turn on" in client.get(PAGE).content.decode()

    offered = client.post(PAGE, {"do": "begin"}).content.decode()
    app = App(acme_admin)
    shown = client.post(PAGE, {"do": "on", "code": app.code()}).content.decode()

    assert "<svg" in offered
    codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", shown)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert codes[0] not in client.get(PAGE).content.decode()


def test_a_wrong_code_turns_nothing_on_and_the_same_picture_is_there(acme_admin: Person, app: App) -> None:
    client = at_browser(acme_admin)

    answer = client.post(PAGE, {"do": "on", "code": wrong(app)})

    assert answer.status_code == 400
    assert "This code is wrong" in answer.content.decode()
    assert "<svg" in answer.content.decode()
    assert not second_factor.is_on(acme_admin.user)
    assert App(acme_admin).secret == app.secret


def test_neither_the_secret_nor_a_recovery_code_stands_in_the_database(
    acme_admin: Person, app: App, recovery: list[str]
) -> None:
    row = SecondFactor.objects.get()

    kept = bytes(row.sealed_secret) + str(row.recovery).encode()
    assert app.secret not in kept
    assert base64.b32encode(app.secret) not in kept
    assert not [code for code in recovery if code.encode() in kept or code.replace("-", "").encode() in kept]


def test_what_is_on_is_not_offered_again(acme_admin: Person, recovery: list[str]) -> None:
    with pytest.raises(SecondFactorIsOn):
        second_factor.offer(acme_admin.user)


def test_an_offer_alone_asks_nobody_for_anything(acme_admin: Person, app: App) -> None:
    assert log_in(acme_admin).status_code == 200


# -- over the API ------------------------------------------------------------------------------------------------------
def test_the_api_asks_for_the_code_only_after_a_right_password(
    acme_admin: Person, app: App, recovery: list[str]
) -> None:
    missing, guessed = log_in(acme_admin), log_in(acme_admin, password="wrong")
    refused, right = log_in(acme_admin, code=wrong(app)), log_in(acme_admin, code=app.code())

    assert (missing.status_code, missing.json()["code"]) == (401, "second_factor_missing")
    assert guessed.json()["code"] == "wrong_credentials"
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_wrong")
    assert (right.status_code, list(right.json())) == (200, ["token"])


def test_a_code_opens_once_and_so_does_none_before_it(acme_admin: Person, app: App, recovery: list[str]) -> None:
    now, next_one = app.code(), app.code(1)

    assert log_in(acme_admin, code=next_one).status_code == 200
    assert [log_in(acme_admin, code=code).status_code for code in (next_one, now)] == [401, 401]


@pytest.mark.parametrize("spelled", [str.upper, lambda code: code.replace("-", " ")], ids=["upper", "spaces"])
def test_a_recovery_code_opens_once_however_it_is_spelled(
    acme_admin: Person, recovery: list[str], spelled: Any
) -> None:
    assert [log_in(acme_admin, code=spelled(recovery[3])).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize("code", ["-", "12345", "1234567", "١٢٣٤٥٦", "x" * 32])
def test_nonsense_is_no_code(acme_admin: Person, recovery: list[str], code: str) -> None:
    assert log_in(acme_admin, code=code).json()["code"] == "second_factor_wrong"


def test_guessing_codes_is_slow(acme_admin: Person, app: App, recovery: list[str]) -> None:
    answers = [log_in(acme_admin, code=wrong(app)).status_code for _ in range(10)]

    # One has been counted when it was turned on.
    assert answers == [401] * 9 + [429]
    assert log_in(acme_admin, code=app.code()).status_code == 429


def test_programs_with_a_key_are_not_asked(acme_admin: Person, recovery: list[str]) -> None:
    made = client_for(acme_admin).post("/api/company/api-keys", {"name": "CRM"}, format="json").json()["data"]

    assert client_for().get("/api/auth/me", headers={"x-api-key": made["key"]}).status_code == 200


# -- at the page -------------------------------------------------------------------------------------------------------
def test_the_page_asks_in_a_second_step_and_nobody_is_logged_in_before(
    acme_admin: Person, app: App, recovery: list[str]
) -> None:
    client = at_browser()

    first = log_in_at_page(acme_admin, client, next="/audit")
    assert (first.status_code, first["Location"]) == (302, "/login/code?next=%2Faudit")
    assert client.get("/")["Location"].startswith("/login")
    refused = client.post(first["Location"], {"code": wrong(app)})
    assert "This code is wrong" in refused.content.decode()
    assert client.get("/")["Location"].startswith("/login")
    let_in = client.post(first["Location"], {"code": app.code(), "next": "/audit"})

    assert let_in["Location"] == "/audit"
    assert client.get("/audit").status_code == 200


def test_without_the_first_step_there_is_no_second(acme_admin: Person, app: App, recovery: list[str]) -> None:
    answer = at_browser().post("/login/code", {"code": app.code()})

    assert (answer.status_code, answer["Location"]) == (302, "/login")


def test_a_new_password_ends_what_was_half_done(acme_admin: Person, app: App, recovery: list[str]) -> None:
    client = at_browser()
    log_in_at_page(acme_admin, client)
    people.set_password(user=acme_admin.user, password="harbour-lights-9", by=acme_admin.actor)

    assert client.post("/login/code", {"code": app.code()})["Location"] == "/login"


def test_whoever_waits_too_long_begins_anew(acme_admin: Person, app: App, recovery: list[str]) -> None:
    client = at_browser()
    log_in_at_page(acme_admin, client)
    session = client.session
    session["half_logged_in"] |= {"at": time.time() - 601}
    session.save()

    assert client.post("/login/code", {"code": app.code()})["Location"] == "/login"


def test_it_is_turned_off_by_a_code_and_by_nothing_less(acme_admin: Person, app: App, recovery: list[str]) -> None:
    client = at_browser(acme_admin)

    assert client.post(PAGE, {"do": "off", "code": wrong(app)}).status_code == 400
    assert client.post(PAGE, {"do": "off", "code": ""}).status_code == 400
    assert second_factor.is_on(acme_admin.user)
    client.post(PAGE, {"do": "off", "code": recovery[0]})

    assert not second_factor.is_on(acme_admin.user)
    assert log_in(acme_admin).status_code == 200


def test_nobody_sees_the_page_without_logging_in() -> None:
    assert at_browser().get(PAGE)["Location"] == f"/login?next={PAGE}"


# -- operators ---------------------------------------------------------------------------------------------------------
def test_the_admin_asks_operators_for_it_too(operator: Person) -> None:
    app = App(operator)
    second_factor.turn_on(operator.user, app.code(-1))
    client = Client(headers={"accept-language": "en"})
    said = {"username": operator.user.email, "password": PASSWORD}

    client.post(reverse("admin:login"), said)
    assert client.get(reverse("admin:index")).status_code == 302
    client.post(reverse("admin:login"), said | {"code": wrong(app)})
    assert client.get(reverse("admin:index")).status_code == 302
    client.post(reverse("admin:login"), said | {"code": app.code()})

    assert client.get(reverse("admin:index")).status_code == 200
    assert (
        "Code of your authenticator app"
        in Client(headers={"accept-language": "en"}).get(reverse("admin:login")).content.decode()
    )


def test_no_form_of_djangos_gets_past_it(operator: Person, acme_admin: Person, recovery: list[str]) -> None:
    assert authenticate(None, username=acme_admin.user.email, password=PASSWORD) is None


def test_an_operator_turns_it_off_for_who_has_lost_everything_and_the_company_reads_that(
    acme_admin: Person, operator: Person, recovery: list[str]
) -> None:
    client = Client(headers={"accept-language": "en"})
    client.force_login(operator.user)

    chosen = {"action": "take_second_factor", "_selected_action": [acme_admin.user.pk]}
    client.post(reverse("admin:accounts_user_changelist"), chosen)

    assert log_in(acme_admin).status_code == 200
    row = run_in(acme_admin.company, Entry.objects.filter(verb="second_factor.off").get)
    assert (row.actor_kind, row.target_id) == ("operator", acme_admin.user.pk)


def test_nobody_else_takes_it_away(acme_admin: Person, acme_manager: Person, recovery: list[str]) -> None:
    with pytest.raises(OperatorsOnly):
        second_factor.take_away(acme_admin.user, by=acme_manager.actor)
    with pytest.raises(NoSecondFactor):
        second_factor.turn_off(acme_manager.user, "123456")


def test_with_another_key_of_the_platform_no_code_opens(
    acme_admin: Person, app: App, recovery: list[str], settings: Settings
) -> None:
    settings.SECRET_KEY = "another-key-of-at-least-32-characters"

    with pytest.raises(SecondFactorWrong):
        second_factor.check(acme_admin.user, app.code())
