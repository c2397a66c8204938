"""Webhooks, the event log and a queue in a real browser, with a real dispatcher: what happens appears by itself."""

from collections.abc import Iterator
from functools import partial

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.permissions import SYSTEM
from tenants.context import run_in
from tenants.models import Company
from tests.browser import DESKTOP, PHONE, Browsers, aside, becomes, needs_chromium, overflow
from tests.pages.conftest import Desk
from tests.pages.test_linking_browser import without_socket
from tests.people import Person
from tests.whatsapp.desk import Desk as Inside
from tests.whatsapp.desk import text
from tests.whatsapp.dispatching import dispatching_as, endpoint
from tests.whatsapp.receiver import ReceiverServer, receiving
from wharf.networks import parse_networks
from whatsapp.models import Delivery, Event, EventCounter
from whatsapp.services import feed, outbound

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture
def receiver(live_companies: None) -> Iterator[ReceiverServer]:
    """With a dispatcher that delivers to it."""
    with receiving() as server, dispatching_as():
        yield server


@pytest.fixture
def inside(live_companies: None, acme: Company) -> Inside:
    """A number that messages come in through."""
    return run_in(acme, partial(Inside.open, acme))


def says(desk: Desk, *texts: str) -> None:
    for words in texts:
        options = {"session_id": desk.session.pk, "chat_id": desk.chat.pk, "text": words, "by": SYSTEM}
        desk.run(outbound.queue_text, company=desk.company, **options)


def stays(page: Page) -> None:
    """Mark the page, so that a test can tell whether it was loaded again."""
    page.evaluate("window.isTheSame = true")


def is_the_same(page: Page) -> bool:
    return bool(page.evaluate("window.isTheSame === true"))


