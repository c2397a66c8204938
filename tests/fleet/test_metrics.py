"""Metrics: closed to strangers, true to the rows, the same few queries for any number of companies, and no names."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from fleet import dispatching, leases
from fleet.census import Census
from fleet.models import EndpointPlacement, Placement, Trouble, Worker
from fleet.states import State, Wanted
from tenants.models import Company

TOKEN = "an operators' token of forty characters!"


@pytest.fixture
def opened(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(client: Client, token: str = TOKEN) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    # As Prometheus does: at the process's own address, whatever that is called.
    response = client.get("/metrics", headers={"authorization": f"Bearer {token}", "host": "10.1.2.3:3000"})
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def samples(census: Census) -> dict[tuple[str, tuple[str, ...]], float]:
    registry = CollectorRegistry()
    registry.register(census)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def placement(company: Company, number: int, **fields: Any) -> Placement:
    return Placement.objects.create(session_id=f"session-{number}", company=company, **fields)


def worker(**fields: Any) -> Worker:
    return leases.register(name="worker-1", pid=1, capacity=40, store_id="disk", **fields)


# -- who may read ----------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@pytest.mark.parametrize("authorization", ["", f"Bearer {TOKEN}", "Bearer "])
def test_without_a_token_of_its_own_there_is_no_such_address(client: Client, settings: Any, authorization: str) -> None:
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"authorization": authorization}).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ключ"])
def test_whoever_has_not_the_token_learns_nothing(client: Client, opened: None, authorization: str) -> None:
    response = client.get("/metrics", headers={"authorization": authorization} if authorization else {})

    assert (response.status_code, response.content) == (401, b"Unauthorized")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
def test_a_companys_admin_is_a_stranger_here(acme_admin: Any, opened: None, client: Client) -> None:
    assert client.get("/metrics", headers={"authorization": f"Bearer {acme_admin.token}"}).status_code == 401


# -- the fleet -------------------------------------------------------------------------------------------------------
def test_sessions_are_counted_by_state_reason_and_wish(acme: Company, globex: Company) -> None:
    owner = worker()
    for number, company in enumerate((acme, acme, globex)):
        placement(company, number, state=State.CONNECTED, reason="", wanted=Wanted.RUNNING, owner=owner)
    placement(globex, 9, state=State.REFUSED, reason="temporary_ban")

    told = samples(Census())

    assert told["wharf_sessions", ("whatsapp", "connected", "", "running")] == 3
    assert told["wharf_sessions", ("whatsapp", "refused", "temporary_ban", "stopped")] == 1
    assert told["wharf_sessions_without_owner", ()] == 0
    assert told["wharf_processes_alive", ("worker",)] == 1
    assert told["wharf_worker_capacity_sessions", ()] == 40
    assert told["wharf_census_up", ()] == 1


def test_nobody_is_connected_on_the_word_of_a_silent_worker(acme: Company) -> None:
    silent = worker()
    placement(acme, 1, state=State.CONNECTED, reason="", wanted=Wanted.RUNNING, owner=silent)
    Worker.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    told = samples(Census())

    assert told["wharf_sessions", ("whatsapp", "connecting", "worker_silent", "running")] == 1
    assert told["wharf_sessions_without_owner", ()] == 1
    assert told["wharf_processes_alive", ("worker",)] == 0


def test_the_time_in_a_state_is_told_by_quantiles(acme: Company) -> None:
    for number, minutes in enumerate((1, 2, 60)):
        placement(acme, number, state=State.REFUSED, since=timezone.now() - timedelta(minutes=minutes))

    told = samples(Census())

    assert told["wharf_session_state_age_seconds", ("refused", "0.5")] == pytest.approx(120, abs=30)
    assert told["wharf_session_state_age_seconds", ("refused", "1")] == pytest.approx(3600, abs=30)


def test_snapshots_are_told_by_the_oldest_and_by_those_that_are_missing(acme: Company) -> None:
    jid, now = "1:1@s.whatsapp.net", timezone.now()
    linked = {"device_jid": jid, "state": State.CONNECTED, "wanted": Wanted.RUNNING}
    placement(acme, 1, **linked, snapshot_jid=jid, snapshot_at=now - timedelta(minutes=1))
    placement(acme, 2, **linked, snapshot_jid=jid, snapshot_at=now - timedelta(minutes=9))
    placement(acme, 3, **linked)
    placement(acme, 4, **linked, snapshot_jid="1:2@s.whatsapp.net", snapshot_at=now - timedelta(days=1))

    told = samples(Census())

    assert told["wharf_snapshot_age_seconds", ()] == pytest.approx(540, abs=30)
    assert told["wharf_sessions_without_snapshot", ()] == 2


def test_endpoints_that_nobody_serves_and_open_troubles_are_counted(acme: Company) -> None:
    me = dispatching.register(name="webhooks", pid=1)
    EndpointPlacement.objects.create(endpoint_id="served", company=acme, owner=me)
    EndpointPlacement.objects.create(endpoint_id="waiting", company=acme)
    EndpointPlacement.objects.create(endpoint_id="off", company=acme, is_active=False)
    Trouble.objects.create(subject="fleet", cause="no_worker", about="", began_at=timezone.now())

    told = samples(Census())

    assert told["wharf_webhook_endpoints", ("yes",)] == 1
    assert told["wharf_webhook_endpoints", ("no",)] == 1
    assert told["wharf_troubles_open", ("no_worker",)] == 1


def test_a_job_that_nobody_takes_grows_old(acme: Company) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at)"
            " VALUES ('default', 'x', now() - interval '10 minutes'), ('default', 'y', now() + interval '1 hour')"
        )

    told = samples(Census())

    assert told["wharf_jobs", ("due",)] == 1
    assert told["wharf_jobs_oldest_due_seconds", ()] == pytest.approx(600, abs=30)


def test_the_number_of_queries_does_not_depend_on_companies(acme: Company, globex: Company) -> None:
    placement(acme, 1)
    with CaptureQueriesContext(connection) as few:
        samples(Census())
    for number in range(2, 40):
        placement(acme if number % 2 else globex, number)

    with CaptureQueriesContext(connection) as many:
        samples(Census())

    assert len(many) == len(few) <= 4


def test_scrapes_in_a_row_ask_the_database_once(acme: Company) -> None:
    now = [100.0]
    census = Census(cache_seconds=5, clock=lambda: now[0])
    samples(census)
    placement(acme, 1)

    with CaptureQueriesContext(connection) as queries:
        again = samples(census)
    now[0] += 5

    assert len(queries) == 0
    assert ("wharf_sessions", ("whatsapp", "unpaired", "never_linked", "stopped")) not in again
    assert samples(census)["wharf_sessions", ("whatsapp", "unpaired", "never_linked", "stopped")] == 1


def test_rows_that_cannot_be_read_are_said_and_not_made_up(acme: Company) -> None:
    placement(acme, 1)
    now = [100.0]
    census = Census(cache_seconds=5, clock=lambda: now[0])
    samples(census)
    now[0] += 5

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE fleet_trouble")
        told = samples(census)
        transaction.set_rollback(True)

    assert told == {("wharf_census_up", ()): 0}


def test_the_page_names_no_company_session_or_number(
    acme: Company, client: Client, opened: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    placement(acme, 4242, state=State.CONNECTED, device_jid="4915550000001:1@s.whatsapp.net")

    told = scrape(client)

    labels = {value for _, pairs in told for _, value in pairs}
    assert not labels & {acme.pk, acme.schema_name, acme.name, "session-4242"}
    assert not any("49155" in value for value in labels)
    assert any(name.startswith("process_") for name, _ in told)
    assert ("wharf_database_connections_max", ()) in told
