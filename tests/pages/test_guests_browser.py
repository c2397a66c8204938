"""The owner of a phone links it by a link that somebody sent, on their own phone, without an account."""

import re

import pytest
from playwright.sync_api import expect

from fleet.states import State
from tests.browser import PHONE, Browsers, aside, needs_chromium, overflow
from tests.people import Person
from tests.whatsapp.harbour import Harbour

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.django_db(transaction=True)]


def test_an_owner_links_their_phone_by_a_link_that_was_sent_to_them(
    harbour: Harbour, browsers: Browsers, acme_admin: Person
) -> None:
    session_id = aside(harbour.new_session, "Front desk")
    shop = harbour.phone("Shop")
    page = browsers.logged_in(acme_admin)
    page.goto(f"/sessions/{session_id}/link")
    page.get_by_role("link", name="Send its owner a link").click()
    page.get_by_role("button", name="Make the link").click()
    address = page.locator("#address").input_value()

    guest = browsers.page(size=PHONE, language="ru-RU")
    asked: list[str] = []
    guest.on("request", lambda request: asked.append(request.url))
    guest.goto(address)
    assert "#" not in guest.url
    guest.get_by_role("button", name="Продолжить").click()
    expect(guest.locator("#qr-text")).to_have_value(re.compile("."))
    assert overflow(guest) == 0
    harbour.wa.scan(shop, guest.locator("#qr-text").input_value())

    expect(guest.get_by_role("heading", name="🎉 WhatsApp успешно подключен!")).to_be_visible()
    aside(harbour.shows, session_id, State.CONNECTED)
    secret = address.partition("#")[2]
    assert asked
    assert not [url for url in asked if secret in url.partition("#")[0]]
    # A second time it is good for nothing.
    another = browsers.page()
    another.goto(address)
    browsers.expected = ("410",)
    another.get_by_role("button", name="Go on").click()
    expect(another.get_by_role("heading", name="This link has been used")).to_be_visible()
