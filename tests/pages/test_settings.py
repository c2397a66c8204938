"""The company's settings and one's own account, and the time zone and language in which pages are then read."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from tenants.companies import checked_timezone, offered_timezones, zone_of
from tenants.models import Company
from tests.accounts.mailbox import deliver
from tests.pages.conftest import Desk, at_browser
from tests.people import Person

pytestmark = pytest.mark.django_db

ASKED = {"name": "Acme Harbour", "timezone": "Asia/Almaty", "language": "en", "currency": "kzt"}


def content(response: Any) -> str:
    return str(response.content.decode())


# -- the company -----------------------------------------------------------------------------------------------------
def test_settings_are_saved_together(acme: Company, acme_admin: Person) -> None:
    response = at_browser(acme_admin).post("/settings", ASKED, follow=True)

    assert "Saved." in content(response)
    saved = Company.objects.get(pk=acme.pk)
    assert (saved.name, saved.timezone, saved.language, saved.currency) == ("Acme Harbour", "Asia/Almaty", "en", "KZT")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"name": " "}, "between 1 and 120 characters"),
        ({"name": "x" * 130}, "between 1 and 120 characters"),
        ({"timezone": "Almaty"}, "This is not a time zone such as Europe/Moscow"),
        ({"language": "tlh"}, "This language is not spoken here"),
        ({"currency": "1"}, "This is not a currency"),
    ],
)
def test_what_is_wrong_changes_nothing_and_is_said_in_words(
    acme: Company, acme_admin: Person, wrong: dict[str, str], reason: str
) -> None:
    before = Company.objects.filter(pk=acme.pk).values().get()

    response = at_browser(acme_admin).post("/settings", {**ASKED, **wrong})

    assert response.status_code == 400
    assert f">{reason}" in content(response) or reason in content(response)
    assert "timezone:" not in content(response)
    assert Company.objects.filter(pk=acme.pk).values().get() == before


def test_no_zone_is_everybodys_own_clock(acme: Company, acme_admin: Person) -> None:
    at_browser(acme_admin).post("/settings", {**ASKED, "timezone": ""})

    assert Company.objects.get(pk=acme.pk).timezone == "UTC"
    seen = content(at_browser(acme_admin).get("/settings"))
    assert "data-zone" not in seen
    assert 'name="timezone" list="zones" maxlength="64" value=""' in seen


def test_every_zone_that_is_offered_is_taken() -> None:
    assert {"Asia/Almaty", "Europe/Moscow", "Asia/Tashkent", "America/Argentina/Buenos_Aires"} <= set(
        offered_timezones()
    )
    assert [name for name in offered_timezones() if checked_timezone(name) != name] == []


def test_a_zone_that_is_no_more_harms_nobody(acme: Company, acme_admin: Person) -> None:
    Company.objects.filter(pk=acme.pk).update(timezone="Nowhere/Land")

    assert at_browser(acme_admin).get("/settings").status_code == 200
    for name in ("Nowhere/Land", "/etc/passwd", "../x", ""):
        assert zone_of(Company(timezone=name)) == UTC


def test_what_is_used_stands_beside_the_limits(desk: Desk, acme_admin: Person, acme_manager: Person) -> None:
    ends = timezone.now() + timedelta(days=30)
    Company.objects.filter(pk=desk.company.pk).update(max_sessions=4, max_managers=7, subscription_expires_at=ends)

    seen = content(at_browser(acme_admin).get("/settings"))

    assert "1 of 4" in seen
    assert "1 of 7" in seen
    assert "Basic" in seen
    assert ends.strftime("%Y-%m-%d") in seen


def test_settings_are_for_admins_alone(acme_manager: Person) -> None:
    assert at_browser(acme_manager).get("/settings").status_code == 403
    assert at_browser(acme_manager).post("/settings", ASKED).status_code == 403


# -- times -----------------------------------------------------------------------------------------------------------
def test_times_are_drawn_in_the_companys_zone_without_a_script(desk: Desk, acme_admin: Person) -> None:
    Company.objects.filter(pk=desk.company.pk).update(timezone="Asia/Almaty")
    desk.says("Late", timestamp=datetime(2026, 3, 1, 20, 30, tzinfo=UTC))
    client = at_browser(acme_admin)

    chat = content(client.get(desk.at(f"/chats/{desk.chat.pk}")))
    history = content(client.get(desk.at()))

    assert '<time datetime="2026-03-02T01:30:00+05:00" data-show="clock">2026-03-02 01:30 +05</time>' in chat
    assert 'data-zone="Asia/Almaty"' in chat
    assert re.search(r'<time class="soft small" datetime="[\dT:-]+\+05:00"', history)


def test_one_companys_zone_is_not_the_next_requests(desk: Desk, acme_admin: Person, globex_admin: Person) -> None:
    Company.objects.filter(pk=desk.company.pk).update(timezone="Asia/Almaty", subscription_expires_at=None)
    assert "+05" in content(at_browser(acme_admin).get(desk.at()))

    assert timezone.get_current_timezone_name() == "UTC"
    assert "data-zone" not in content(at_browser(globex_admin).get("/"))


# -- one's own account -----------------------------------------------------------------------------------------------
def test_everybody_changes_their_own_name(acme_manager: Person) -> None:
    client = at_browser(acme_manager)

    response = client.post("/account", {"first_name": " Vera ", "last_name": "L" * 70, "language": ""}, follow=True)

    assert "Saved." in content(response)
    user = User.objects.get(pk=acme_manager.user.pk)
    assert (user.first_name, user.last_name) == ("Vera", "L" * 60)


def test_ones_language_is_stronger_than_the_browsers(acme_manager: Person) -> None:
    client = at_browser(acme_manager, language="en")

    response = client.post("/account", {"first_name": "Vera", "language": "ru"}, follow=True)

    assert '<html lang="ru"' in content(response)
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == "ru"
    client.post("/account", {"first_name": "Vera", "language": ""})
    assert '<html lang="en"' in content(client.get("/account"))
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == ""


def test_a_language_that_is_not_spoken_changes_nothing(acme_manager: Person) -> None:
    response = at_browser(acme_manager).post("/account", {"first_name": "Vera", "language": "tlh"})

    assert (response.status_code, "This language is not spoken here" in content(response)) == (400, True)
    assert User.objects.get(pk=acme_manager.user.pk).first_name == "Manager"


def test_a_new_password_ends_the_other_log_ins_and_not_this_one(acme_manager: Person) -> None:
    here, elsewhere = at_browser(acme_manager), at_browser(acme_manager)

    response = here.post("/account/password", {"current": acme_manager.password, "new": "lighthouse-41"}, follow=True)

    assert "Your password has been changed" in content(response)
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert User.objects.get(pk=acme_manager.user.pk).check_password("lighthouse-41")
    assert [letter.to for letter in deliver()] == [["manager@acme.test"]]


@pytest.mark.parametrize(
    ("current", "new", "reason"),
    [("guess", "lighthouse-41", "Wrong current password"), ("harbour-lights-7", "abc", "at least 6 characters")],
)
def test_a_password_is_changed_only_by_who_knows_it_and_to_one_that_will_do(
    acme_manager: Person, current: str, new: str, reason: str
) -> None:
    response = at_browser(acme_manager).post("/account/password", {"current": current, "new": new})

    assert (response.status_code, reason in content(response)) == (400, True)
    assert new not in content(response)
    assert User.objects.get(pk=acme_manager.user.pk).check_password(acme_manager.password)


def test_the_current_password_cannot_be_guessed_without_end(acme_manager: Person) -> None:
    client = at_browser(acme_manager)
    tries = [client.post("/account/password", {"current": "guess", "new": "lighthouse-41"}) for _ in range(11)]

    assert "Too often" in content(tries[-1])
    assert "Wrong current password" in content(tries[-2])


# -- all of these pages ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/people", "/people/new", "/keys", "/keys/new", "/settings", "/account", "/password"])
def test_nothing_inline_and_nothing_foreign(acme_admin: Person, path: str) -> None:
    client = at_browser(acme_admin)

    response = client.get(path)

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert not any(sign in content(response) for sign in ("<style", "style=", "onclick", "<script>", "https://"))
    assert len(response.content) < 60_000


@pytest.mark.parametrize("language", ["ru", "kk", "en"])
def test_each_language_has_all_pages(acme_admin: Person, acme_manager: Person, language: str) -> None:
    client = at_browser(acme_admin, language=language)

    for path in ("/", "/people", f"/people/{acme_manager.user.pk}", "/keys", "/keys/new", "/settings", "/account"):
        assert f'<html lang="{language}"' in content(client.get(path))
