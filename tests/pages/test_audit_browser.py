"""An admin finds out who did what, in a real browser, at a desk and on a phone, and takes the table along."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts.models import Role
from accounts.services import audit
from tenants.models import Company
from tests.browser import DESKTOP, PHONE, Browsers, aside, needs_chromium, overflow
from tests.pages.conftest import Desk
from tests.people import Person, make_person
from whatsapp.services import sessions

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture
def people(live_companies: tuple[Company, Company]) -> tuple[Person, Person]:
    acme, _ = live_companies
    return make_person(acme, Role.ADMIN), make_person(acme, Role.ADMIN, first_name="Anna", last_name="Smirnova")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_admin_finds_what_a_colleague_did_and_takes_it_along(
    people: tuple[Person, Person], desk: Desk, browsers: Browsers, size: tuple[int, int], tmp_path: Path
) -> None:
    admin, anna = people
    renaming = {"company": desk.company, "session_id": desk.session.pk, "by": anna.actor}
    aside(lambda: desk.run(sessions.change, name="Back office", **renaming))
    aside(lambda: desk.run(sessions.pause, **renaming))
    page = browsers.logged_in(admin, size=size)

    page.goto("/")
    page.get_by_role("link", name="Audit").click()
    page.locator("select[name=person]").select_option(label="Anna Smirnova")
    page.locator("select[name=verb]").select_option(label="Number changed")
    page.get_by_role("button", name="Show", exact=True).click()

    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Anna Smirnova")
    expect(row).to_contain_text("Front desk → After: Back office")
    assert overflow(page) <= 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "audit.csv")
    table = (tmp_path / "audit.csv").read_text(encoding="utf-8")
    assert table.startswith(audit.BOM)
    assert len(table.strip().splitlines()) == 2
