"""People and workers write to the same session at once, and neither ends the other's transaction."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from accounts.permissions import SYSTEM
from fleet.models import Placement
from tenants.context import run_in
from tenants.models import Company
from tests.waiting import eventually
from whatsapp.models import Session
from whatsapp.services import sessions


def ask_for_a_code(company: Company, session_id: str) -> Session:
    return sessions.request_code(company=company, session_id=session_id, phone="+4915550000001", by=SYSTEM)


def archive(company: Company, session_id: str) -> Session:
    return sessions.archive(company=company, session_id=session_id, by=SYSTEM)


class Worker(threading.Thread):
    """Holds the placement, as workers do, and writes the session once somebody else waits for it."""

    def __init__(self, company: Company, session_id: str) -> None:
        super().__init__(daemon=True)
        self._company, self._session_id = company, session_id
        self.holds = threading.Event()
        self.wrote = False

    def run(self) -> None:
        try:
            run_in(self._company, self._write)
        finally:
            connection.close()

    @transaction.atomic
    def _write(self) -> None:
        Placement.objects.select_for_update(no_key=True).get(pk=self._session_id)
        self.holds.set()
        eventually(_somebody_waits, what="the other one waits for the placement")
        Session.objects.filter(pk=self._session_id).update(qr="2@code")
        self.wrote = True


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        (waits,) = cursor.fetchone()
    return bool(waits)


@pytest.mark.parametrize("verb", [ask_for_a_code, archive])
def test_a_person_waits_for_a_worker_and_gets_through(
    live_companies: tuple[Company, Company], verb: Callable[[Company, str], Session]
) -> None:
    acme, _ = live_companies
    session_id = run_in(acme, sessions.create, company=acme, by=SYSTEM, name="Front desk").pk
    worker = Worker(acme, session_id)
    worker.start()
    worker.holds.wait(30)

    run_in(acme, verb, acme, session_id)
    worker.join(30)

    assert worker.wrote


def test_a_session_in_the_making_holds_nobody_up_who_writes_a_row_of_the_company(
    live_companies: tuple[Company, Company],
) -> None:
    acme, _ = live_companies
    written = threading.Event()

    def write() -> None:
        Placement.objects.create(session_id="another", company=acme)
        written.set()
        connection.close()

    with transaction.atomic():
        run_in(acme, sessions.create, company=acme, by=SYSTEM, name="Front desk", start=False)
        threading.Thread(target=write, daemon=True).start()
        eventually(written.is_set, what="the other one is through before this one is")
