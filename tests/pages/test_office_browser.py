"""The office in a real browser: a number is paused after a question, its story says so, and the company is changed."""

import pytest
from playwright.sync_api import expect

from accounts.models import Role
from accounts.permissions import SYSTEM
from accounts.services.people import create_member
from fleet.models import Placement
from fleet.states import Wanted
from tenants.models import Company
from tests.browser import PHONE, Browsers, aside, needs_chromium, overflow
from tests.pages.conftest import Desk
from tests.pages.test_every_page_browser import serious
from tests.people import Person
from tests.waiting import eventually

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]

THINGS = ("whatsapp/session", "accounts/membership", "accounts/apikey", "whatsapp/webhookendpoint", "audit/entry")


def test_a_number_is_paused_and_the_company_is_changed(
    browsers: Browsers, desk: Desk, acme_admin: Person, globex: Company
) -> None:
    aside(create_member, company=globex, email=acme_admin.user.email, role=Role.ADMIN, by=SYSTEM)
    page = browsers.logged_in(acme_admin)
    page.get_by_role("link", name="Office").click()
    expect(page.get_by_role("heading", name="Numbers that should be online and are not")).to_be_visible()
    page.goto("/office/whatsapp/session/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("pause")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Pause 1 number?")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The session is being stopped.")).to_be_visible()
    eventually(
        lambda: aside(Placement.objects.get, pk=desk.session.pk).wanted == Wanted.STOPPED, what="a pause is wanted"
    )

    page.get_by_role("link", name="Front desk").click()
    expect(page.get_by_role("cell", name="Number paused")).to_be_visible()
    page.get_by_text("Change to another company").click()
    page.get_by_role("button", name="Globex").click()

    page.wait_for_url("**/office/")
    expect(page.locator("strong", has_text="Globex")).to_be_visible()
    page.goto("/office/whatsapp/session/")
    expect(page.get_by_text("Front desk")).to_have_count(0)


def test_the_office_fits_a_phone(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin, size=PHONE)
    for thing in ("", *(f"{thing}/" for thing in THINGS), f"whatsapp/session/{desk.session.pk}/change/"):
        page.goto(f"/office/{thing}")
        assert overflow(page) <= 0, thing
        assert serious(page) == [], thing
