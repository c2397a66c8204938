"""Webhook endpoints over REST: made, changed, tested, looked into; secrets are shown once and then never again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from accounts.throttle import WEBHOOK_TESTS_PER_COMPANY, count_request
from fleet.models import EndpointPlacement
from tenants.models import Company
from tests.people import Person, client_for
from tests.whatsapp.desk import Desk, text
from tests.whatsapp.receiver import ReceiverServer, receiving, status
from wharf.networks import parse_networks
from whatsapp.models import DeadLetter, Delivery, Event, WebhookEndpoint, WebhookLane
from whatsapp.services import webhooks
from whatsapp.services.deliveries import DELIVERIES_KEPT
from whatsapp.tasks import forget_deliveries

pytestmark = pytest.mark.django_db

PATH = "/api/whatsapp/webhooks"
URL = "https://127.0.0.1:8443/hooks"


@pytest.fixture(autouse=True)
def loopback_allowed(settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = parse_networks("127.0.0.0/8")


@pytest.fixture
def client(desk: Desk, acme_admin: Person) -> APIClient:
    return client_for(acme_admin)


@pytest.fixture
def receiver() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


def make(client: APIClient, **words: Any) -> dict[str, Any]:
    answer = client.post(PATH, {"url": URL, **words}, format="json")
    assert answer.status_code == 201, answer.json()
    made: dict[str, Any] = answer.json()["data"]
    return made


def everything_in(company: Company) -> str:
    """Of the endpoints' table, as a dump of the database has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, ' ') FROM whatsapp_webhookendpoint t")
        return str(cursor.fetchone()[0])


# -- making ------------------------------------------------------------------------------------------------------------
def test_a_secret_and_headers_are_shown_once_and_sealed(acme: Company, client: APIClient) -> None:
    made = make(client, headers={"Authorization": "Bearer receivers-own"}, description="CRM")
    shown = client.get(f"{PATH}/{made['id']}").json()["data"]
    listed = client.get(PATH).json()["data"]

    assert made["secret"].startswith("whsec_")
    assert listed == [shown] == [{name: value for name, value in made.items() if name != "secret"}]
    assert (shown["headers"], shown["description"]) == (["Authorization"], "CRM")
    told = str(listed) + everything_in(acme)
    raw = Webhook(made["secret"])._whsecret
    for secret in (made["secret"], "receivers-own", raw.hex(), b"receivers-own".hex()):
        assert secret not in told


def test_a_new_endpoint_begins_now(client: APIClient, desk: Desk) -> None:
    desk.tell(text("Before"))

    assert make(client)["cursor"] == str(Event.objects.order_by("-position")[0].position)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"types": ["message.eaten"]}, "types.0"),
        ({"headers": {"Host": "inside"}}, "headers"),
        ({"headers": {"webhook-id": "mine"}}, "headers"),
        ({"headers": {"X Y": "z"}}, "headers"),
        ({"headers": {"X-Y": "z\r\nEvil: 1"}}, "headers"),
        ({"headers": {f"X-{number}": "" for number in range(21)}}, "headers"),
        ({"url": ""}, "url"),
        ({"description": "x" * 201}, "description"),
        ({"types": "message.new"}, "types"),
    ],
)
def test_bad_words_are_refused_by_name(client: APIClient, words: dict[str, Any], field: str) -> None:
    answer = client.post(PATH, {"url": URL, **words}, format="json")

    assert (answer.status_code, [name.split(".")[0] for name in answer.json()["fields"]]) == (
        400,
        [field.split(".")[0]],
    )
    assert not WebhookEndpoint.objects.exists()


def test_a_session_that_is_not_the_companys_cannot_be_named(client: APIClient) -> None:
    assert client.post(PATH, {"url": URL, "sessionIds": ["nobodys"]}, format="json").status_code == 404


