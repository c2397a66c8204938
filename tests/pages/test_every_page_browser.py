"""Every page in a real browser: usable by everybody, on a narrow phone, in light and dark, and light to load."""

from dataclasses import replace
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import DEFAULT_OPTIONS, Axe
from playwright.sync_api import FloatRect, Page, Response, expect

from accounts.permissions import SYSTEM
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.browser import PHONE, Browsers, aside, log_in, needs_chromium, overflow
from tests.pages.conftest import Desk
from tests.people import Person
from tests.test_strangers import BOB, PAGES, PUBLIC, Scene, filled
from tests.whatsapp.desk import BILL, PHOTO, VOICE, bringing, text
from whatsapp.services import inviting

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]

NARROW: Final = (360, 740)
#: What a page may weigh without pictures that people sent, with everything that it loads.
MOST_BYTES: Final = 150_000
#: Addresses of the older systems, that lead to one of these; a file; a picture; and one that is a part of a page.
_NO_PAGES: Final = {
    "whatsapp-pairing.html",
    "whatsapp-qr.html",
    "audit/export",
    "sessions/<str:session_id>/chats/<str:chat_id>/messages/<str:message_id>",
    "sessions/<str:session_id>/chats/<str:chat_id>/messages/<str:message_id>/preview",
}
#: An event of which only the delivery is left.
_DELIVERED: Final = "webhooks/<str:endpoint_id>/events/<str:event_id>"
#: Of what is public, the pages.
_DOORS: Final = {"login"}


def addresses(scene: Scene) -> list[str]:
    """Of all pages that show anything, as the tables of strangers know them."""
    assert PUBLIC >= _DOORS
    assert PAGES.keys() >= _NO_PAGES | {_DELIVERED}
    ids = {_DELIVERED: scene.ids | {"event_id": "E"}}
    routes = [route for route, calls in PAGES.items() if "GET" in calls and route not in _NO_PAGES]
    return [*(filled(route, ids.get(route, scene.ids)) for route in routes), *(f"/{door}" for door in _DOORS)]


def squeezed(page: Page) -> list[FloatRect]:
    """What should be a line or two and is not; who is squeezed grows tall."""
    found = [element.bounding_box() for element in page.locator("header, .room-head, .card h1").all()]
    return [box for box in found if box and box["height"] >= 130]


#: All that another colour can break.
COLOURS: Final = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}


def serious(page: Page, options: dict[str, Any] = DEFAULT_OPTIONS) -> list[str]:
    """What axe finds that stops somebody, with where it is."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    bad = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['html'][:160]} {node['failureSummary']}" for each in bad for node in each["nodes"]]


def weighs(page: Page, address: str) -> tuple[int, int]:
    """(status, bytes of everything that the page loads)"""
    loaded: list[Response] = []

    def note(response: Response) -> None:
        loaded.append(response)

    page.on("response", note)
    response = page.goto(address, wait_until="load")
    page.remove_listener("response", note)
    assert response is not None
    return response.status, sum(each.request.sizes()["responseBodySize"] for each in loaded if each.ok)


def serious_in_the_dark(page: Page) -> list[str]:
    page.emulate_media(color_scheme="dark")
    found = serious(page, COLOURS)
    page.emulate_media(color_scheme="light")
    return found


@pytest.mark.parametrize("language", ["ru-RU", "en-US"])
def test_nobody_is_kept_out_of_any_page(
    browsers: Browsers, acme: Company, globex: Company, acme_admin: Person, language: str
) -> None:
    """Axe's rules know no language: they are asked once."""
    scene = aside(Scene.set, acme, globex)
    long = text("https://example.test/" + "a-very-long-word" * 20)
    brought = [bringing(PHOTO, "image", "Look"), bringing(BILL, "document"), bringing(VOICE, "audio")]
    aside(run_in, acme, scene.desk.tell, long, *(replace(each, peer=BOB, sender=BOB) for each in brought))
    page = browsers.page(size=NARROW, color_scheme="light", reduced_motion="reduce", language=language)
    log_in(page, acme_admin)
    for address in addresses(scene):
        status, weight = weighs(page, address)
        assert status < 400, f"{address}: if it needs an id, say one in `addresses`"
        expect(page.locator("main").first).to_be_visible()
        assert overflow(page) <= 0, address
        assert squeezed(page) == [], address
        assert weight < MOST_BYTES, address
        if language == "ru-RU":
            assert serious(page) + serious_in_the_dark(page) == [], address


def test_nobody_is_kept_out_of_linking(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    """Codes on show, the link for a guest, the door and what is behind it."""
    browsers.expected = ("410",)
    aside(desk.is_in, State.UNPAIRED, wanted=Wanted.STOPPED, device_jid="", reason="never_linked")
    row, secret = aside(desk.run, inviting.invite, company=desk.company, session_id=desk.session.pk, hours=1, by=SYSTEM)
    page = browsers.logged_in(acme_admin, size=PHONE, reduced_motion="reduce")
    for address in (desk.at("/link"), desk.at("/invite"), f"/link/{row.pk}#{secret}"):
        page.goto(address)
        assert serious(page) == [], address
        assert overflow(page) <= 0, address
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Link a phone")).to_be_visible()
    assert serious(page) == []
    aside(desk.run, inviting.revoke, session_id=desk.session.pk, invitation_id=row.pk, by=SYSTEM)
    page.reload()
    expect(page.get_by_role("heading", name="This link was taken back")).to_be_visible()
    assert serious(page) == []
