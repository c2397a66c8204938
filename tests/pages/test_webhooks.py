"""Webhooks in the pages: who sees them, what making and changing says, secrets shown once, and sending again."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from tests.pages.conftest import Desk, at_browser
from tests.people import Person
from tests.whatsapp.dispatching import endpoint
from tests.whatsapp.receiver import ReceiverServer, receiving, status
from wharf.networks import parse_networks
from whatsapp.catalogue import KINDS
from whatsapp.models import DeadLetter, Delivery, Event, WebhookEndpoint, WebhookLane
from whatsapp.models.webhook import DisabledReason
from whatsapp.pages import event_words
from whatsapp.pages.endpoint_words import health_of, outcome_of
from whatsapp.services import batches, deliveries, webhooks

pytestmark = pytest.mark.django_db

JSON = {"accept": "application/json"}
URL = "http://127.0.0.1:9999/hooks"
#: What the form sends when nobody has touched anything but the address.
FORM = {
    "url": URL,
    "description": "Our CRM",
    "which_kinds": "all",
    "which_numbers": "all",
    "batch_quiet_seconds": "0",
    "batch_max_messages": "10",
}


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture
def client(desk: Desk, acme_admin: Person) -> Client:
    return at_browser(acme_admin)


@pytest.fixture
def receiver() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


def content(response: Any) -> str:
    return html.unescape(response.content.decode())


def only(desk: Desk) -> WebhookEndpoint:
    row: WebhookEndpoint = desk.run(WebhookEndpoint.objects.get)
    return row


def make(desk: Desk, **words: Any) -> WebhookEndpoint:
    return endpoint(desk.company, words.pop("url", URL), **words)


def logged(desk: Desk) -> Event:
    """An event of acme's."""
    row: Event = desk.run(lambda: Event.objects.order_by("position")[0])
    return row


def tried(desk: Desk, row: WebhookEndpoint, **words: Any) -> Delivery:
    about = {"event_id": "E", "event_kind": "message.new", "attempt": 1, "duration": 7, "at": timezone.now()}
    found: Delivery = desk.run(Delivery.objects.create, endpoint_id=row.pk, **{**about, "is_delivered": True, **words})
    return found


# -- the list ----------------------------------------------------------------------------------------------------------
def test_a_list_without_webhooks_says_what_one_is(client: Client) -> None:
    seen = content(client.get("/webhooks"))

    assert "A webhook tells a program of yours what happens here" in seen
    assert 'href="/webhooks/new"' in seen


def test_the_list_tells_health_what_waits_and_what_was_given_up(client: Client, desk: Desk) -> None:
    row = make(desk, description="Our CRM")
    desk.new_session("Back office")
    desk.run(DeadLetter.objects.create, endpoint_id=row.pk, event_id="E", body={}, attempts=9, died_at=timezone.now())
    since = desk.run(lambda: Event.objects.filter(position__gt=row.cursor).count())

    seen = content(client.get("/webhooks?part=endpoints"))

    assert since
    assert all(word in seen for word in ("Our CRM", URL, "Working", f">{since}\n", ">1</td>"))
    assert "<html" not in seen


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/new", "/webhooks/{id}", "/webhooks/{id}/change"])
def test_webhooks_are_for_admins(desk: Desk, acme_manager: Person, globex_admin: Person, path: str) -> None:
    row = make(desk, description="Acmes hook")

    of_manager = at_browser(acme_manager).get(path.format(id=row.pk))
    of_stranger = at_browser(globex_admin).get(path.format(id=row.pk))

    assert of_manager.status_code == 403
    assert of_stranger.status_code == (404 if "{id}" in path else 200)
    assert "Acmes hook" not in content(of_manager) + content(of_stranger)
    assert "Webhooks</a>" not in content(at_browser(acme_manager).get("/"))
    assert "Webhooks</a>" in content(at_browser(globex_admin).get("/"))


def test_the_list_costs_as_many_queries_for_many_as_for_one(client: Client, desk: Desk) -> None:
    """But one for each that has something before it."""

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/webhooks").status_code == 200
        return len(asked)

    make(desk)
    cost()  # the first look notes that somebody was here
    before = cost()
    for _ in range(5):
        make(desk)

    assert cost() == before


