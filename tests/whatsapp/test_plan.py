"""How many sessions a company has, however many people create them at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from accounts.permissions import SYSTEM
from fleet.states import Wanted
from tenants.context import run_in
from tenants.models import Company
from tests.whatsapp.desk import Desk
from wharf.errors import WharfError
from whatsapp.errors import NameTooLong, SessionLimitReached, UnknownNetwork
from whatsapp.models import Session
from whatsapp.services import sessions


def at_once(*calls: Callable[[], str]) -> list[str]:
    """The answers of calls that begin at the same moment, an error as its code."""
    gate, answers = threading.Barrier(len(calls)), []

    def run(call: Callable[[], str]) -> None:
        gate.wait(10)
        try:
            answers.append(call())
        except WharfError as error:
            answers.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def creating(company: Company, name: str) -> Callable[[], str]:
    return lambda: run_in(company, sessions.create, company=company, by=SYSTEM, name=name).pk


def test_of_two_who_take_the_last_place_exactly_one_gets_it(live_companies: tuple[Company, Company]) -> None:
    acme, _ = live_companies
    Company.objects.filter(pk=acme.pk).update(max_sessions=2)
    first = creating(acme, "First")()

    answers = at_once(*(creating(acme, f"Last {number}") for number in range(4)))

    ids = run_in(acme, lambda: set(Session.objects.values_list("pk", flat=True)))
    assert answers.count(SessionLimitReached.code) == 3
    assert ids == {first, *answers} - {SessionLimitReached.code}


def test_a_double_click_makes_one_session(live_companies: tuple[Company, Company]) -> None:
    acme, _ = live_companies

    answers = at_once(*(creating(acme, "Front desk") for _ in range(4)))

    assert len(answers) == 4
    assert set(answers) == run_in(acme, lambda: set(Session.objects.values_list("pk", flat=True)))


@pytest.mark.django_db
def test_a_linked_session_is_not_made_again_by_its_name(desk: Desk) -> None:
    again = sessions.create(company=desk.company, by=SYSTEM, name=desk.session.name)

    assert again.pk != desk.session_id


@pytest.mark.django_db
def test_an_archived_session_gives_its_place_back(acme: Company, desk: Desk) -> None:
    Company.objects.filter(pk=acme.pk).update(max_sessions=1)
    with pytest.raises(SessionLimitReached):
        sessions.create(company=acme, by=SYSTEM, name="Second")

    sessions.disconnect(company=acme, session_id=desk.session_id, by=SYSTEM)

    assert sessions.create(company=acme, by=SYSTEM, name="Second").pk != desk.session_id
    assert desk.placement.wanted == Wanted.UNLINKED, "the device is still to be logged out"


@pytest.mark.django_db
def test_a_name_is_tidied_and_bounded(desk: Desk) -> None:
    rename = {"company": desk.company, "session_id": desk.session_id, "by": SYSTEM}

    assert sessions.change(name="  Front \n desk ", **rename).name == "Front desk"  # type: ignore[arg-type]
    with pytest.raises(NameTooLong):
        sessions.change(name="x" * 81, **rename)  # type: ignore[arg-type]
    with pytest.raises(UnknownNetwork):
        sessions.create(company=desk.company, by=SYSTEM, name="x", network="telegram")