def test_a_webhook_from_its_making_to_a_repeated_delivery(
    browsers: Browsers, receiver: ReceiverServer, inside: Inside, acme_admin: Person
) -> None:
    browsers.expected = ("status of 400",)
    page = browsers.logged_in(acme_admin)
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("link", name="New webhook").click()
    page.get_by_label("Address").fill("https://10.0.0.1/hooks")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_have_text("Address: This host is not on the public internet")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("radio", name="Only these").first.check()
    page.get_by_label("New message").check()
    page.get_by_role("button", name="Create").click()
    secret = page.get_by_label("Secret").input_value()
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_text("Nothing was sent yet.")).to_be_visible()
    stays(page)

    aside(run_in, inside.company, inside.tell, text("Do you deliver?"))

    row = page.locator("#log tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("New message")
    expect(row).to_contain_text("HTTP 200")
    expect(row).to_contain_text("thanks")
    row.get_by_role("link", name="Content").click()
    expect(page.locator("#sheet .json")).to_contain_text('"body": "Do you deliver?"')
    page.locator("#sheet").get_by_role("link", name="Close").click()
    row.get_by_role("button", name="Repeat").click()
    expect(page.locator("#toasts")).to_have_text("The event is being sent again.")
    expect(row).to_have_count(2)
    expect(row.first).to_contain_text("again")
    assert is_the_same(page)
    first, again = receiver.hears(2)
    assert (first.id, first.text) == (again.id, "Do you deliver?")
    for request in (first, again):
        Webhook(secret).verify(request.raw, request.headers)


def test_a_test_says_on_the_page_what_the_receiver_said(
    browsers: Browsers, receiver: ReceiverServer, acme: Company, acme_admin: Person
) -> None:
    made = endpoint(acme, receiver.url)
    page = browsers.logged_in(acme_admin)
    page.goto(f"/webhooks/{made.pk}")
    stays(page)

    page.get_by_role("button", name="Test").click()

    expect(page.locator(".state", has_text="Result of the test: HTTP 200")).to_contain_text("thanks")
    assert is_the_same(page)


def test_who_deletes_a_webhook_gets_to_the_list_whatever_its_page_was_just_asking(
    browsers: Browsers, acme: Company, acme_admin: Person, live_companies: None
) -> None:
    """An answer that the webhook is not there any more may come while the list is being loaded."""
    browsers.expected = ("status of 404",)
    made = endpoint(acme, "http://127.0.0.1:9999/")
    page = browsers.logged_in(acme_admin)
    asked, leaving = list[Route](), list[Route]()
    page.route("**/*?part=summary", lambda route: asked.append(route))
    page.route("**/webhooks", lambda route: leaving.append(route))
    page.goto(f"/webhooks/{made.pk}")
    page.get_by_role("link", name="Delete").click()
    becomes(page, lambda: asked)

    page.locator("#sheet").get_by_role("button", name="Delete").click()
    becomes(page, lambda: leaving)
    for route in asked:
        route.fulfill(status=404)
    page.wait_for_timeout(100)
    leaving[0].continue_()

    expect(page.get_by_text("No webhook yet")).to_be_visible()


def test_events_appear_by_themselves_unless_paused_and_the_page_stays_bounded(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    page = browsers.logged_in(acme_admin)
    page.goto("/events")
    rows = page.locator("#events tr[data-cursor]")
    stays(page)

    aside(says, desk, "First")
    expect(rows.first).to_contain_text("→ Bob: First")

    page.get_by_role("button", name="Pause").click()
    aside(says, desk, "Second")
    expect(page.get_by_text("Paused; there is news")).to_be_visible()
    expect(rows.first).to_contain_text("First")
    page.get_by_role("button", name="Continue").click()
    expect(rows.first).to_contain_text("Second")

    for number in range(3):
        aside(desk.run, fill, 80)
        aside(says, desk, f"Later {number}")
        expect(rows.first).to_contain_text(f"Later {number}")
    expect(rows).to_have_count(200)
    last = rows.last.get_attribute("data-cursor")
    page.get_by_role("link", name="Older").click()
    assert int(rows.first.get_attribute("data-cursor") or 0) == int(last or 0) - 1


def test_without_a_socket_the_events_are_asked_for(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page, _ = without_socket(browsers, acme_admin)
    page.clock.install(time=timezone.now())
    page.goto("/events")
    expect(page.get_by_text("Live")).to_be_visible()
    aside(says, desk, "Hello")

    page.clock.run_for(20_000)

    expect(page.locator("#events tr").first).to_contain_text("→ Bob: Hello")


def fill(count: int) -> None:
    """So many more events that nobody is told of."""
    first, now = feed.top() + 1, timezone.now()
    rows = [
        Event(position=first + n, kind="chat.changed", happened_at=now, recorded_at=now, data={}) for n in range(count)
    ]
    Event.objects.bulk_create(rows)
    EventCounter.objects.filter(key="").update(value=first + count - 1)


def test_after_more_than_is_told_at_once_the_list_begins_anew(
    browsers: Browsers, desk: Desk, acme_admin: Person
) -> None:
    page = browsers.logged_in(acme_admin)
    aside(says, desk, "Before")
    page.goto("/events")
    rows = page.locator("#events tr[data-cursor]")
    expect(rows.first).to_contain_text("Before")
    aside(desk.run, fill, 150)

    aside(says, desk, "After")

    expect(rows.first).to_contain_text("After")
    expect(page.get_by_text("Before")).to_have_count(0)
    shown = [int(cursor) for cursor in rows.evaluate_all("rows => rows.map((row) => row.dataset.cursor)")]
    assert shown == list(range(shown[0], shown[-1] - 1, -1)), "there is a hole"
    older = f"{browsers.site.url}/events?number=&before={shown[-1]}"
    expect(page.locator("#older")).to_have_attribute("href", older)


def test_a_queue_follows_what_is_written_and_taken_back(browsers: Browsers, desk: Desk, acme_admin: Person) -> None:
    page = browsers.logged_in(acme_admin)
    page.goto(desk.at("/queue"))
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    stays(page)

    aside(says, desk, "One", "Two", "Three")
    rows = page.locator(".queue tbody tr")
    expect(rows).to_have_count(3)
    rows.first.get_by_role("button", name="Take back").click()
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button", name="All of this chat").click()

    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    page.get_by_role("button", name="Stop sending").click()
    expect(page.locator(".state", has_text="Sending was stopped here.")).to_be_visible()
    assert is_the_same(page)


@pytest.mark.parametrize(
    ("language", "scheme", "size"), [("ru-RU", "dark", PHONE), ("en-US", "light", DESKTOP)], ids=["phone", "desktop"]
)
def test_every_page_fits(
    browsers: Browsers, desk: Desk, acme: Company, acme_admin: Person, language: str, scheme: str, size: tuple[int, int]
) -> None:
    url = "http://127.0.0.1:9997/a/long/address/that-has-no-place-to-break-" + "x" * 60
    made = aside(endpoint, acme, url)
    aside(desk.run, fail, made.pk)
    aside(says, desk, "Hello " + "z" * 200)
    page = browsers.logged_in(acme_admin, size=size, language=language, color_scheme=scheme)
    for path in ("", "/new", f"/{made.pk}", f"/{made.pk}/change", f"/{made.pk}/replay", f"/{made.pk}/secret"):
        page.goto(f"/webhooks{path}")
        assert overflow(page) <= 0, path
    for path in ("/events", desk.at("/queue")):
        page.goto(path)
        assert overflow(page) <= 0, path


def fail(endpoint_id: str) -> None:
    """A try that was answered at length."""
    about = {"event_id": "E", "event_kind": "message.new", "attempt": 12, "duration": 15_000, "at": timezone.now()}
    Delivery.objects.create(endpoint_id=endpoint_id, is_delivered=False, status=500, response="y" * 400, **about)
