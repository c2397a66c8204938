"""Probes: the process lives, and it can work, said without a log-in and without secrets."""

from typing import Any

import pytest
from django.conf import settings as real
from django.test import Client


def test_a_living_process_says_so_without_a_database(client: Client) -> None:
    """No `db` here: the test fails if a query is made."""
    response = client.get("/health/live", headers={"host": "10.1.2.3:3000"})

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_a_process_is_ready_when_its_stores_answer(db: None, client: Client) -> None:
    response = client.get("/health/ready", headers={"host": "10.1.2.3:3000"})

    assert (response.status_code, response.json()) == (200, {"status": "ok", "database": "ok", "redis": "ok"})


def test_a_store_that_does_not_answer_is_named(db: None, client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"

    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "database": "ok", "redis": "unavailable"}
    assert "hunter2" not in response.content.decode()


def test_without_a_database_a_process_is_not_ready(client: Client) -> None:
    """pytest-django refuses every query here, which is as good as a database that is down."""
    response = client.get("/health/ready")

    assert (response.status_code, response.json()["database"]) == (503, "unavailable")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_probes_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/health/live").status_code == 405
    assert real.REDIS_URL not in client.get("/health/ready").content.decode()
