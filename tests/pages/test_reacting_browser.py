"""Reacting and seeing each other type, in a real browser, with a real worker and the local WhatsApp."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser import DESKTOP, PHONE, Browsers, needs_chromium, overflow
from tests.people import Person
from tests.waiting import eventually
from tests.whatsapp.harbour import Harbour

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_person_reacts_by_keyboard_takes_it_back_and_both_see_each_other_type(
    harbour: Harbour, browsers: Browsers, acme_admin: Person, size: tuple[int, int]
) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.linked(shop)
    sent = harbour.wa.send_text(bob, shop, "Are you open?")
    message = harbour.received("Are you open?")
    page = browsers.logged_in(acme_admin, size=size)
    page.goto(f"/sessions/{session_id}/chats/{message.chat_id}")
    bubble = page.locator(".bubble", has_text="Are you open?")

    def on_bobs_phone() -> dict[str, str]:
        found = bob.find(sent)
        assert found is not None
        return bob.reactions_to(found)

    # By keyboard alone; the dialog is there without leaving the page.
    bubble.get_by_role("link", name="React").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="👍")).to_be_focused()
    assert overflow(page) <= 0
    page.keyboard.press("Enter")
    expect(bubble.locator(".bubble-reactions li")).to_have_text("👍 You")
    eventually(lambda: on_bobs_phone() == {shop.number: "👍"}, what="Bob sees it")
    expect(page.get_by_role("dialog")).to_be_hidden()

    # Bob's comes beside it, and ours goes.
    harbour.wa.react(bob, sent, "🎉")
    expect(bubble.locator(".bubble-reactions li")).to_have_text(["👍 You", "🎉 Bob"])
    bubble.get_by_role("link", name="React").click()
    page.get_by_role("button", name="Take it back").click()
    expect(bubble.locator(".bubble-reactions li")).to_have_text(["🎉 Bob"])
    eventually(lambda: on_bobs_phone() == {bob.number: "🎉"}, what="Bob sees that it is gone")

    # Each sees that the other types, and that they have stopped.
    field = page.get_by_role("textbox", name="Message")
    field.fill("We are op")
    eventually(lambda: types_on(lambda: bool(bob.typing), field.press, "x"), what="Bob sees that somebody types")
    field.fill("")
    eventually(lambda: not bob.typing, what="Bob sees that they have stopped")
    note = page.get_by_text("is typing…")
    expect(note).to_be_hidden()
    (device,) = shop.companions.values()
    eventually(lambda: device.is_present, what="somebody looks")
    harbour.wa.type(bob, shop)
    expect(note).to_be_visible()
    assert overflow(page) <= 0
    harbour.wa.type(bob, shop, False)
    expect(note).to_be_hidden()


def types_on(is_seen: Callable[[], bool], press: Callable[[str], None], key: str) -> bool:
    """Whoever types goes on until it is seen: right after a link, WhatsApp has not told the number's name."""
    press(key)
    return is_seen()
