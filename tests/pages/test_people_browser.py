"""People, keys and settings in a real browser: the story of an admin's first morning."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import ApiKey, Role
from accounts.permissions import Rights
from tenants.models import Company
from tests.accounts.test_api_keys import with_key
from tests.browser import Browsers, aside, fits, needs_chromium
from tests.pages.conftest import Desk
from tests.people import Person, make_person
from whatsapp.models import ManagerAccess

pytestmark = [pytest.mark.browser, needs_chromium]


def test_an_admin_adds_a_manager_gives_them_numbers_and_makes_a_key(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    aside(desk.new_session, "Second")
    page = browsers.logged_in(acme_admin, permissions=["clipboard-read", "clipboard-write"])

    page.get_by_role("link", name="People").click()
    page.get_by_role("link", name="Add a manager").first.click()
    page.get_by_label("E-mail").fill("vera@acme.test")
    page.get_by_label("First name").fill("Vera")
    page.get_by_role("button", name="Add").click()

    expect(page.get_by_role("heading", name="Vera")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("A mail tells them how to come in.")
    everywhere = page.get_by_role("columnheader", name="Read chats").get_by_role("checkbox")
    everywhere.check()
    page.get_by_role("row", name="Second").get_by_label("Write and link").check()
    page.get_by_role("row", name="Front desk").get_by_label("Read chats").uncheck()
    assert everywhere.evaluate("box => box.indeterminate")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The access has been saved.")).to_be_visible()
    assert aside(desk.run, lambda: [(row.session.name, row.rights) for row in ManagerAccess.objects.all()]) == [
        ("Second", Rights(can_read=True, can_write=True))
    ]

    page.get_by_role("link", name="Deactivate").click()
    page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    expect(page.locator(".mark.off")).to_have_text("Deactivated")
    page.get_by_role("button", name="Activate").click()
    expect(page.locator(".mark.off")).to_have_count(0)

    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="Make a key").first.click()
    page.get_by_label("Name").fill("Booking system")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#toasts")).to_have_text("The key has been copied")
    key = page.evaluate("navigator.clipboard.readText()")
    assert aside(lambda: with_key(key).get("/api/whatsapp/sessions").status_code) == 200
    page.reload()
    expect(page.get_by_role("heading", name="Booking system")).to_be_visible()
    assert key not in page.content()


def test_times_are_the_companys_and_not_the_browsers(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    """It is just past midnight in Almaty, and the day before in the browser's Lisbon."""
    midnight = timezone.now().replace(hour=19, minute=30, second=0, microsecond=0) - timedelta(days=3)
    aside(desk.says, "Past midnight", timestamp=midnight)
    page = browsers.logged_in(acme_admin, language="ru-RU", timezone_id="Europe/Lisbon")
    page.goto(desk.at(f"/chats/{desk.chat.pk}"))
    bubble = page.locator(".bubble", has_text="Past midnight")
    day = page.locator(".day", has_text=f", {(midnight + timedelta(days=1)).day} ")
    expect(bubble.locator("time")).not_to_have_text("00:30")

    aside(Company.objects.filter(pk=desk.company.pk).update, timezone="Asia/Almaty")
    page.reload()

    expect(bubble.locator("time")).to_have_text("00:30")
    expect(day).to_be_visible()

    # A browser may claim to know Kazakh and have no name for a month of it.
    page.context.add_cookies([{"name": "django_language", "value": "kk", "url": browsers.site.url}])
    page.reload()
    expect(page.get_by_role("button", name="Жіберу")).to_be_visible()
    expect(page.locator(".day").first).not_to_contain_text("M1")
    expect(bubble.locator("time")).to_have_text("00:30")


@pytest.mark.parametrize(("language", "scheme"), [("ru-RU", "light"), ("en-US", "dark")])
def test_every_page_fits(browsers: Browsers, desk: Desk, acme_admin: Person, language: str, scheme: str) -> None:
    person = aside(
        make_person, desk.company, Role.MANAGER, first_name="Maximiliana-Konstantina", last_name="Überlang" * 5
    )
    aside(desk.new_session, "A number with quite a long name that does not fit in one line")
    aside(desk.grant, person, write=True)
    key = aside(
        lambda: ApiKey.objects.create(
            company=desk.company,
            name="A program with a very long name of its own, and more",
            start="whk_abcdef",
            digest="x",
            scopes=["read", "send", "link", "manage"],
            made_by=acme_admin.user,
        )
    )
    page = browsers.logged_in(acme_admin, language=language, color_scheme=scheme)
    tails = ("", "/new", f"/{person.user.pk}", f"/{person.user.pk}/change", f"/{person.user.pk}/remove")
    for address in (
        *(f"/people{tail}" for tail in tails),
        "/keys",
        "/keys/new",
        f"/keys/{key.pk}",
        "/settings",
        "/account",
    ):
        page.goto(address)
        assert fits(page), address
