"""Snapshots of device stores: taken in time, sealed, never behind the owner's back; and what becomes of them."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib import admin
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from fleet import leases
from fleet.leases import Lease, LeaseLost
from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import State
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import WorkerThread
from whatsapp.engine import device_store, store_copy
from whatsapp.engine.device_store import StoredDevice
from whatsapp.engine.store_copy import StoreDamaged
from whatsapp.models import DeviceSnapshot, Event, MessageStatus, Transition
from whatsapp.services import sealing, sessions, snapshots
from whatsapp.services.snapshots import Taken
from whatsapp.worker import run, storing
from whatsapp.worker import snapshots as keeping

BOB = "4915550000099"
LOST_AFTER = 300
QUICK = 0.1
NEVER = 10_000.0


@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    monkeypatch.setattr(run, "TICK_SECONDS", QUICK)
    monkeypatch.setattr(storing, "RETRY_SECONDS", QUICK)
    monkeypatch.setattr(keeping, "LOOK_SECONDS", QUICK)
    with Dock.made(live_companies[0], tmp_path / "first") as dock:
        dock.state_dir.mkdir()
        yield dock


# -- what is to be seen ------------------------------------------------------------------------------------------------
def snapshot(dock: Dock, session_id: str) -> DeviceSnapshot | None:
    return dock.run(DeviceSnapshot.objects.filter(pk=session_id).first)


def has_snapshot(dock: Dock, session_id: str) -> DeviceSnapshot:
    return eventually(lambda: snapshot(dock, session_id), what="a snapshot")


def opened(dock: Dock, session_id: str) -> bytes:
    return snapshots._opened(dock.company, has_snapshot(dock, session_id))


def stored(dock: Dock, session_id: str, state_dir: Path | None = None) -> bytes:
    """The store as it is now."""
    return store_copy.take(device_store.folder_of(state_dir or dock.state_dir, session_id)) or b""


def is_current(dock: Dock, session_id: str, state_dir: Path | None = None) -> None:
    eventually(lambda: opened(dock, session_id) == stored(dock, session_id, state_dir), what="the newest is kept")


def change(dock: Dock, session_id: str, state_dir: Path | None = None) -> None:
    """The engine writes something into its store."""
    path = device_store.folder_of(state_dir or dock.state_dir, session_id) / device_store.DEVICE_FILE
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO whatsmeow_message_secrets VALUES (?, ?)", (str(datetime.now(UTC)), b"key"))


def lease_of(session_id: str) -> Lease:
    placement = Placement.objects.get(pk=session_id)
    return Lease(session_id, placement.owner_id or "", placement.fence)


# -- keeping -----------------------------------------------------------------------------------------------------------
def test_a_number_that_was_just_linked_has_a_snapshot_at_once(dock: Dock) -> None:
    dock.work(snapshot_seconds=NEVER)
    session_id = dock.fresh()
    dock.qr(session_id)

    dock.engine.phone_scans(session_id, BOB)

    is_current(dock, session_id)
    row, placement = has_snapshot(dock, session_id), dock.placement(session_id)
    assert (row.device_jid, row.store_id, row.fence) == (placement.device_jid, placement.store_id, placement.fence)
    assert (placement.snapshot_jid, placement.snapshot_at) == (placement.device_jid, row.taken_at)


def test_nothing_of_the_keys_can_be_read_in_the_row(dock: Dock) -> None:
    dock.work(snapshot_seconds=QUICK)
    session_id = dock.connected()

    row = has_snapshot(dock, session_id)

    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(opened(dock, session_id))
        (noise_key,) = db.execute("SELECT noise_key FROM whatsmeow_device").fetchone()
    sealed = bytes(row.sealed)
    assert noise_key not in sealed
    assert b"whatsmeow" not in sealed
    assert row.size > len(sealed), "compressed before it was sealed"
    assert not admin.site.is_registered(DeviceSnapshot)


def test_what_changed_is_kept_in_time_and_what_did_not_is_not_written_again(dock: Dock) -> None:
    dock.work(snapshot_seconds=QUICK)
    session_id = dock.connected()
    is_current(dock, session_id)
    before = has_snapshot(dock, session_id)

    (device_store.folder_of(dock.state_dir, session_id) / device_store.DEVICE_FILE).touch()
    other = dock.connected()
    is_current(dock, other)
    assert has_snapshot(dock, session_id).taken_at == before.taken_at, "touched, and the same"
    change(dock, session_id)
    is_current(dock, session_id)

    assert has_snapshot(dock, session_id).taken_at > before.taken_at


def test_a_store_that_changes_all_the_time_is_kept_once_in_a_while(dock: Dock) -> None:
    dock.work(snapshot_seconds=NEVER)
    session_id = dock.connected()
    is_current(dock, session_id)
    before = has_snapshot(dock, session_id)

    change(dock, session_id)
    other = dock.connected()
    is_current(dock, other)

    assert has_snapshot(dock, session_id).taken_at == before.taken_at


def test_hundreds_that_start_together_wait_their_turns(dock: Dock) -> None:
    """Each had one already: it may have changed since, and there is no hurry."""
    worker = dock.work(snapshot_seconds=NEVER)
    ids = [dock.connected() for _ in range(3)]
    for session_id in ids:
        is_current(dock, session_id)
    worker.stop()
    before = {session_id: has_snapshot(dock, session_id).taken_at for session_id in ids}
    for session_id in ids:
        change(dock, session_id)
    dock.work(snapshot_seconds=NEVER)
    for session_id in ids:
        dock.shows(session_id, State.CONNECTED)

    is_current(dock, dock.connected())

    assert {session_id: has_snapshot(dock, session_id).taken_at for session_id in ids} == before


@pytest.mark.parametrize("end", ["pause", "hand-over"])
def test_a_planned_end_keeps_the_very_last(dock: Dock, end: str) -> None:
    worker = dock.work(snapshot_seconds=NEVER)
    session_id = dock.connected()
    is_current(dock, session_id)
    change(dock, session_id)

    if end == "pause":
        dock.do(sessions.pause, session_id)
        eventually(lambda: dock.placement(session_id).owner_id is None, what="the worker let go")
    else:
        worker.stop()

    assert opened(dock, session_id) == stored(dock, session_id)


def test_a_damaged_store_does_not_replace_a_good_snapshot(dock: Dock) -> None:
    worker = dock.work(snapshot_seconds=QUICK)
    session_id = dock.connected()
    is_current(dock, session_id)
    good = opened(dock, session_id)

    path = device_store.folder_of(dock.state_dir, session_id) / device_store.DEVICE_FILE
    path.write_bytes(b"ruin" * 4096)
    with pytest.raises((sqlite3.DatabaseError, StoreDamaged)):
        snapshots.take(path.parent)
    worker.stop()

    assert opened(dock, session_id) == good


def test_who_has_lost_the_session_cannot_write_over_the_new_owners(dock: Dock) -> None:
    first = dock.work(snapshot_seconds=NEVER)
    session_id = dock.connected()
    is_current(dock, session_id)
    late, lease = snapshots.take(device_store.folder_of(dock.state_dir, session_id)), lease_of(session_id)
    assert late is not None
    change(dock, session_id)
    first.stop()
    dock.work(snapshot_seconds=NEVER)
    dock.shows(session_id, State.CONNECTED)
    before = has_snapshot(dock, session_id)

    store_id = dock.placement(session_id).store_id
    with pytest.raises(LeaseLost):
        dock.run(snapshots.keep, company=dock.company, lease=lease, store_id=store_id, taken=late)

    assert has_snapshot(dock, session_id).sha256 == before.sha256 != late.sha256


@pytest.mark.parametrize("wrong", ["device", "disk"])
def test_what_is_not_the_sessions_is_not_kept_for_it(dock: Dock, wrong: str) -> None:
    dock.work(snapshot_seconds=NEVER)
    session_id = dock.connected()
    is_current(dock, session_id)
    before, store_id = has_snapshot(dock, session_id), dock.placement(session_id).store_id
    jid = "1:1@s.whatsapp.net" if wrong == "device" else before.device_jid
    taken = Taken(b"another store", StoredDevice(jid), datetime.now(UTC))

    is_kept = dock.run(
        snapshots.keep,
        company=dock.company,
        lease=lease_of(session_id),
        store_id="another" if wrong == "disk" else store_id,
        taken=taken,
    )

    assert not is_kept
    assert has_snapshot(dock, session_id).sha256 == before.sha256


def test_unlinking_erases_the_snapshot_with_the_keys(dock: Dock) -> None:
    dock.work(snapshot_seconds=QUICK)
    session_id, neighbour = dock.connected(), dock.connected()
    is_current(dock, session_id)
    is_current(dock, neighbour)

    dock.do(sessions.unlink, session_id)
    dock.shows(session_id, State.UNPAIRED, Reason.UNLINKED)

    assert snapshot(dock, session_id) is None
    placement = dock.placement(session_id)
    assert (placement.snapshot_jid, placement.snapshot_at) == ("", None)
    assert snapshot(dock, neighbour) is not None


def test_an_unlink_on_the_phone_erases_nothing(dock: Dock) -> None:
    dock.work(snapshot_seconds=QUICK)
    session_id = dock.connected()
    is_current(dock, session_id)
    before = has_snapshot(dock, session_id)

    dock.engine.phone_unlinks(session_id)
    dock.shows(session_id, State.UNPAIRED, Reason.LOGGED_OUT_ON_PHONE)
    eventually(lambda: dock.placement(session_id).owner_id is None, what="the worker let go")

    assert has_snapshot(dock, session_id).sha256 == before.sha256


# -- taking over -------------------------------------------------------------------------------------------------------
def disk_is_lost(dock: Dock, worker: WorkerThread) -> None:
    """Its worker is gone, and so much time went by in which all others were there."""
    worker.stop()
    long_ago = timezone.now() - timedelta(seconds=LOST_AFTER + 60)
    Worker.objects.exclude(stopped_at=None).update(lease_until=long_ago)
    Worker.objects.filter(stopped_at=None).update(unbroken_since=long_ago)


def moved(dock: Dock, session_id: str, *, from_disk: str) -> Placement:
    eventually(lambda: dock.placement(session_id).store_id != from_disk, what="it is on another disk")
    return dock.shows(session_id, State.CONNECTED)


def two_disks(dock: Dock, second: Path) -> tuple[str, str, WorkerThread]:
    """A session on the first disk, its name, and its worker, with a worker on a second one."""
    first = dock.work(snapshot_seconds=NEVER, lost_after=LOST_AFTER)
    session_id = dock.connected()
    is_current(dock, session_id)
    dock.work(at=second, snapshot_seconds=NEVER, lost_after=LOST_AFTER)
    return session_id, dock.placement(session_id).store_id, first


def test_a_lost_disks_session_goes_on_elsewhere_and_says_so(dock: Dock, tmp_path: Path) -> None:
    session_id, disk, first = two_disks(dock, tmp_path / "second")
    snapshot_of = has_snapshot(dock, session_id).taken_at

    disk_is_lost(dock, first)
    moved(dock, session_id, from_disk=disk)

    here = device_store.stored_device(device_store.folder_of(tmp_path / "second", session_id))
    assert here == StoredDevice(dock.placement(session_id).device_jid, "", "Shop")
    row = dock.run(Transition.objects.filter(reason=Reason.FROM_SNAPSHOT).get)
    assert (row.happening, row.after) == ("restored", State.CONNECTING)
    assert row.detail == f"from a snapshot of {snapshot_of:%Y-%m-%d %H:%M:%S} UTC"
    told = dock.run(lambda: list(Event.objects.filter(session_id=session_id).values_list("data", flat=True)))
    assert any(Reason.FROM_SNAPSHOT in str(data) for data in told)


def test_texts_that_the_lost_disk_alone_knew_of_are_unconfirmed_and_never_sent_twice(
    dock: Dock, tmp_path: Path
) -> None:
    session_id, disk, first = two_disks(dock, tmp_path / "second")
    dock.engine.withholds_answers = True
    (message_id,) = dock.texts(session_id, BOB, "Did this leave?")
    eventually(lambda: dock.engine.sent, what="it was handed to the engine")

    disk_is_lost(dock, first)
    moved(dock, session_id, from_disk=disk)

    assert not dock.becomes(message_id, MessageStatus.UNCONFIRMED).wa_id
    assert [order.text for order in dock.engine.sent] == ["Did this leave?"]


def test_the_old_disk_is_left_alone_when_it_comes_back(dock: Dock, tmp_path: Path) -> None:
    session_id, disk, first = two_disks(dock, tmp_path / "second")
    folder = device_store.folder_of(dock.state_dir, session_id)
    disk_is_lost(dock, first)
    second = moved(dock, session_id, from_disk=disk).store_id
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    started = len(dock.engine.started)

    dock.work(snapshot_seconds=QUICK, lost_after=LOST_AFTER)
    is_current(dock, dock.connected())

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert dock.placement(session_id).store_id == second
    assert all(session_id not in ids for ids, _ in dock.engine.started[started:])


def test_a_session_that_comes_back_to_an_old_disk_brings_the_newer_store(dock: Dock, tmp_path: Path) -> None:
    session_id, disk, first = two_disks(dock, tmp_path / "second")
    disk_is_lost(dock, first)
    second = moved(dock, session_id, from_disk=disk).store_id
    change(dock, session_id, tmp_path / "second")
    newest = stored(dock, session_id, tmp_path / "second")
    old = stored(dock, session_id)
    dock.work(snapshot_seconds=NEVER, lost_after=LOST_AFTER)

    disk_is_lost(dock, dock.workers[1])
    moved(dock, session_id, from_disk=second)

    assert stored(dock, session_id) == newest
    (aside,) = device_store.folder_of(dock.state_dir, session_id).glob(f"{store_copy.ASIDE_PREFIX}*[0-9]")
    assert store_copy.examine(aside.read_bytes()).jid == dock.placement(session_id).device_jid
    assert old != newest


def tampered(dock: Dock, session_id: str) -> None:
    dock.run(DeviceSnapshot.objects.filter(pk=session_id).update, taken_at=timezone.now())


def of_another_key(dock: Dock, session_id: str) -> None:
    dock.run(DeviceSnapshot.objects.filter(pk=session_id).update, key="another")


def ruined(dock: Dock, session_id: str) -> None:
    row = has_snapshot(dock, session_id)
    row.sha256, row.size = hashlib.sha256(b"ruin").hexdigest(), 4
    row.sealed = sealing.seal(b"ruin", snapshots._about(dock.company, row))
    dock.run(lambda: row.save(force_update=True))


@pytest.mark.parametrize(
    ("damage", "words"), [(tampered, "seal is broken"), (of_another_key, "WHARF_BACKUP_KEY"), (ruined, "damaged")]
)
def test_a_snapshot_that_cannot_be_used_leaves_the_session_to_its_own_disk(
    dock: Dock, tmp_path: Path, damage: object, words: str
) -> None:
    assert callable(damage)
    session_id, disk, first = two_disks(dock, tmp_path / "second")
    first.stop()
    damage(dock, session_id)

    disk_is_lost(dock, first)
    dock.noted(session_id, words)
    placement = dock.shows(session_id, State.CONNECTING, Reason.SNAPSHOT_UNUSABLE)
    assert placement.next_retry_at is not None
    dock.work(snapshot_seconds=QUICK, lost_after=LOST_AFTER)

    assert dock.shows(session_id, State.CONNECTED).store_id == disk


def test_a_snapshot_opens_for_its_own_session_and_company_alone(
    dock: Dock, live_companies: tuple[Company, Company]
) -> None:
    dock.work(snapshot_seconds=NEVER)
    one, two = dock.connected(), dock.connected()
    is_current(dock, one)
    is_current(dock, two)
    row = has_snapshot(dock, one)

    with pytest.raises(snapshots.SnapshotUnusable):
        snapshots._opened(live_companies[1], row)
    row.session_id = two
    with pytest.raises(snapshots.SnapshotUnusable):
        snapshots._opened(dock.company, row)


# -- the term of hosts -------------------------------------------------------------------------------------------------
def is_away(*_: object, **__: object) -> None:
    raise OperationalError("away")


def test_connections_end_by_themselves_before_others_may_take_them_and_come_back(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock.work(lost_after=1)
    session_id = dock.connected()
    with monkeypatch.context() as away:
        away.setattr(leases, "renew", is_away)
        eventually(lambda: dock.engine.host_of(session_id) is None, what="its host has left")

    eventually(lambda: f"connected>connecting:{Reason.WORKER_SILENT}" in dock.history(session_id), what="it is said")
    dock.shows(session_id, State.CONNECTED)
    assert dock.placement(session_id).fence == 1, "it was its own all the time"


def test_without_that_rule_connections_are_kept_for_as_long_as_it_takes(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock.work(lost_after=0)
    session_id = dock.connected()
    looks = []

    def is_away_again(*_: object, **__: object) -> None:
        looks.append(True)
        raise OperationalError("away")

    with monkeypatch.context() as away:
        away.setattr(leases, "renew", is_away_again)
        eventually(lambda: len(looks) > 15, what="it was away for long")
        assert dock.engine.is_online(session_id)

    dock.engine.contact_writes(session_id, BOB, "Still there")
    dock.received("Still there")
    assert len(dock.engine.started) == 1
