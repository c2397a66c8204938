"""The event log in the pages: who reads it, what an event says, filters, pages, and what came since."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from accounts.permissions import SYSTEM
from tests.pages.conftest import Desk, at_browser
from tests.people import Person
from whatsapp.models import Event, EventCounter
from whatsapp.pages import events as pages
from whatsapp.pages.event_words import about
from whatsapp.services import feed, outbound

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(desk: Desk, acme_admin: Person) -> Client:
    return at_browser(acme_admin)


def content(response: Any) -> str:
    return html.unescape(response.content.decode())


def says(desk: Desk, *texts: str) -> None:
    """Texts of ours, each an event."""
    for text in texts:
        options = {"session_id": desk.session.pk, "chat_id": desk.chat.pk, "text": text, "by": SYSTEM}
        desk.run(outbound.queue_text, company=desk.company, **options)


def texts_in(page: str) -> list[str]:
    return re.findall(r"→ Bob: (\w+)", page)


# -- who reads it ------------------------------------------------------------------------------------------------------
def test_the_log_is_for_admins_and_each_company_has_its_own(
    client: Client, desk: Desk, acme_manager: Person, globex_admin: Person
) -> None:
    says(desk, "Secret")
    desk.grant(acme_manager)
    event_id = desk.run(lambda: Event.objects.get(kind="message.new").id)

    assert texts_in(content(client.get("/events"))) == ["Secret"]
    for path in ("/events", "/events?part=news&after=0", f"/events/{event_id}"):
        refused = at_browser(acme_manager).get(path)
        assert (refused.status_code, "Secret" in content(refused)) == (403, False)
        assert "Secret" not in content(at_browser(globex_admin).get(path))
    assert at_browser(globex_admin).get(f"/events/{event_id}").status_code == 404
    assert "Events</a>" not in content(at_browser(acme_manager).get("/"))


def test_an_empty_log_says_what_would_appear(globex_admin: Person) -> None:
    assert "Nothing has happened yet" in content(at_browser(globex_admin).get("/events"))


# -- what an event says ------------------------------------------------------------------------------------------------
def test_a_row_tells_when_what_and_where(client: Client, desk: Desk) -> None:
    says(desk, "Hello")

    seen = content(client.get("/events"))

    for word in ("New message", "message.new", "Front desk", "→ Bob: Hello", 'data-show="precise"'):
        assert word in seen


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("message.new", {"chat": {"chatName": "Bob"}, "message": {"body": "", "messageType": "image"}}, "← Bob: Photo"),
        (
            "message.new",
            {"chat": {"chatName": "Bob"}, "message": {"body": "Us", "messageType": "image"}},
            "← Bob: Photo: Us",
        ),
        ("message.status", {"status": "delivered"}, "Delivered"),
        ("message.status", {"status": "of tomorrow"}, "of tomorrow"),
        ("message.reaction", {"reactions": [{"emoji": "👍"}, {"emoji": "🎉"}]}, "👍 🎉"),
        ("chat.changed", {"chatName": "Bob"}, "Bob"),
        ("session.changed", {"state": "connected", "reason": "temporary_ban"}, None),
        ("session.changed", {"state": "connected", "reason": "of tomorrow"}, "connected"),
        ("webhook.disabled", {"description": "", "reason": "gone"}, "gone"),
        ("message.new", {}, "←"),
        ("of.tomorrow", {}, ""),
    ],
)
def test_what_an_event_is_about(kind: str, data: dict[str, Any], words: str | None) -> None:
    found = about(Event(kind=kind, data=data))

    assert found.strip(" :") == words if words is not None else len(found) > 10


def test_an_events_content_is_text_and_nothing_else(client: Client, desk: Desk) -> None:
    says(desk, "<img src=x onerror=alert(1)>")
    event_id = desk.run(lambda: Event.objects.get(kind="message.new").id)

    pages_of_it = [client.get(path).content.decode() for path in ("/events", f"/events/{event_id}")]
    part = client.get(f"/events/{event_id}?part=form").content.decode()

    assert not any("<img src=x" in page for page in (*pages_of_it, part))
    assert '"body": "<img src=x onerror=alert(1)>"' in html.unescape(part)
    assert "<html" not in part


# -- filters and pages -------------------------------------------------------------------------------------------------
def test_the_address_carries_the_filter(client: Client, desk: Desk) -> None:
    says(desk, "Hello")
    spare = desk.new_session("Spare")

    messages = content(client.get("/events?type=message.new"))
    of_spare = content(client.get(f"/events?number={spare.pk}"))
    neither = content(client.get(f"/events?number={spare.pk}&type=message.new&type=of.tomorrow"))

    assert "message.new</code>" in messages
    assert "session.created</code>" not in messages
    assert "session.created</code>" in of_spare
    assert "message.new</code>" not in of_spare
    assert "Nothing of this kind is in the log" in neither
    assert re.search(rf'value="{spare.pk}" selected', of_spare)
    assert re.search(r'value="message.new" checked', messages)


def test_older_events_are_found_by_the_link_with_the_filter(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROWS", 2)
    says(desk, "a", "b", "c")

    first = content(client.get("/events?type=message.new"))
    link = re.findall(r'id="older" href="([^"]+)"', first)[0]
    second = content(client.get("/events" + link))

    assert (texts_in(first), texts_in(second)) == (["c", "b"], ["a"])
    assert "data-live" in first
    assert "data-live=" not in second
    assert "Back to the newest" in second


def test_what_came_since_is_told_with_the_newest_cursor(client: Client, desk: Desk) -> None:
    says(desk, "old")
    top = desk.run(feed.top)
    says(desk, "new", "newest")

    news = content(client.get(f"/events?part=news&after={top}&type=message.new"))
    nothing = content(client.get(f"/events?part=news&after={desk.run(feed.top)}"))

    assert texts_in(news) == ["newest", "new"]
    assert f'data-top="{desk.run(feed.top)}"' in news
    assert "data-gap" not in news
    assert ("data-cursor" in nothing, "data-top" in nothing) == (False, True)


def test_when_more_came_than_is_told_at_once_the_script_hears_of_the_gap(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "NEWS", 2)
    says(desk, "old")
    top = desk.run(feed.top)
    says(desk, "a", "b", "c")

    news = content(client.get(f"/events?part=news&after={top}"))

    assert texts_in(news) == ["c", "b"]
    assert "data-gap" in news


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=99999999999999999999", "after=²", "number=x&type="])
def test_rubbish_in_the_address_is_ignored(client: Client, desk: Desk, query: str) -> None:
    assert client.get(f"/events?{query}").status_code == 200
    assert client.get(f"/events?part=news&{query}").status_code == 200


def test_what_is_rare_is_looked_for_in_stretches_with_a_link_that_goes_further_back(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the page costs the same however long the log is."""
    monkeypatch.setattr(feed, "WINDOW", 20)
    says(desk, "rare")
    top = desk.run(feed.top)
    desk.run(EventCounter.objects.filter(key="").update, value=top + 30)

    seen = content(client.get("/events?type=message.new"))
    link = re.findall(r'id="older" href="([^"]+)"', seen)[0]

    assert "Nothing of this kind among the newest 20 events." in seen
    assert "Look further back" in seen
    assert texts_in(content(client.get("/events" + link))) == ["rare"]