def test_a_company_has_so_many_endpoints(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_ENDPOINTS", 1)
    make(client)

    answer = client.post(PATH, {"url": URL}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


# -- changing ----------------------------------------------------------------------------------------------------------
def test_only_what_is_given_changes_and_its_dispatcher_is_told(client: APIClient, desk: Desk) -> None:
    made = make(client, types=["message.new"], headers={"X-Token": "1"})
    work = EndpointPlacement.objects.get().work

    changed = client.patch(f"{PATH}/{made['id']}", {"sessionIds": [desk.session_id]}, format="json").json()["data"]

    assert (changed["types"], changed["headers"]) == (["message.new"], ["X-Token"])
    assert changed["sessionIds"] == [desk.session_id]
    assert EndpointPlacement.objects.get().work > work


def test_an_endpoint_is_switched_off_and_on(client: APIClient) -> None:
    made = make(client)
    row = WebhookEndpoint.objects.filter(pk=made["id"])
    row.update(failures=9, failing_since=timezone.now(), open_until=timezone.now())

    off = client.patch(f"{PATH}/{made['id']}", {"isActive": False}, format="json").json()["data"]
    assert (off["isActive"], off["disabledReason"]) == (False, "by_person")
    assert not EndpointPlacement.objects.get().is_active
    assert Event.objects.get(kind="webhook.disabled").data["reason"] == "by_person"

    on = client.patch(f"{PATH}/{made['id']}", {"isActive": True}, format="json").json()["data"]
    assert (on["isActive"], on["disabledReason"], on["failures"], on["nextTryAt"]) == (True, None, 0, None)
    assert EndpointPlacement.objects.get().is_active


def test_a_deleted_endpoint_leaves_nothing(client: APIClient) -> None:
    made = make(client)

    assert client.delete(f"{PATH}/{made['id']}").status_code == 200

    assert client.get(f"{PATH}/{made['id']}").json()["code"] == "webhook_not_found"
    assert not EndpointPlacement.objects.exists()


def test_a_secret_that_cannot_be_read_any_more_is_made_anew(client: APIClient) -> None:
    made, other = make(client, isActive=False), make(client)
    # Sealed for another endpoint, which is as good as with another key.
    foreign = WebhookEndpoint.objects.get(pk=other["id"]).sealed_secret
    WebhookEndpoint.objects.filter(pk=made["id"]).update(sealed_secret=foreign)
    path = f"{PATH}/{made['id']}"

    for answer in (client.post(f"{path}/test"), client.patch(path, {"isActive": True}, format="json")):
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_secret_unreadable")

    rotated = client.post(f"{path}/rotate-secret").json()["data"]
    assert (rotated["secret"][:6], rotated["previousSecretUntil"]) == ("whsec_", None)
    assert client.patch(path, {"isActive": True}, format="json").json()["data"]["isActive"]


def test_a_new_secret_leaves_the_old_one_a_day(client: APIClient) -> None:
    made = make(client)

    rotated = client.post(f"{PATH}/{made['id']}/rotate-secret").json()["data"]

    assert rotated["secret"] != made["secret"]
    until = WebhookEndpoint.objects.get().previous_secret_until
    assert until is not None
    assert timedelta(hours=23) < until - timezone.now() <= timedelta(hours=24)


def test_an_endpoint_asks_for_messages_together(client: APIClient) -> None:
    plain, made = make(client), make(client, batchQuietSeconds=9, batchMaxMessages=10)
    wrong = [{"batchQuietSeconds": 301}, {"batchQuietSeconds": -1}, {"batchMaxMessages": 1}, {"batchMaxMessages": 51}]

    answers = [client.patch(f"{PATH}/{made['id']}", words, format="json").status_code for words in wrong]
    changed = client.patch(f"{PATH}/{made['id']}", {"batchQuietSeconds": 0}, format="json").json()["data"]

    assert (plain["batchQuietSeconds"], plain["batchMaxMessages"]) == (0, 10)
    assert (made["batchQuietSeconds"], made["batchMaxMessages"]) == (9, 10)
    assert answers == [400] * 4
    assert (changed["batchQuietSeconds"], changed["batchMaxMessages"]) == (0, 10)


# -- testing -----------------------------------------------------------------------------------------------------------
def test_a_test_says_what_the_receiver_said(client: APIClient, receiver: ReceiverServer) -> None:
    made = make(client, url=receiver.url)

    good = client.post(f"{PATH}/{made['id']}/test").json()["data"]
    receiver.answers = lambda _: status(500)
    bad = client.post(f"{PATH}/{made['id']}/test").json()["data"]

    assert (good["delivered"], good["status"], good["response"]) == (True, 200, "thanks")
    assert (bad["delivered"], bad["status"]) == (False, 500)
    request = receiver.heard[0]
    event = Webhook(made["secret"]).verify(request.raw, request.headers)
    assert (event["type"], event["id"], event["cursor"]) == ("webhook.test", good["eventId"], None)
    assert not Event.objects.filter(kind="webhook.test").exists()


def test_tests_have_their_measure(client: APIClient, receiver: ReceiverServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(client, url=receiver.url)
    for _ in range(WEBHOOK_TESTS_PER_COMPANY.most):
        count_request(WEBHOOK_TESTS_PER_COMPANY, Company.objects.get(slug="acme").pk)

    assert client.post(f"{PATH}/{made['id']}/test").status_code == 429
    assert receiver.heard == []


# -- again -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [
        {}, {"from": "2026-01-01T00:00:00Z"}, {"ids": []}, {"from": "2026-01-01T00:00", "to": "2027-01-01T00:00Z"},
        {"ids": ["x"], "from": "2026-01-01T00:00Z", "to": "2027-01-01T00:00Z"},
    ],
)  # fmt: skip
def test_a_replay_says_either_when_or_which(client: APIClient, body: dict[str, Any]) -> None:
    made = make(client)

    assert client.post(f"{PATH}/{made['id']}/replay", body, format="json").status_code == 400


def test_a_replay_of_nothing_is_none(client: APIClient, desk: Desk) -> None:
    made = make(client, types=["chat.changed"])
    desk.tell(text("Hello"))
    for body in ({"ids": ["nobodys"]}, {"from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"}):
        answer = client.post(f"{PATH}/{made['id']}/replay", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (404, "nothing_to_replay")


def test_a_replay_is_a_lane_of_its_own(client: APIClient, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(client)
    desk.tell(text("Hello"))
    monkeypatch.setattr(webhooks, "MAX_REPLAYS", 1)
    ids = list(Event.objects.filter(kind="message.new").values_list("id", flat=True))
    ask = f"{PATH}/{made['id']}/replay"

    answer = client.post(ask, {"ids": [*ids, "unknown"]}, format="json")

    assert (answer.status_code, answer.json()["data"]) == (202, {"events": 1})
    lane, position = WebhookLane.objects.get(), Event.objects.get(kind="message.new").position
    assert (lane.is_replay, lane.cursor, lane.until) == (True, position - 1, position)
    assert client.get(f"{PATH}/{made['id']}").json()["data"]["replays"] == 1
    assert client.post(ask, {"ids": ids}, format="json").json()["code"] == "too_many_replays"


def test_a_dead_letter_can_be_replayed_when_the_log_has_forgotten_it(client: APIClient) -> None:
    made = make(client)
    letter = {"event_id": "gone", "event_kind": "message.new", "body": {"cursor": "7"}, "attempts": 90}
    DeadLetter.objects.create(endpoint_id=made["id"], died_at=timezone.now(), **letter)
    (listed,) = client.get(f"{PATH}/{made['id']}/dead-letters").json()["data"]

    answer = client.post(f"{PATH}/{made['id']}/replay", {"ids": [listed["eventId"]]}, format="json")

    assert (listed["attempts"], answer.json()["data"]) == (90, {"events": 1})
    lane = WebhookLane.objects.get()
    assert (lane.cursor, lane.until) == (6, 7)


# -- the log -----------------------------------------------------------------------------------------------------------
def tries(endpoint_id: str, count: int) -> None:
    for number in range(count):
        Delivery.objects.create(
            endpoint_id=endpoint_id, event_id=f"E{number % 2}", event_kind="message.new", attempt=1,
            is_delivered=number % 2 == 0, duration=3, at=timezone.now(),
        )  # fmt: skip


def test_deliveries_are_listed_in_pages_and_by_what_became_of_them(client: APIClient) -> None:
    made = make(client)
    tries(made["id"], 5)
    path = f"{PATH}/{made['id']}/deliveries"

    first = client.get(path, {"limit": 3}).json()["data"]
    rest = client.get(path, {"limit": 3, "before": first[-1]["id"]}).json()["data"]

    ids = [int(row["id"]) for row in first + rest]
    assert (len(ids), ids) == (5, sorted(ids, reverse=True))
    assert [row["delivered"] for row in client.get(path, {"delivered": "false"}).json()["data"]] == [False] * 2
    assert len(client.get(path, {"event": "E0"}).json()["data"]) == 3


def test_a_delivery_that_is_not_there_is_not_sent_again(client: APIClient) -> None:
    made = make(client)

    answer = client.post(f"{PATH}/{made['id']}/deliveries/99/redeliver")

    assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")


def test_old_deliveries_are_forgotten(client: APIClient) -> None:
    made = make(client)
    tries(made["id"], 2)
    Delivery.objects.filter(event_id="E0").update(at=timezone.now() - DELIVERIES_KEPT - timedelta(minutes=1))

    forget_deliveries(timestamp=0)

    assert list(Delivery.objects.values_list("event_id", flat=True)) == ["E1"]


def test_managers_are_told_that_this_is_for_admins(acme_manager: Person, desk: Desk) -> None:
    answer = client_for(acme_manager).get(PATH)

    assert (answer.status_code, answer.json()["code"]) == (403, "admins_only")
