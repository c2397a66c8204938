"""Exactly one owner a session, whatever the workers do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet import leases
from fleet.leases import Lease, LeaseLost, WorkerGone
from fleet.models import Placement, Worker
from fleet.states import State, Wanted
from tenants.models import Company

DB = pytest.mark.django_db


def worker(name: str = "one", *, store_id: str = "disk") -> Worker:
    return leases.register(name=name, pid=1, capacity=10, store_id=store_id)


def wanted(company: Company, session_id: str, **values: object) -> Placement:
    return Placement.objects.create(
        **{"session_id": session_id, "company": company, "wanted": Wanted.RUNNING, **values}
    )


def lease_of(session_id: str) -> Lease:
    placement = Placement.objects.get(pk=session_id)
    return Lease(session_id, placement.owner_id or "", placement.fence)


def go_silent(row: Worker) -> None:
    Worker.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


@DB
def test_a_worker_claims_what_is_wanted_and_free(acme: Company, globex: Company) -> None:
    wanted(acme, "a")
    wanted(globex, "b")
    wanted(acme, "stopped", wanted=Wanted.STOPPED)

    claimed = leases.claim(worker(), limit=10)

    assert sorted(placement.session_id for placement in claimed) == ["a", "b"]
    assert {placement.fence for placement in claimed} == {1}


@DB
def test_a_stopped_session_that_still_looks_alive_is_claimed_to_be_settled(acme: Company) -> None:
    wanted(acme, "a", wanted=Wanted.STOPPED, state=State.CONNECTED)

    assert [placement.session_id for placement in leases.claim(worker(), limit=10)] == ["a"]


@DB
def test_no_more_is_claimed_than_asked_for(acme: Company) -> None:
    for number in range(5):
        wanted(acme, str(number))

    assert len(leases.claim(worker(), limit=3)) == 3
    assert len(leases.claim(worker("two"), limit=3)) == 2


@DB
def test_what_is_owned_stays_owned_while_the_heart_beats(acme: Company) -> None:
    wanted(acme, "a")
    first, second = worker("one"), worker("two")
    leases.claim(first, limit=10)

    leases.renew(first)

    assert leases.claim(second, limit=10) == []
    assert [placement.session_id for placement in leases.renew(first).mine] == ["a"]


@DB
def test_a_beat_tells_what_is_owned_with_its_company_and_whether_more_is_free(acme: Company, globex: Company) -> None:
    for company, session_id in ((acme, "a"), (globex, "b")):
        wanted(company, session_id)
    one = worker()
    leases.claim(one, limit=10)
    owned_all = leases.renew(one)
    wanted(acme, "c")

    with CaptureQueriesContext(connection) as queries:
        beat = leases.renew(one)
        companies = {placement.session_id: placement.company for placement in beat.mine}

    assert companies == {"a": acme, "b": globex}
    assert (owned_all.has_free, beat.has_free) == (False, True)
    assert len(queries) == 5, "however many sessions and companies there are"


@DB
def test_evidence_is_noted_with_a_beat_for_what_is_connected_and_owned(acme: Company) -> None:
    for session_id, state in (("a", State.CONNECTED), ("quiet", State.CONNECTED), ("lost", State.CONNECTING)):
        wanted(acme, session_id, state=state)
    one, two = worker("one"), worker("two")
    leases.claim(one, limit=10)

    leases.renew(two, alive=["a"])
    assert not Placement.objects.exclude(evidence_at=None).exists()
    leases.renew(one, alive=["a", "lost"])

    assert [placement.session_id for placement in Placement.objects.exclude(evidence_at=None)] == ["a"]


@DB
def test_a_silent_worker_loses_its_sessions_and_may_not_write_any_more(acme: Company) -> None:
    wanted(acme, "a")
    first, second = worker("one"), worker("two")
    leases.claim(first, limit=10)
    old = lease_of("a")
    go_silent(first)

    leases.claim(second, limit=10)

    with pytest.raises(LeaseLost), transaction.atomic():
        leases.hold(old)
    with transaction.atomic():
        assert leases.hold(lease_of("a")).owner_id == second.pk
    assert leases.renew(first).mine == []


@DB
def test_a_worker_that_overslept_takes_nothing_from_itself(acme: Company) -> None:
    wanted(acme, "s1")
    one = worker()
    leases.claim(one, limit=5)
    go_silent(one)

    assert leases.claim(one, limit=5) == []
    assert lease_of("s1").fence == 1


def test_a_linked_device_is_claimed_only_where_its_store_is(acme: Company) -> None:
    wanted(acme, "a", device_jid="1:1@s.whatsapp.net", store_id="disk")

    assert leases.claim(worker("elsewhere", store_id="another disk"), limit=10) == []
    assert len(leases.claim(worker("here", store_id="disk"), limit=10)) == 1


@DB
def test_a_worker_that_comes_back_under_its_name_frees_what_its_dead_self_owned(acme: Company) -> None:
    wanted(acme, "a")
    first = worker("same")
    leases.claim(first, limit=10)

    again = worker("same")

    assert len(leases.claim(again, limit=10)) == 1
    with pytest.raises(WorkerGone):
        leases.renew(first)


@DB
def test_giving_back_what_another_owns_changes_nothing(acme: Company) -> None:
    wanted(acme, "a")
    first, second = worker("one"), worker("two")
    leases.claim(first, limit=10)
    old = lease_of("a")
    go_silent(first)
    leases.claim(second, limit=10)

    leases.release(old)

    assert Placement.objects.get(pk="a").owner_id == second.pk


@DB
def test_a_session_that_is_unlinked_already_is_claimed_once_and_not_again(acme: Company) -> None:
    wanted(acme, "a", wanted=Wanted.UNLINKED)
    wanted(acme, "b", wanted=Wanted.UNLINKED, device_jid="1:1@s.whatsapp.net", store_id="disk")
    first = worker()
    leases.claim(first, limit=10)

    for session_id in ("a", "b"):
        leases.release(lease_of(session_id))

    assert [placement.session_id for placement in leases.claim(first, limit=10)] == ["b"]


@DB
def test_a_retired_worker_owns_nothing(acme: Company) -> None:
    wanted(acme, "a")
    first = worker("one")
    leases.claim(first, limit=10)

    leases.retire(first)

    assert Placement.objects.get(pk="a").owner is None
    with pytest.raises(WorkerGone):
        leases.renew(first)


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_the_same_moment_never_share_a_session(acme: Company) -> None:
    for number in range(40):
        wanted(acme, f"{number:02}")
    rows = [worker(str(number)) for number in range(4)]

    def claim(row: Worker) -> list[str]:
        try:
            return [placement.session_id for _ in range(5) for placement in leases.claim(row, limit=3)]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(rows)) as pool:
        shares = list(pool.map(claim, rows))

    taken = [session_id for share in shares for session_id in share]
    assert len(taken) == len(set(taken)) == 40


@DB
def test_a_live_state_proves_nothing_once_its_worker_is_silent(acme: Company) -> None:
    wanted(acme, "a", state=State.CONNECTED, reason="")
    first = worker("one")
    leases.claim(first, limit=10)
    assert Placement.objects.select_related("owner").get(pk="a").shown_state == State.CONNECTED

    go_silent(first)

    shown = Placement.objects.select_related("owner").get(pk="a")
    assert (shown.shown_state, shown.shown_reason) == (State.CONNECTING, "worker_silent")
