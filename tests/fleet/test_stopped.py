"""A process that is stopped in the middle of a transaction: its locks go, and it finds that out when it wakes up."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from fleet import leases
from fleet.leases import LEASE
from fleet.models import Placement, Worker
from fleet.states import Wanted
from tenants.models import Company
from tests.product import ROOT
from tests.waiting import eventually
from whatsapp.worker.wakeups import _parameters

STOPPED = """
import os, signal, sys
worker, sys.argv = sys.argv[1], ["manage.py", "runsessions"]
import django
django.setup()
from django.db import OperationalError, transaction
from fleet import leases
from fleet.leases import Lease
from tenants.context import run_in_public

def write():
    with transaction.atomic():
        placement = leases.hold(Lease("held", worker, 1))
        os.kill(os.getpid(), signal.SIGSTOP)
        placement.state = "connected"
        placement.save()

try:
    run_in_public(write)
except OperationalError as error:
    print("away:", error)
"""


@pytest.fixture
def owner(live_companies: tuple[Company, Company]) -> Worker:
    worker = leases.register(name="first", pid=1, capacity=1, store_id="disk")
    Placement.objects.create(session_id="held", company=live_companies[0], wanted=Wanted.RUNNING)
    assert len(leases.claim(worker, limit=1)) == 1
    return worker


def test_a_process_stopped_in_the_middle_of_a_write_keeps_nothing_from_its_successor(owner: Worker) -> None:
    database = urlsplit(os.environ["WHARF_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    command = [sys.executable, "-c", STOPPED, owner.pk]
    env = os.environ | {"WHARF_DATABASE_URL": database.geturl()}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it holds the row"
        Worker.objects.filter(pk=owner.pk).update(lease_until="2000-01-01T00:00Z")
        second = leases.register(name="second", pid=2, capacity=1, store_id="disk")
        assert leases.claim(second, limit=1) == []
        assert leases.renew(second).has_free

        try:
            eventually(
                lambda: leases.renew(second) and leases.claim(second, limit=1),
                within=LEASE.total_seconds(),
                what="it is free",
            )
        finally:
            process.send_signal(signal.SIGCONT)
        said = process.communicate(timeout=30)[0]

    assert said.startswith("away:"), said
    assert Placement.objects.get(pk="held").state == "unpaired"


def test_a_person_who_looks_into_the_database_is_left_alone(owner: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "STOPPED_AFTER", timedelta(0))
    with psycopg.connect(**_parameters() | {"application_name": "psql"}) as person:
        person.execute("SELECT 1")
        leases.renew(owner)

        assert person.execute("SELECT 2").fetchone() == (2,)
