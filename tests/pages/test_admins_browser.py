"""Both sites of Django's admin in a real browser: usable by everybody, as the company's own pages are."""

import pytest
from playwright.sync_api import Page

from tenants.models import Company
from tests.browser import PHONE, Browsers, aside, log_in, needs_chromium
from tests.pages.test_every_page_browser import serious, serious_in_the_dark
from tests.people import Person
from tests.test_strangers import ROUTES, Scene, acmes_things, in_office
from tests.wharf.test_words import operators_things

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]

#: Addresses that answer with no page, or with one like those that are here already.
NO_PAGES = (
    "search", "log", "autocomplete", "/r/", "jsi18n", "delete", "history", "password", "app_label", "object_id>/$",
)  # fmt: skip
#: Colours are the same everywhere: of the pages, so many tell.
IN_THE_DARK = 4


def pages_of(prefix: str, things: dict[str, str]) -> list[str]:
    routes = [route for route in ROUTES if route.startswith(prefix) and not any(part in route for part in NO_PAGES)]
    return [in_office(route, things) for route in routes]


def log_in_as_operator(page: Page, operator: Person) -> None:
    page.goto("/admin/login/")
    page.fill("input[name=username]", operator.user.email)
    page.fill("input[type=password]", operator.password)
    page.locator("button[type=submit]").first.click()


@pytest.mark.parametrize("prefix", ["office/", "admin/"])
def test_nobody_is_kept_out_of_the_admin(
    browsers: Browsers, acme: Company, globex: Company, acme_admin: Person, operator: Person, prefix: str
) -> None:
    # Pages that people may not see are asked for like all others, and not looked at.
    browsers.expected = ("status of 403", "status of 404", "status of 405")
    things = aside(lambda: acmes_things(scene := Scene.set(acme, globex)) | operators_things(scene))
    page = browsers.page(size=PHONE, reduced_motion="reduce")
    log_in(page, acme_admin) if prefix == "office/" else log_in_as_operator(page, operator)
    seen = 0
    for address in pages_of(prefix, things):
        response = page.goto(address)
        if response is None or response.status != 200:
            continue
        seen += 1
        page.wait_for_function("[...document.querySelectorAll('select.admin-autocomplete')].every(e => e.nextSibling)")
        assert serious(page) == [], address
        if seen <= IN_THE_DARK:
            assert serious_in_the_dark(page) == [], address
    assert seen > 5
