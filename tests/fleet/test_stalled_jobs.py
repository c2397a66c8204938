"""A jobs process that is killed in the middle of a job, or whose database goes away: what is queued is done."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import AlreadyEnqueued

from fleet.tasks import forget_old_workers, return_stalled_jobs
from tests.waiting import eventually
from wharf.logs import connection_name
from whatsapp.tasks import expire_queued

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[2]
#: By which the database knows the process's connections.
NAME = connection_name("runjobs")
#: Which of its connections it misses first is chance.
NOTICED = re.compile("stopping worker|the database is away")


class JobsProcess:
    """`manage.py runjobs` on the test's database."""

    def __init__(self) -> None:
        database = urlsplit(os.environ["WHARF_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        self._log = tempfile.NamedTemporaryFile()  # noqa: SIM115  # for as long as this object
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "runjobs"],
            cwd=ROOT,
            env=os.environ | {"WHARF_DATABASE_URL": database.geturl()},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def stops(self) -> int:
        self._process.terminate()
        return self._process.wait(30)

    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None


@pytest.fixture
def held() -> Iterator[psycopg.Connection[object]]:
    """The table that the job looks at, locked: the job hangs in the middle until this is closed."""
    with psycopg.connect(**connection.get_connection_params()) as own:
        own.execute("LOCK TABLE fleet_worker IN ACCESS EXCLUSIVE MODE")
        yield own


@pytest.fixture
def started() -> Iterator[list[JobsProcess]]:
    processes: list[JobsProcess] = []
    yield processes
    for process in processes:
        process.kill()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")


def status(job_id: int) -> tuple[str, int]:
    row = ProcrastinateJob.objects.get(pk=job_id)
    return row.status, row.attempts


def nobody_has_heard_of_the_workers() -> None:
    """As after half a minute."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '5 minutes'")


def test_the_job_of_a_killed_process_is_done_by_the_next_one(
    held: psycopg.Connection[object], started: list[JobsProcess]
) -> None:
    # A lock of its own: in the minutes after the hour at which it is due, a new process queues one more of its kind.
    job_id = forget_old_workers.configure(queueing_lock="of this test").defer(timestamp=0)
    started.append(JobsProcess())
    eventually(lambda: status(job_id)[0] == "doing", what="the job runs")

    started[0].kill()
    held.close()
    nobody_has_heard_of_the_workers()
    started.append(JobsProcess())
    with suppress(AlreadyEnqueued):
        return_stalled_jobs.configure().defer(timestamp=0)

    eventually(lambda: status(job_id)[0] == "succeeded", what="the job was done")
    assert status(job_id)[1] == 2


def stall(job_id: int) -> int:
    """Somebody died with it."""
    ProcrastinateJob.objects.filter(pk=job_id).update(status="doing")
    return job_id


def test_a_stalled_job_that_is_queued_anew_already_is_given_up_and_holds_up_no_other(
    started: list[JobsProcess],
) -> None:
    stalled = stall(expire_queued.configure().defer(timestamp=0))
    anew = expire_queued.configure().defer(timestamp=1)
    other = stall(forget_old_workers.configure().defer(timestamp=0))

    # Nothing is done yet: the sweep finds both side by side.
    asyncio.run(sweep())

    assert [status(each)[0] for each in (stalled, anew, other)] == ["failed", "todo", "todo"]
    started.append(JobsProcess())
    eventually(lambda: {status(anew)[0], status(other)[0]} == {"succeeded"}, what="what is to be done is done")


async def sweep() -> None:
    async with app.open_async():
        await return_stalled_jobs(timestamp=0)


# -- without a database ----------------------------------------------------------------------------------------------
@contextmanager
def database_away() -> Iterator[None]:
    """Nobody gets a connection any more, and the jobs process loses those it has."""
    name = connection.settings_dict["NAME"]
    elsewhere = connection.get_connection_params() | {"dbname": "postgres"}
    with psycopg.connect(**elsewhere, autocommit=True) as beside:
        beside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = %s"
            assert beside.execute(cut, [name, NAME]).fetchall()
            # One that was let in just before is seen a moment later.
            eventually(lambda: not beside.execute(cut, [name, NAME]).fetchall(), what="it has no connection left")
            yield
        finally:
            beside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_a_process_whose_database_went_away_goes_on_when_it_is_back(started: list[JobsProcess]) -> None:
    before = forget_old_workers.configure().defer(timestamp=0)
    started.append(JobsProcess())
    eventually(lambda: status(before)[0] == "succeeded", what="it works")

    with database_away():
        job_id = forget_old_workers.configure().defer(timestamp=1)
        eventually(lambda: NOTICED.search(started[0].log()), within=60, what="it notices")
        assert started[0].is_running
        assert status(job_id)[0] == "todo"

    # The queue's own pool tries again after 1, 2, 4 ... seconds, and once more for each connection that is found dead.
    eventually(lambda: status(job_id)[0] == "succeeded", within=90, what="it works again")
    assert started[0].stops() == 0
