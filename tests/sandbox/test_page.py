"""The page, as a person sees it in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tests.clocks import stop_the_clock
from tests.jpegs import picture
from tests.sandbox.driver import Program, until

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")

Someone = Callable[..., Phone]
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield chromium
        chromium.close()


def is_complaint(said: ConsoleMessage) -> bool:
    """A refused request is none: the page explains it to the reader."""
    return said.type == "error" and "the server responded with a status of 4" not in said.text


@pytest.fixture
def page(browser: Browser, wa: SandboxThread) -> Iterator[Page]:
    """It must never complain, to its console or about its own policy."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="en-US")
    opened, complaints = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
    yield opened
    context.close()
    assert complaints == []


def test_nothing_foreign_and_nothing_inline_is_allowed(control: httpx.Client) -> None:
    shell = control.get("/")
    policy = shell.headers["content-security-policy"]

    assert shell.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in shell.text
    assert "onclick" not in shell.text
    assert control.get("/static/main.js").headers["content-security-policy"] == policy


@needs_chromium
@pytest.mark.browser
def test_a_person_makes_a_phone_links_a_device_and_talks(
    page: Page, wa: SandboxThread, program: Program, unlinked: str, someone: Someone
) -> None:
    customer = someone("Customer")
    number = str(int(customer.number) + 10_000)
    page.goto(wa.url)
    page.get_by_label("Phone number").fill(number)
    page.get_by_label("Name", exact=True).fill("My shop")
    page.get_by_role("button", name="Create").click()

    page.get_by_label("Text of the QR").fill(program.qr(unlinked))
    page.get_by_role("button", name="Scan").click()
    expect(page.get_by_text("Neonize 1")).to_be_visible()
    program.connected(client=unlinked)

    wa.send_text(customer, wa.world.phones[number], "<b>Are you open?</b>")
    expect(page.get_by_text("<b>Are you open?</b>").last).to_be_visible()
    page.get_by_role("button", name="Mark as read").click()
    expect(page.get_by_role("button", name="Mark as read")).to_be_hidden()
    page.get_by_label("Message", exact=True).fill("Until six")
    page.keyboard.press("Enter")

    program.hears("Until six", client=unlinked)
    expect(page.get_by_label("delivered")).to_be_visible()
    assert [m.text for m in customer.inbox] == ["Until six"]

    question = page.locator(".bubble", has_text="Are you open?")
    question.get_by_label("React").click()
    wa.send_text(customer, wa.world.phones[number], "Or later?")
    expect(page.locator(".bubble", has_text="Or later?")).to_be_visible()
    question.get_by_role("button", name="👍").click()
    expect(question.locator(".reaction")).to_have_text("👍")
    assert customer.reactions_to(customer.shown[0]) == {number: "👍"}
    page.get_by_label("Message", exact=True).fill("Or sev")
    until(lambda: customer.typing, "the customer sees that somebody types")
    wa.type(customer, wa.world.phones[number])
    expect(page.get_by_role("status").get_by_text("Customer is typing…")).to_be_visible()
    wa.type(customer, wa.world.phones[number], False)
    expect(page.get_by_text("Customer is typing…")).to_be_hidden()
    page.get_by_label("Message", exact=True).fill("")
    until(lambda: not customer.typing, "the customer sees that they have stopped")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@needs_chromium
@pytest.mark.browser
def test_a_mistake_is_explained_in_the_readers_language(page: Page, wa: SandboxThread, someone: Someone) -> None:
    page.goto(f"{wa.url}/#/{someone('Ana').number}")
    page.get_by_title("Русский").click()
    page.get_by_label("Ввести код привязки").fill("ABCD-EFGH")
    page.get_by_role("button", name="Привязать", exact=True).click()

    expect(page.get_by_text("Ни одно устройство не просило код для этого номера.")).to_be_visible()
    expect(page.get_by_text("не WhatsApp")).to_be_visible()


@needs_chromium
@pytest.mark.browser
def test_who_presses_a_button_has_clicked_it_whatever_happens_meanwhile(
    page: Page, wa: SandboxThread, someone: Someone
) -> None:
    ana, ben = someone("Ana"), someone("Ben")
    wa.send_text(ben, ana, "Hello")
    stop_the_clock(page)  # a machine may be slower than any press
    page.goto(f"{wa.url}/#/{ana.number}")
    question = page.locator(".bubble", has_text="Hello")
    question.get_by_label("React").click()
    question.get_by_role("button", name="👍").hover()

    page.mouse.down()
    with page.expect_response("**/inbox?*") as asked:
        wa.send_text(ben, ana, "Are you there?")
    asked.value.finished()
    page.mouse.up()
    page.clock.resume()

    expect(question.locator(".reaction")).to_have_text("👍")
    expect(page.locator(".bubble", has_text="Are you there?")).to_be_visible()


@needs_chromium
@pytest.mark.browser
def test_a_picture_is_sent_with_what_is_written(page: Page, wa: SandboxThread, someone: Someone) -> None:
    ana, ben = someone("Ana"), someone("Ben")
    wa.send_text(ben, ana, "Hello")
    page.goto(f"{wa.url}/#/{ana.number}")
    page.get_by_role("button", name="Ben").click()
    page.get_by_label("Message", exact=True).fill("The view")
    picked = page.locator("#write input[type=file]")

    picked.set_input_files({"name": "view.jpg", "mimeType": "image/jpeg", "buffer": picture()})

    expect(page.locator(".bubble", has_text="Picture: The view")).to_be_visible()
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    assert [(message.kind, message.text) for message in ben.inbox] == [("image", "The view")]
    picked.set_input_files({"name": "view.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    expect(page.locator(".toast.bad")).to_be_visible()
