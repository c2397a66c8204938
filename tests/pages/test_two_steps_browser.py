"""Somebody turns the log-in in two steps on with an app, on a phone, and gets in with it, in a real browser."""

import pytest
from playwright.sync_api import expect

from accounts.models import Role
from tenants.models import Company
from tests.browser import PHONE, Browsers, aside, needs_chromium, overflow
from tests.pages.test_two_steps import App
from tests.people import make_person

pytestmark = [pytest.mark.browser, needs_chromium]


def test_a_person_turns_it_on_and_gets_in_with_a_code(
    live_companies: tuple[Company, Company], browsers: Browsers
) -> None:
    admin = make_person(live_companies[0], Role.ADMIN)
    page = browsers.logged_in(admin, size=PHONE)

    page.locator("details.menu summary").click()
    page.get_by_role("link", name="Log-in in two steps").click()
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    assert overflow(page) <= 0
    app = aside(App, admin)
    page.get_by_role("textbox", name="Code").fill(app.code())
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".recovery li")).to_have_count(10)
    assert overflow(page) <= 0

    other = browsers.page(size=PHONE)
    other.goto("/login?next=/audit")
    other.locator("input[name=email]").fill(admin.user.email)
    other.locator("input[name=password]").fill(admin.password)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("heading", name="The second step")).to_be_visible()
    expect(other.get_by_label("Code")).to_be_focused()
    other.get_by_label("Code").fill(app.code(1))
    other.get_by_role("button", name="Log in").click()
    other.wait_for_url("**/audit")