# -- in words ----------------------------------------------------------------------------------------------------------
def test_health_is_said_in_words(desk: Desk) -> None:
    now = timezone.now()
    row = make(desk)

    def health(**fields: Any) -> Any:
        desk.run(WebhookEndpoint.objects.filter(pk=row.pk).update, **fields)
        return desk.run(lambda: health_of(WebhookEndpoint.objects.get(pk=row.pk)))

    assert (health().tone, health().title) == ("good", "Working")
    failing = health(failures=3, failing_since=now)
    assert (failing.tone, failing.since, failing.next_at, failing.detail) == ("bad", now, None, "3 failures in a row.")
    later = now + timedelta(minutes=3)
    spared = health(failures=7, open_until=later)
    assert (spared.next_at, "one request at a time" in spared.detail) == (later, True)
    gone = health(is_active=False, disabled_reason=DisabledReason.GONE, disabled_at=now)
    assert (gone.tone, gone.title, "410" in gone.detail) == ("bad", "Switched off", True)
    assert health(disabled_reason=DisabledReason.BY_PERSON).tone == "idle"


def test_a_receiver_that_refuses_one_numbers_event_is_said_to(desk: Desk) -> None:
    row = make(desk)
    lane = {"key": f"{row.pk}.x", "endpoint_id": row.pk, "session_id": desk.session.pk, "cursor": 0, "attempts": 4}
    desk.run(WebhookLane.objects.create, **lane)

    health = desk.run(lambda: health_of(WebhookEndpoint.objects.get(pk=row.pk)))

    assert (health.tone, health.title) == ("wait", "Refuses some events")
    assert health.detail == "1 number waits for its next event to be taken; others go on."


def test_every_kind_of_event_and_every_failure_has_words() -> None:
    assert {*KINDS, batches.KIND, webhooks.TEST_KIND} == set(event_words.TITLES)
    assert {kind.name for group in event_words.kind_groups() for kind in group.kinds} == set(KINDS)
    assert outcome_of(204, "") == "HTTP 204"
    for error in ("timeout", "name", "address", "tls", "connection", "protocol"):
        assert outcome_of(None, error) != error


# -- making ------------------------------------------------------------------------------------------------------------
def test_a_webhook_is_made_and_its_secret_is_shown_once(client: Client, desk: Desk) -> None:
    made = client.post("/webhooks/new", FORM)
    row = only(desk)
    stored = str(dict(client.session))

    first, second = client.get(made["Location"]), client.get(made["Location"])

    assert made["Location"] == f"/webhooks/{row.pk}/secret"
    secret = re.findall(r"whsec_[\w+/=]+", content(first))[0]
    key = desk.run(lambda: deliveries.receiver_of(WebhookEndpoint.objects.get(pk=row.pk)).secret)
    assert Webhook(secret)._whsecret == key
    assert "webhook-signature" in content(first)
    assert secret not in content(second) + stored
    assert "not shown again" in content(second)
    assert first["Cache-Control"] == "no-store"
    assert (row.url, row.description, row.kinds, row.session_ids) == (URL, "Our CRM", [], [])


def test_a_script_is_told_where_the_secret_is_and_not_the_secret(client: Client, desk: Desk) -> None:
    answer = client.post("/webhooks/new", FORM, headers=JSON)

    assert answer.json()["url"] == f"/webhooks/{only(desk).pk}/secret"
    assert "whsec_" not in answer.content.decode()


