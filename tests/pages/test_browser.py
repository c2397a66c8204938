"""The pages in a real browser, over a served site, with a real worker, real hosts and the local WhatsApp."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from fleet.reasons import Reason
from fleet.states import State, Wanted
from sandbox.world.phone import Phone
from tests.browser import Browsers, aside, becomes, log_in, needs_chromium
from tests.clocks import stop_the_clock
from tests.jpegs import picture
from tests.pages.conftest import Desk
from tests.people import Person
from tests.waiting import eventually
from tests.whatsapp.harbour import Harbour
from whatsapp.models import Session
from whatsapp.services import news, transitions

pytestmark = [pytest.mark.browser, needs_chromium]

CARD = "li.session"
NEWS = "Are you still there?"


def creates_a_sandbox_session(page: Page, name: str) -> str:
    """By clicking; returns its id, on its link page."""
    page.get_by_role("link", name="Add a number").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Sandbox").check()
    page.get_by_role("button", name="Create and link").click()
    page.wait_for_url("**/link")
    return page.url.split("/")[-2]


def grants(page: Page, session_id: str, manager: Person) -> None:
    page.goto(f"/sessions/{session_id}")
    page.get_by_label("Give access to").select_option(manager.user.pk)
    page.get_by_role("button", name="Give access").click()
    expect(page.get_by_text("The access has been saved.")).to_be_visible()


def shown_qr(page: Page) -> str:
    """What a camera would read: the picture is drawn from the same text."""
    expect(page.locator(".qr-picture svg")).to_be_visible()
    return page.locator("#qr-text").input_value()


def tells(page: Page, text: str) -> None:
    expect(page.locator("main").get_by_text(text)).to_be_visible()


def opens_chat(page: Page, name: str) -> None:
    page.get_by_role("link", name="Chats").first.click()
    page.locator("a.chat", has_text=name).click()
    expect(page.locator("#room h2")).to_have_text(name)


def sends(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def is_marked(page: Page, text: str, status: str) -> None:
    bubble = page.locator(".bubble.ours", has_text=text)
    expect(bubble).to_have_count(1)
    expect(bubble.locator(f'[data-status="{status}"]')).to_be_visible()


@pytest.fixture
def linked(harbour: Harbour) -> tuple[str, Phone]:
    """A number that is online, and its phone."""
    shop = harbour.phone("Shop")
    return harbour.linked(shop), shop


def test_a_company_links_a_number_and_answers_a_customer(
    harbour: Harbour, browsers: Browsers, acme_admin: Person, acme_manager: Person
) -> None:
    browsers.expected = ("status of 503",)
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    admin, manager = browsers.logged_in(acme_admin), browsers.logged_in(acme_manager)
    expect(manager.get_by_text("Nothing to see yet")).to_be_visible()

    # The manager's page shows the number as soon as it is granted, and opens its codes.
    session_id = creates_a_sandbox_session(admin, "Front desk")
    grants(admin, session_id, acme_manager)
    admin.goto("/")
    manager.get_by_role("link", name="Link a phone").click()
    harbour.wa.scan(shop, shown_qr(manager))

    # Both see it come up without touching anything.
    expect(manager.get_by_role("heading", name="WhatsApp is connected!")).to_be_visible()
    expect(manager.get_by_text(f"+{shop.number}")).to_be_visible()
    expect(admin.locator(CARD)).to_contain_text("Connected")
    expect(admin.locator(CARD)).to_contain_text("Sandbox")
    expect(admin.locator("#announcer")).to_have_text("Front desk: Connected")

    # A customer writes while the manager looks at the list of chats.
    manager.get_by_role("link", name="Open the chats").click()
    expect(manager.get_by_text("No chats yet.")).to_be_visible()
    harbour.wa.send_text(bob, shop, "Are you open?")
    expect(manager.locator("a.chat")).to_contain_text("Are you open?")
    expect(manager.locator("a.chat .badge")).to_have_text(re.compile("^1"))
    expect(admin.locator(f"{CARD} .badge")).to_have_text(re.compile("^1"))
    manager.locator("a.chat").click()
    expect(manager.locator(".bubble.theirs")).to_have_text(re.compile("Are you open"))
    expect(admin.locator(f"{CARD} .badge")).to_have_count(0)

    # The answer is there at once, and its ticks follow.
    sends(manager, "We are open.")
    is_marked(manager, "We are open.", "delivered")
    received = eventually(lambda: bob.inbox)
    assert [message.text for message in received] == ["We are open."]
    harbour.wa.read(bob, [message.id for message in received])
    is_marked(manager, "We are open.", "read")
    harbour.wa.send_text(bob, shop, "Thanks, see you!")
    expect(manager.locator(".bubble.theirs")).to_have_count(2)

    # A photo comes with its small picture, in a box that was there before it.
    harbour.wa.send_image(bob, shop, picture(1600, 1200), "Our table?")
    photo = manager.locator(".bubble.theirs", has_text="Our table?").get_by_alt_text("Small preview of the photo")
    expect(photo).to_have_js_property("naturalWidth", 100)
    assert photo.evaluate("image => [image.clientWidth, image.clientHeight]") == [240, 180]
    expect(manager.locator("a.chat")).to_contain_text("Photo: Our table?")

    # The phone unlinks, and both are told why.
    harbour.wa.unlink(shop, 1)
    expect(manager.locator(".talk-list")).to_contain_text("The device was unlinked on the phone")
    expect(admin.locator(CARD)).to_contain_text("The device was unlinked on the phone")
    sends(manager, "Too late")
    expect(manager.locator(".draft.failed")).to_contain_text("not connected")


def test_a_number_is_linked_by_typing_a_code(harbour: Harbour, browsers: Browsers, acme_admin: Person) -> None:
    shop = harbour.phone("Shop")
    page = browsers.logged_in(acme_admin)
    creates_a_sandbox_session(page, "By code")

    elsewhere = page.get_by_text("The phone is with somebody else?")
    expect(elsewhere).to_be_visible()
    page.get_by_label("Phone number").fill(f"+{shop.number[:2]} {shop.number[2:6]}-{shop.number[6:]}")
    page.get_by_role("button", name="Get a pairing code").click()
    code = page.locator("#pairing-code")
    expect(code).to_have_text(re.compile(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$"))
    harbour.wa.type_code(shop, code.inner_text())

    expect(page.get_by_role("heading", name="WhatsApp is connected!")).to_be_visible()
    expect(elsewhere).to_be_hidden()


def test_a_wrong_number_is_explained_beside_the_field(harbour: Harbour, browsers: Browsers, acme_admin: Person) -> None:
    browsers.expected = ("status of 400",)
    page = browsers.logged_in(acme_admin)
    creates_a_sandbox_session(page, "By code")

    page.get_by_label("Phone number").fill("0000000000000")
    page.get_by_role("button", name="Get a pairing code").click()

    expect(page.get_by_text("This is not a phone number")).to_be_visible()
    expect(page.get_by_label("Phone number")).to_have_value("0000000000000")


def test_linking_starts_by_itself_ends_clearly_and_can_be_tried_again(
    harbour: Harbour, browsers: Browsers, acme_admin: Person
) -> None:
    page = browsers.logged_in(acme_admin)
    session_id = creates_a_sandbox_session(page, "Again")
    first = shown_qr(page)

    page.get_by_role("button", name="Cancel linking").click()
    tells(page, "Linking was cancelled")
    page.get_by_role("button", name="Show the codes").click()
    assert shown_qr(page) != first

    page.get_by_role("button", name="Cancel linking").click()
    tells(page, "Linking was cancelled")
    page.goto(f"/sessions/{session_id}/link")
    assert shown_qr(page)


def test_a_code_is_renewed_in_place_until_they_run_out(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    soon = timezone.now() + timedelta(seconds=20)

    def shows(qr: str) -> None:
        desk.is_in(State.PAIRING, reason=Reason.WAITING_FOR_SCAN, device_jid="", wanted=Wanted.RUNNING)
        Session.objects.filter(pk=desk.session.pk).update(qr=qr, qr_expires_at=soon)
        transitions.tell_challenge(desk.company, desk.session.pk)

    def runs_out() -> None:
        desk.is_in(State.UNPAIRED, reason=Reason.CODES_RAN_OUT, wanted=Wanted.STOPPED)
        news.writing(transitions.tell)(desk.company, desk.session.pk)

    aside(desk.run, shows, "2@first")
    page = browsers.logged_in(acme_admin)
    page.goto(desk.at("/link"))
    assert shown_qr(page) == "2@first"
    expect(page.locator("time[data-then=refresh]")).to_have_text(re.compile(r"^⏱ Refreshes in [12]?\d s$"))
    count_waits(page)

    aside(desk.run, shows, "2@second")
    expect(page.locator("#qr-text")).to_have_value("2@second")
    assert waits_of(page) == 0
    aside(desk.run, runs_out)

    tells(page, "Nobody scanned in time")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def count_waits(page: Page) -> None:
    """How often the place of the code stands empty from now on."""
    page.evaluate(
        """() => {
            window.waits = 0;
            const look = () => { if (document.querySelector(".qr.waits")) window.waits += 1; };
            new MutationObserver(look).observe(document.querySelector(".link"), { childList: true });
        }"""
    )


def waits_of(page: Page) -> int:
    return int(page.evaluate("window.waits"))


def test_a_refused_link_says_so(harbour: Harbour, browsers: Browsers, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin)
    session_id = creates_a_sandbox_session(page, "Refused")
    shown_qr(page)

    assert aside(harbour.scan_broken, harbour.phone("Shop"), session_id)

    tells(page, "WhatsApp did not complete the link")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_what_is_typed_survives_what_happens(harbour: Harbour, browsers: Browsers, acme_admin: Person) -> None:
    """A fresh code replaces the part of the page where a number is being typed."""
    shop = harbour.phone("Shop")
    page = browsers.logged_in(acme_admin)
    creates_a_sandbox_session(page, "Typing")
    shown_qr(page)
    page.get_by_label("Phone number").fill(f"+{shop.number}")
    page.keyboard.press("Enter")
    page.get_by_label("Phone number").fill("+49 17")

    expect(page.locator("#pairing-code")).to_be_visible()

    expect(page.get_by_label("Phone number")).to_have_value("+49 17")
    expect(page.get_by_label("Phone number")).to_be_focused()


def test_dialogs_rename_pause_and_unlink(
    harbour: Harbour, linked: tuple[str, Phone], browsers: Browsers, acme_admin: Person
) -> None:
    _, shop = linked
    page = browsers.logged_in(acme_admin)
    card = page.locator(CARD)

    card.get_by_role("link", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Reception")
    page.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("Reception")
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("Paused")
    card.get_by_role("button", name="Start").click()
    expect(card).to_contain_text("Connected")

    card.get_by_role("link", name="Unlink").click()
    expect(page.get_by_role("dialog")).to_contain_text("Chats and messages are kept")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    card.get_by_role("link", name="Unlink").click()
    page.get_by_role("dialog").get_by_role("button", name="Unlink").click()
    expect(card).to_contain_text("Unlinked here")
    assert not shop.companions
    card.get_by_role("link", name="Archive").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    expect(card).to_have_count(0)
    expect(page.get_by_text("No number is linked yet")).to_be_visible()


def test_without_a_socket_the_page_asks_every_few_seconds(
    harbour: Harbour, linked: tuple[str, Phone], browsers: Browsers, acme_admin: Person
) -> None:
    _, shop = linked
    context = browsers.context()
    context.route_web_socket("**/ws/whatsapp/", lambda socket: socket.close())
    page = browsers.page(context)
    log_in(page, acme_admin)
    expect(page.locator("#live-note")).to_contain_text("The live connection is down")
    expect(page.locator(CARD)).to_contain_text("Connected")

    harbour.wa.unlink(shop, 1)

    expect(page.locator(CARD)).to_contain_text("unlinked on the phone", timeout=15_000)


def test_a_socket_that_comes_back_brings_the_page_up_to_date(
    harbour: Harbour, linked: tuple[str, Phone], browsers: Browsers, acme_admin: Person
) -> None:
    _, shop = linked
    bob = harbour.phone("Bob")
    harbour.wa.send_text(bob, shop, "First")
    context = browsers.context()
    is_cut = [True]
    context.route_web_socket(
        "**/ws/whatsapp/", lambda socket: socket.close() if is_cut[0] else socket.connect_to_server() and None
    )
    page = browsers.page(context)
    log_in(page, acme_admin)
    opens_chat(page, "Bob")
    harbour.wa.send_text(bob, shop, "Second")
    expect(page.locator(".bubble.theirs")).to_have_count(2, timeout=15_000)

    is_cut[0] = False
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#live-note")).to_be_hidden()
    harbour.wa.send_text(bob, shop, "Third")

    expect(page.locator(".bubble.theirs")).to_have_count(3)


def test_who_loses_their_rights_is_told_where_they_are(
    harbour: Harbour, linked: tuple[str, Phone], browsers: Browsers, acme_admin: Person, acme_manager: Person
) -> None:
    browsers.expected = ("status of 403",)
    session_id, _ = linked
    admin = browsers.logged_in(acme_admin)
    grants(admin, session_id, acme_manager)
    manager = browsers.logged_in(acme_manager)
    manager.goto(f"/sessions/{session_id}")
    expect(manager.locator("h1")).to_have_text("Front desk")

    admin.get_by_role("button", name="Revoke").click()

    expect(manager.get_by_text("You may not do this")).to_be_visible()


def test_a_long_chat_grows_at_its_top_and_stays_where_it_was_read(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    def fill() -> None:
        for number in range(120):
            desk.says(f"Message {number:03}")

    aside(fill)
    page = browsers.logged_in(acme_admin)
    opens_chat(page, "Bob")
    expect(page.locator(".bubble", has_text="Message 119")).to_be_in_viewport()
    expect(page.locator(".day")).to_have_text(["Today"])

    page.get_by_role("link", name="Load older").click()
    expect(page.locator(".bubble")).to_have_count(100)
    page.get_by_role("link", name="Load older").click()

    expect(page.locator(".bubble")).to_have_count(121)
    expect(page.get_by_role("link", name="Load older")).to_have_count(0)
    texts = page.locator(".bubble-text").all_inner_texts()
    assert texts == ["Are you open?", *(f"Message {number:03}" for number in range(120))]


def test_the_list_of_chats_searches_as_one_types(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin)
    page.get_by_role("link", name="Chats").first.click()

    page.get_by_role("searchbox").fill("nobody")
    expect(page.get_by_text("No chat fits.")).to_be_visible()
    page.get_by_role("searchbox").fill("bo")

    expect(page.locator("a.chat")).to_contain_text("Bob")


def test_what_was_typed_before_the_script_came_is_searched(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin)
    held: list[Route] = []
    page.route("**/pages/chats*.js", lambda route: held.append(route))
    page.get_by_role("link", name="Chats").first.click()
    page.get_by_role("searchbox").fill("nobody")

    becomes(page, lambda: held)
    held[0].continue_()

    expect(page.get_by_text("No chat fits.")).to_be_visible()


def test_who_presses_on_a_chat_opens_it_whatever_comes_meanwhile(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    page = browsers.logged_in(acme_admin)
    press_on_the_chat(page, desk)
    hear_of_news(page, desk)

    page.mouse.up()

    page.wait_for_url(f"**/chats/{desk.chat.pk}")


def test_a_press_that_never_ends_keeps_the_news_for_a_moment_only(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    page = browsers.logged_in(acme_admin)
    press_on_the_chat(page, desk)
    hear_of_news(page, desk)
    chat = page.locator("#chats a.chat")
    page.clock.run_for(2_900)
    expect(chat).not_to_contain_text(NEWS)

    page.clock.run_for(200)

    expect(chat).to_contain_text(NEWS)


def test_nothing_moves_under_a_press_when_the_connection_goes(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    page = browsers.logged_in(acme_admin)
    note = page.locator("#live-note")
    press_on_the_chat(page, desk)

    page.clock.run_for(2_500)
    expect(note).to_be_hidden()
    page.mouse.up()
    page.wait_for_url(f"**/chats/{desk.chat.pk}")

    page.clock.run_for(2_500)
    expect(note).to_be_visible()


def press_on_the_chat(page: Page, desk: Desk) -> None:
    """And keep it pressed: by a clock that stands, and where no socket tells of news, so that they come when we say."""
    page.route_web_socket("**/ws/whatsapp/", lambda socket: socket.close())
    stop_the_clock(page)
    page.goto(desk.at("/chats"))
    page.locator("#chats a.chat").hover()
    page.mouse.down()


def hear_of_news(page: Page, desk: Desk) -> None:
    aside(desk.says, NEWS)
    with page.expect_response("**part=list*") as asked:
        page.evaluate("document.getElementById('chats').dispatchEvent(new Event('stale'))")
    asked.value.finished()


def test_what_is_opened_stays_open_when_it_is_drawn_anew(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin)
    page.goto("/overview")
    page.get_by_text("As a table").click()
    received = page.locator("table.rows tbody td").nth(1)
    expect(received).to_have_text("1")

    aside(desk.says, "Are you still there?")
    page.evaluate("document.querySelector('[data-part]').dispatchEvent(new Event('stale'))")

    expect(received).to_have_text("2")
    expect(received).to_be_visible()


def test_a_keyboard_is_enough(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    reach(page, lambda: page.get_by_role("link", name="Rename").evaluate("e => e === document.activeElement"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")

    expect(page.get_by_role("link", name="Rename")).to_be_focused()


def reach(page: Page, is_there: Callable[[], bool]) -> None:
    for _ in range(40):
        if is_there():
            return
        page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not get there")


def test_without_scripts_the_forms_still_work(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.page(java_script_enabled=False)
    log_in(page, acme_admin)

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The session is being stopped")).to_be_visible()
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Name").fill("Renamed")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("h1")).to_have_text("Renamed")
    assert aside(desk.fresh).name == "Renamed"


def test_the_state_in_the_database_is_what_the_page_said(
    harbour: Harbour, linked: tuple[str, Phone], browsers: Browsers, acme_admin: Person
) -> None:
    session_id, _ = linked
    page = browsers.logged_in(acme_admin)

    page.locator(CARD).get_by_role("button", name="Pause").click()
    expect(page.locator(CARD)).to_contain_text("Paused")

    placement = aside(harbour.shows, session_id, State.STOPPED, Reason.PAUSED)
    assert placement.device_jid
