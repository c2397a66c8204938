"""When a linked session may be claimed on another disk than the one with its keys: late, and never in doubt."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fleet import leases
from fleet.models import Placement, Worker
from fleet.states import State, Wanted
from tenants.models import Company

pytestmark = pytest.mark.django_db

JID = "1:1@s.whatsapp.net"
LOST_AFTER = 300


def worker(name: str, *, store_id: str, up_for: float = 10_000, lost_after: int = LOST_AFTER) -> Worker:
    row = leases.register(name=name, pid=1, capacity=10, store_id=store_id, lost_after=lost_after)
    Worker.objects.filter(pk=row.pk).update(unbroken_since=timezone.now() - timedelta(seconds=up_for))
    return row


def silent_for(row: Worker, seconds: float) -> None:
    """Its lease ended so long ago."""
    Worker.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=seconds))


def linked(company: Company, **values: object) -> Placement:
    defaults = {"device_jid": JID, "store_id": "lost", "snapshot_jid": JID, "wanted": Wanted.RUNNING}
    return Placement.objects.create(session_id="a", company=company, **{**defaults, **values})


def claimed(row: Worker) -> list[str]:
    """What it gets; a beat says the same before."""
    has_free = leases.renew(row).has_free
    ids = [placement.session_id for placement in leases.claim(row, limit=10)]
    assert has_free == bool(ids)
    return ids


def test_a_session_of_a_disk_without_workers_for_long_is_claimed_elsewhere(acme: Company) -> None:
    linked(acme, state=State.CONNECTED)
    old, other = worker("old", store_id="lost"), worker("other", store_id="here")
    assert leases.claim(old, limit=10)

    silent_for(old, LOST_AFTER - 5)
    assert claimed(other) == []
    silent_for(old, LOST_AFTER + 5)

    assert claimed(other) == ["a"]
    assert Placement.objects.get(pk="a").store_id == "lost", "its keys are not here yet"


def test_one_living_worker_on_the_disk_is_enough_to_keep_it(acme: Company) -> None:
    linked(acme)
    dead, full = worker("dead", store_id="lost"), worker("alive", store_id="lost")
    silent_for(dead, LOST_AFTER * 2)

    assert claimed(worker("other", store_id="here")) == []
    silent_for(full, LOST_AFTER * 2)
    assert claimed(worker("another", store_id="here")) == ["a"]


@pytest.mark.parametrize("snapshot_jid", ["", "1:2@s.whatsapp.net"])
def test_without_a_snapshot_of_the_linked_device_it_waits_for_its_disk(acme: Company, snapshot_jid: str) -> None:
    linked(acme, snapshot_jid=snapshot_jid)
    silent_for(worker("old", store_id="lost"), LOST_AFTER * 2)

    assert claimed(worker("other", store_id="here")) == []
    assert claimed(worker("back", store_id="lost")) == ["a"]


def test_a_worker_that_never_takes_over_takes_nothing(acme: Company) -> None:
    linked(acme)
    silent_for(worker("old", store_id="lost"), LOST_AFTER * 2)

    assert claimed(worker("other", store_id="here", lost_after=0)) == []


def test_what_a_worker_may_hold_for_ever_is_never_taken(acme: Company) -> None:
    """It made no promise: an older version, or one that was told never to let go by itself."""
    linked(acme)
    old = worker("old", store_id="lost", lost_after=0)
    silent_for(old, 1_000_000)

    assert claimed(worker("other", store_id="here")) == []
    Worker.objects.filter(pk=old.pk).update(stopped_at=timezone.now())
    assert claimed(worker("other again", store_id="here")) == ["a"], "it has ended in good order"


def test_the_longer_of_two_patiences_counts(acme: Company) -> None:
    linked(acme)
    silent_for(worker("old", store_id="lost", lost_after=LOST_AFTER * 3), LOST_AFTER * 2)

    assert claimed(worker("other", store_id="here")) == []


def test_who_has_just_come_has_not_heard_that_the_others_are_silent(acme: Company) -> None:
    """After an outage of everything, or of the database alone, whoever is first must not take it all."""
    linked(acme)
    silent_for(worker("old", store_id="lost"), LOST_AFTER * 2)

    assert claimed(worker("fresh", store_id="here", up_for=LOST_AFTER - 5)) == []
    assert claimed(worker("there all along", store_id="here", up_for=LOST_AFTER + 5)) == ["a"]


def test_a_worker_that_was_away_itself_begins_to_listen_anew(acme: Company) -> None:
    linked(acme)
    silent_for(worker("old", store_id="lost"), LOST_AFTER * 2)
    other = worker("other", store_id="here")
    silent_for(other, 1)

    assert claimed(other) == []
    assert claimed(other) == [], "also with the next beat"
    other.refresh_from_db()
    assert timezone.now() - other.unbroken_since < timedelta(seconds=LOST_AFTER)


def test_a_steady_beat_leaves_it_unbroken(acme: Company) -> None:
    row = worker("steady", store_id="here")
    row.refresh_from_db()
    before = row.unbroken_since

    leases.renew(row)

    row.refresh_from_db()
    assert row.unbroken_since == before


def test_what_could_not_be_restored_is_left_to_its_own_disk_for_a_while(acme: Company) -> None:
    linked(acme, next_retry_at=timezone.now() + timedelta(seconds=60), state=State.CONNECTING)
    silent_for(worker("old", store_id="lost"), LOST_AFTER * 2)

    assert claimed(worker("other", store_id="here")) == []
    assert claimed(worker("back", store_id="lost")) == ["a"]


def test_once_it_is_anothers_its_old_disk_does_not_get_it_back(acme: Company) -> None:
    linked(acme, store_id="here")
    worker("its own", store_id="here")

    assert claimed(worker("back", store_id="lost")) == []