def test_what_is_asked_for_is_kept(client: Client, desk: Desk) -> None:
    asked = {
        "which_kinds": "some",
        "kinds": ["message.new", "chat.changed"],
        "which_numbers": "some",
        "session_ids": [desk.session.pk],
        "headers": "X-Company-Id: 962302\r\n\r\nAuthorization: Bearer a:b\r\n",
        "batch_quiet_seconds": "9",
        "batch_max_messages": "20",
    }

    client.post("/webhooks/new", FORM | asked)

    row = only(desk)
    assert (row.kinds, row.session_ids) == (["chat.changed", "message.new"], [desk.session.pk])
    assert (row.batch_quiet_seconds, row.batch_max_messages) == (9, 20)
    headers = desk.run(lambda: deliveries.receiver_of(row).headers)
    assert headers == {"X-Company-Id": "962302", "Authorization": "Bearer a:b"}
    seen = content(client.get(f"/webhooks/{row.pk}"))
    assert "Authorization, X-Company-Id" in seen or "X-Company-Id, Authorization" in seen
    assert "Bearer" not in seen


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"url": "https://10.0.0.1/hooks"}, "Address: This host is not on the public internet"),
        ({"url": "ftp://example.org/"}, "Address: This is not an address such as https://example.org/hooks"),
        ({"url": ""}, "Address: This field is required."),
        ({"which_kinds": "some"}, "Events: Choose at least one, or all."),
        ({"which_kinds": "some", "kinds": "nothing.new"}, "Events: Select a valid choice"),
        ({"which_numbers": "some", "session_ids": "another's"}, "Numbers: Select a valid choice"),
        ({"headers": "no colon"}, "Headers: Write each one as “Name: value” on its own line."),
        ({"headers": "Content-Type: text/plain"}, "Headers: A header has a name that cannot be given"),
        ({"batch_quiet_seconds": "301"}, "Seconds of quiet: Ensure this value is less than or equal to 300."),
        ({"description": "x" * 201}, "Name: Ensure this value has at most 200 characters"),
    ],
)
def test_bad_input_is_explained_and_what_was_typed_stays(
    client: Client, desk: Desk, asked: dict[str, str], reason: str
) -> None:
    page = client.post("/webhooks/new", FORM | asked)
    answer = client.post("/webhooks/new", FORM | asked, headers=JSON)

    assert (page.status_code, reason in content(page), answer.status_code) == (400, True, 400)
    assert reason in answer.json()["message"]
    assert "Our CRM" in content(page) or "description" in asked
    assert not desk.run(WebhookEndpoint.objects.exists)


# -- changing ----------------------------------------------------------------------------------------------------------
def test_changing_keeps_headers_unless_others_are_given(client: Client, desk: Desk) -> None:
    row = make(desk, headers={"X-Token": "one"}, kinds=["message.new"])
    path = f"/webhooks/{row.pk}/change"

    def headers() -> dict[str, str]:
        return desk.run(lambda: deliveries.receiver_of(WebhookEndpoint.objects.get(pk=row.pk)).headers)

    assert "It has: X-Token." in content(client.get(path))
    client.post(path, FORM | {"description": "Renamed"})
    assert (only(desk).description, only(desk).kinds, headers()) == ("Renamed", [], {"X-Token": "one"})
    client.post(path, FORM | {"headers": "X-Other: two"})
    assert headers() == {"X-Other": "two"}
    client.post(path, FORM | {"drops_headers": "on"})
    assert headers() == {}


def test_a_number_in_the_archive_stays_chosen(client: Client, desk: Desk) -> None:
    spare = desk.new_session("Spare")
    row = make(desk, session_ids=[spare.pk])
    client.post(f"/sessions/{spare.pk}/archive")

    seen = content(client.get(f"/webhooks/{row.pk}/change"))

    assert re.search(rf'value="{spare.pk}" checked>Spare', seen)


def test_switching_off_and_on_again(client: Client, desk: Desk) -> None:
    row = make(desk)
    path = f"/webhooks/{row.pk}/switch"

    off = client.post(path, {"is_active": "false"}, follow=True)
    assert (only(desk).is_active, "Somebody switched it off" in content(off)) == (False, True)
    on = client.post(path, {"is_active": "true"}, follow=True)
    assert (only(desk).is_active, "goes on where it stopped" in content(on)) == (True, True)


def test_a_new_secret_is_made_only_when_it_is_confirmed(client: Client, desk: Desk) -> None:
    row = make(desk)
    path = f"/webhooks/{row.pk}/rotate"

    assert "signed with both" in content(client.get(path + "?part=form"))
    assert bytes(only(desk).sealed_secret) == bytes(row.sealed_secret)
    rotated = client.post(path, follow=True)

    assert bytes(only(desk).sealed_secret) != bytes(row.sealed_secret)
    assert re.search(r"whsec_", content(rotated))
    assert "signed with the secret before too" in content(rotated)
    assert "the one before is valid too" in content(client.get(f"/webhooks/{row.pk}"))


def test_another_webhooks_page_shows_no_secret_of_this_one(client: Client, desk: Desk) -> None:
    other = make(desk)
    made = client.post("/webhooks/new", FORM)

    assert "whsec_" not in content(client.get(f"/webhooks/{other.pk}/secret")).replace("whsec_ decoded", "")
    assert re.search(r"whsec_[\w+/=]{30}", content(client.get(made["Location"])))


def test_deleting_asks_first(client: Client, desk: Desk) -> None:
    row = make(desk)

    assert "Nobody can bring them back" in content(client.get(f"/webhooks/{row.pk}/delete"))
    assert desk.run(WebhookEndpoint.objects.exists)
    gone = client.post(f"/webhooks/{row.pk}/delete", headers=JSON)

    assert gone.json() == {"message": "The endpoint is deleted.", "url": "/webhooks"}
    assert not desk.run(WebhookEndpoint.objects.exists)


# -- testing -----------------------------------------------------------------------------------------------------------
def test_a_test_tells_what_the_receiver_said(client: Client, desk: Desk, receiver: ReceiverServer) -> None:
    row = make(desk, url=receiver.url)

    taken = content(client.post(f"/webhooks/{row.pk}/test", follow=True))
    receiver.answers = lambda _: status(500)
    refused = content(client.post(f"/webhooks/{row.pk}/test", follow=True))

    assert [request.event["type"] for request in receiver.heard] == ["webhook.test", "webhook.test"]
    assert "Result of the test: HTTP 200" in taken
    assert "thanks" in taken
    assert "Result of the test: HTTP 500" in refused
    assert "Result of the test" not in content(client.get(f"/webhooks/{make(desk).pk}"))


def test_a_test_of_a_receiver_that_is_away_says_so(client: Client, desk: Desk) -> None:
    row = make(desk, url="http://127.0.0.1:9998/")

    assert "Result of the test: No connection" in content(client.post(f"/webhooks/{row.pk}/test", follow=True))


# -- the log -----------------------------------------------------------------------------------------------------------
def test_the_log_tells_each_try_the_newest_first(client: Client, desk: Desk) -> None:
    row = make(desk)
    tried(desk, row, event_id="E1", status=200, response="fine", session_id=desk.session.pk)
    tried(desk, row, event_id="E2", is_delivered=False, error="timeout", attempt=3, is_replay=True)

    seen = content(client.get(f"/webhooks/{row.pk}?part=tries"))

    assert seen.index("E2") < seen.index("E1")
    for word in ("HTTP 200", "7 ms", "fine", "Front desk", "No answer in time", "try 3", ">again<", "message.new"):
        assert word in seen


@pytest.mark.parametrize(
    ("outcome", "events"), [("", {"E1", "E2"}), ("failed", {"E2"}), ("taken", {"E1"}), ("x", {"E1", "E2"})]
)
def test_the_log_is_filtered_by_outcome(client: Client, desk: Desk, outcome: str, events: set[str]) -> None:
    row = make(desk)
    tried(desk, row, event_id="E1", status=200)
    tried(desk, row, event_id="E2", status=500, is_delivered=False)

    seen = content(client.get(f"/webhooks/{row.pk}?part=tries&outcome={outcome}"))

    assert {event for event in ("E1", "E2") if f"/events/{event}" in seen} == events


def test_older_tries_are_on_the_next_page(client: Client, desk: Desk) -> None:
    row = make(desk)
    for number in range(53):
        tried(desk, row, event_id=f"E{number}")

    first = content(client.get(f"/webhooks/{row.pk}"))
    link = re.findall(r'href="(\?outcome=[^"]*before=\d+)#log"', first)[0]
    second = content(client.get(f"/webhooks/{row.pk}{link}"))

    shown = [set(re.findall(r"/events/(E\d+)", page)) for page in (first, second)]
    assert shown == [{f"E{number}" for number in range(3, 53)}, {"E0", "E1", "E2"}]
    assert "data-renew" in first.partition('id="log"')[2]
    assert "data-renew" not in second.partition('id="log"')[2]


@pytest.mark.parametrize("part", ["", "?part=", "?part=nothing"])
def test_a_part_that_there_is_not_is_the_whole_page(client: Client, desk: Desk, part: str) -> None:
    row = make(desk)
    tried(desk, row, response="thanks")

    seen = content(client.get(f"/webhooks/{row.pk}{part}"))

    assert all(word in seen for word in ("<html", "Working", "thanks", "Deliveries"))


def test_what_a_receiver_answered_is_text_and_nothing_else(client: Client, desk: Desk) -> None:
    row = make(desk)
    tried(desk, row, response="<script>alert(1)</script>")

    seen = client.get(f"/webhooks/{row.pk}").content.decode()

    assert "<script>alert" not in seen
    assert "&lt;script&gt;alert(1)" in seen


def test_the_event_of_a_delivery_is_shown_as_it_was_sent(client: Client, desk: Desk) -> None:
    row, event = make(desk), logged(desk)

    seen = content(client.get(f"/webhooks/{row.pk}/events/{event.id}?part=form"))

    assert f'"id": "{event.id}"' in seen
    assert "<html" not in seen
    assert client.get(f"/webhooks/{row.pk}/events/nothing").status_code == 404


# -- again -------------------------------------------------------------------------------------------------------------
def test_one_delivery_is_repeated(client: Client, desk: Desk) -> None:
    row, event = make(desk), logged(desk)
    delivery = tried(desk, row, event_id=event.id)

    answer = client.post(f"/webhooks/{row.pk}/deliveries/{delivery.pk}/redeliver", headers=JSON)

    assert answer.json()["message"] == "The event is being sent again."
    lane = desk.run(WebhookLane.objects.get)
    assert (lane.is_replay, lane.event_ids) == (True, [event.id])


def test_an_event_that_is_kept_nowhere_cannot_be_repeated(client: Client, desk: Desk) -> None:
    row = make(desk)
    delivery = tried(desk, row, event_id="forgotten")

    answer = client.post(f"/webhooks/{row.pk}/deliveries/{delivery.pk}/redeliver", headers=JSON)

    assert (answer.status_code, answer.json()["message"]) == (404, "No such events are kept")


@pytest.mark.parametrize(("named", "events"), [({"event": "E1"}, ["E1"]), ({}, ["E1", "E2"])])
def test_what_was_given_up_is_repeated_one_or_all(
    client: Client, desk: Desk, named: dict[str, str], events: list[str]
) -> None:
    row = make(desk)
    for name in ("E1", "E2"):
        letter = {"event_id": name, "event_kind": "message.new", "body": {"cursor": "1"}, "attempts": 9, "status": 422}
        desk.run(DeadLetter.objects.create, endpoint_id=row.pk, died_at=timezone.now(), **letter)
    seen = content(client.get(f"/webhooks/{row.pk}"))

    client.post(f"/webhooks/{row.pk}/revive", named)

    assert "HTTP 422" in seen
    assert "after 9 tries" in seen
    assert desk.run(WebhookLane.objects.get).event_ids == events


def test_a_stretch_of_time_is_counted_before_it_is_sent_again(client: Client, desk: Desk) -> None:
    row = make(desk)
    count = desk.run(Event.objects.count)
    asked = {"begin": "2026-01-01T00:00", "end": "2999-01-01T00:00"}

    counted = content(client.get(f"/webhooks/{row.pk}/replay", asked))
    assert not desk.run(WebhookLane.objects.exists)
    sent = content(client.post(f"/webhooks/{row.pk}/replay", asked, follow=True))

    words = f"Send {count} events again" if count > 1 else "Send 1 event again"
    assert words in counted
    assert ("events are" if count > 1 else "event is") + " being sent again" in sent
    assert desk.run(WebhookLane.objects.get).is_replay
    assert "Nothing that this webhook asks for" in content(
        client.get(f"/webhooks/{row.pk}/replay", {"begin": "2020-01-01T00:00", "end": "2020-01-02T00:00"})
    )


def test_times_are_those_of_the_companys_zone(client: Client, desk: Desk) -> None:
    type(desk.company).objects.filter(pk=desk.company.pk).update(timezone="Asia/Vladivostok")
    row = make(desk)
    desk.run(Event.objects.update, recorded_at="2026-05-01T23:30Z")
    path = f"/webhooks/{row.pk}/replay"

    there = client.get(path, {"begin": "2026-05-02T09:00", "end": "2026-05-02T10:00"})
    elsewhere = client.get(path, {"begin": "2026-05-01T23:00", "end": "2026-05-02T00:00"})

    assert "Asia/Vladivostok" in content(there)
    assert "again</button>" in content(there)
    assert "again</button>" not in content(elsewhere)


@pytest.mark.parametrize("begin", ["2027-01-01T00:00", "yesterday", "", "0001-01-01T00:00", "9999-12-31T23:59"])
def test_a_stretch_that_is_none_is_explained(client: Client, desk: Desk, begin: str) -> None:
    type(desk.company).objects.filter(pk=desk.company.pk).update(timezone="Europe/Moscow")
    row = make(desk)
    asked = {"begin": begin, "end": "2026-01-01T00:00"}

    looked, sent = client.get(f"/webhooks/{row.pk}/replay", asked), client.post(f"/webhooks/{row.pk}/replay", asked)

    for answer in (looked, sent):
        assert answer.status_code == 400
        assert "Give a time to begin with and a later one to end with" in content(answer)
