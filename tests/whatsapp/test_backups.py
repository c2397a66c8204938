"""Backups of linked devices: complete, sealed, verified by reading, and restored only where nothing can be harmed."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import Harbour
from wharf.errors import WharfError
from whatsapp.engine import device_store, store_copy
from whatsapp.engine.store_copy import StoreDamaged
from whatsapp.errors import (
    BackupDamaged,
    BackupNotFound,
    BackupOfOtherDevice,
    BackupOfOtherKey,
    BackupOfOtherNumber,
    DeviceInUse,
    NothingToBackUp,
    SessionArchived,
    SessionRunning,
    StoreElsewhere,
    StoreUnreadable,
)
from whatsapp.models import Message, MessageStatus, Session, Transition
from whatsapp.services import backups, sessions, vault
from whatsapp.worker import backing_up, run, storing

BOB = "4915550000099"


@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    settings.STATE_DIR, settings.BACKUP_DIR = tmp_path / "state", tmp_path / "backups"
    settings.STATE_DIR.mkdir()
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(storing, "RETRY_SECONDS", 0.1)
    with Dock.made(live_companies[0], settings.STATE_DIR) as dock:
        yield dock


def back_up(dock: Dock, session_id: str, kind: backups.Kind = backups.Kind.MANUAL) -> vault.Backup:
    return dock.run(backups.create, company=dock.company, session_id=session_id, by=SYSTEM, kind=kind)


def restore(dock: Harbour, session_id: str, name: str = "", **consents: bool) -> backups.Restored:
    return dock.run(backups.restore, company=dock.company, session_id=session_id, by=SYSTEM, name=name, **consents)


def at_rest(dock: Dock) -> str:
    """A linked session that is paused, and whose worker has gone home."""
    session_id = dock.linked_before(1)[0]
    stop(dock, session_id)
    return session_id


def stop(dock: Dock, session_id: str) -> None:
    Placement.objects.filter(pk=session_id).update(wanted=Wanted.STOPPED, state=State.STOPPED, reason=Reason.PAUSED)


def store(dock: Harbour, session_id: str) -> Path:
    return device_store.folder_of(dock.state_dir, session_id) / device_store.DEVICE_FILE


def jid_in(dock: Harbour, session_id: str) -> str:
    stored = device_store.stored_device(store(dock, session_id).parent)
    return stored.jid if stored else ""


def change_device(dock: Dock, session_id: str, jid: str) -> None:
    """The session was linked anew, as another device."""
    with closing(sqlite3.connect(store(dock, session_id))) as db, db:
        db.execute("UPDATE whatsmeow_device SET jid = ?", [jid])
    Placement.objects.filter(pk=session_id).update(device_jid=jid)


def command(*arguments: str) -> str:
    output = StringIO()
    call_command("session_backup", *arguments, stdout=output)
    return output.getvalue()


def command_json(*arguments: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(command(*arguments, "--json"))
    return facts


# -- with the real engine ----------------------------------------------------------------------------------------------
@pytest.fixture
def real(harbour: Harbour, settings: Settings, tmp_path: Path) -> Harbour:
    settings.STATE_DIR, settings.BACKUP_DIR = harbour.state_dir, tmp_path / "backups"
    return harbour


@pytest.mark.parametrize("disaster", ["deleted", "ruined"])
def test_a_lost_device_comes_back_from_a_backup_without_a_code(real: Harbour, disaster: str) -> None:
    shop, bob = real.phone("Shop"), real.phone("Bob")
    session_id = real.linked(shop)
    real.wa.send_text(bob, shop, "Before")
    real.received("Before")
    command("create", session_id)
    real.do(sessions.pause, session_id)
    real.shows(session_id, State.STOPPED, Reason.PAUSED)
    eventually(lambda: Placement.objects.get(pk=session_id).owner_id is None, what="the worker let go")
    for path in store(real, session_id).parent.glob("device.db*"):
        path.unlink() if disaster == "deleted" else path.write_bytes(b"ruin" * 4096)

    said = command("restore", session_id)
    real.shows(session_id, State.STOPPED, Reason.RESTORED)
    real.do(sessions.start, session_id)
    real.shows(session_id, State.CONNECTED)
    real.wa.send_text(bob, shop, "After")
    question = real.received("After")
    answer = real.sends(session_id, bob, "We are back.")

    assert "Restored" in said
    assert question.body == "After"
    real.becomes(answer, MessageStatus.DELIVERED)
    assert [message.text for message in bob.inbox] == ["We are back."]


def test_a_backup_that_is_behind_its_peers_catches_up_with_them(real: Harbour) -> None:
    shop, bob = real.phone("Shop"), real.phone("Bob")
    session_id = real.linked(shop)
    real.wa.send_text(bob, shop, "First")
    real.received("First")
    name = command_json("create", session_id)["name"]
    for number in range(5):
        real.wa.send_text(bob, shop, f"Since {number}")
        real.received(f"Since {number}")
        real.becomes(real.sends(session_id, bob, f"Answer {number}"), MessageStatus.DELIVERED)
    real.do(sessions.pause, session_id)
    real.shows(session_id, State.STOPPED, Reason.PAUSED)
    eventually(lambda: Placement.objects.get(pk=session_id).owner_id is None, what="the worker let go")

    command("restore", session_id, name)
    real.do(sessions.start, session_id)
    real.shows(session_id, State.CONNECTED)
    answer = real.sends(session_id, bob, "Out of an old ratchet")
    real.wa.send_text(bob, shop, "Into an old ratchet")

    real.received("Into an old ratchet")
    eventually(lambda: "Out of an old ratchet" in [message.text for message in bob.inbox], what="bob reads it")
    real.becomes(answer, MessageStatus.DELIVERED)


def test_a_backup_of_a_running_session_has_what_is_still_in_the_wal(real: Harbour) -> None:
    session_id = real.linked(real.phone("Shop"))
    wal = store(real, session_id).with_name("device.db-wal")

    assert wal.stat().st_size > 0
    name = command_json("create", session_id)["name"]

    verdict = command_json("verify", session_id, name)
    assert verdict["isCurrent"]
    content = vault.unseal(vault.find(session_id, name))
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.deserialize(content)
        (keys,) = copy.execute("SELECT count(*) FROM whatsmeow_pre_keys").fetchone()
    assert keys > 100
    real.shows(session_id, State.CONNECTED)


def test_a_restore_is_refused_while_the_session_runs(real: Harbour) -> None:
    session_id = real.linked(real.phone("Shop"))
    command("create", session_id)

    with pytest.raises(CommandError, match="pause it first") as refusal:
        command("restore", session_id)

    assert refusal.value.returncode == 65
    real.shows(session_id, State.CONNECTED)


# -- what a backup is --------------------------------------------------------------------------------------------------
def test_a_backup_is_private_and_tells_nothing(dock: Dock) -> None:
    session_id = at_rest(dock)
    number = Placement.objects.get(pk=session_id).device_jid.partition(":")[0]

    backup = back_up(dock, session_id)

    raw = backup.path.read_bytes()
    assert backup.path.stat().st_mode & 0o777 == 0o600
    assert backup.path.parent.stat().st_mode & 0o777 == 0o700
    assert backup.path.parent.parent.stat().st_mode & 0o777 == 0o700
    assert number.encode() not in raw
    assert b"whatsmeow" not in raw
    assert backup.label.number == f"+{number[:3]}{'*' * (len(number) - 5)}{number[-2:]}"


def test_a_session_without_a_phone_has_nothing_to_back_up(dock: Dock) -> None:
    with pytest.raises(NothingToBackUp):
        back_up(dock, dock.fresh())


def test_keys_on_another_disk_are_not_taken_for_missing(dock: Dock) -> None:
    session_id = at_rest(dock)
    Placement.objects.filter(pk=session_id).update(store_id="another")

    with pytest.raises(StoreElsewhere):
        back_up(dock, session_id)


@pytest.mark.parametrize("ruin", [b"", b"not a database at all" * 400])
def test_a_store_that_cannot_be_trusted_makes_no_backup(dock: Dock, ruin: bytes) -> None:
    session_id = at_rest(dock)
    store(dock, session_id).write_bytes(ruin)

    with pytest.raises(StoreUnreadable):
        back_up(dock, session_id)

    assert vault.backups_of(session_id) == []


def test_a_store_without_its_keys_makes_no_backup(dock: Dock) -> None:
    session_id = at_rest(dock)
    with closing(sqlite3.connect(store(dock, session_id))) as db, db:
        db.execute("UPDATE whatsmeow_device SET noise_key = NULL")

    with pytest.raises(StoreUnreadable, match="noise_key"):
        back_up(dock, session_id)


def test_what_cannot_be_read_back_does_not_count(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = at_rest(dock)
    kept = back_up(dock, session_id)
    monkeypatch.setattr(vault, "_sealed", lambda label, content: vault._MAGIC + b"{}\n" + bytes(40))

    with pytest.raises(WharfError):
        back_up(dock, session_id)

    assert vault.backups_of(session_id) == [kept]
    assert vault.unreadable_in(session_id) == []


# -- verifying ---------------------------------------------------------------------------------------------------------
def spoil(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("at", [5, 60, -1, -200])
def test_one_changed_bit_anywhere_is_found(dock: Dock, at: int) -> None:
    session_id = at_rest(dock)
    backup = back_up(dock, session_id)
    spoil(backup.path, at)

    with pytest.raises((BackupDamaged, BackupOfOtherKey)):
        dock.run(backups.verify, session_id=session_id, by=SYSTEM, name=backup.name)


def test_a_cut_file_is_found(dock: Dock) -> None:
    session_id = at_rest(dock)
    backup = back_up(dock, session_id)
    backup.path.write_bytes(backup.path.read_bytes()[:-20])

    with pytest.raises(CommandError, match="damaged"):
        command("verify", session_id, backup.name)


def test_another_key_is_told_from_damage(dock: Dock, settings: Settings) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    settings.BACKUP_KEY = "another key than the one it was sealed with"

    with pytest.raises(BackupOfOtherKey):
        dock.run(backups.verify, session_id=session_id, by=SYSTEM)


def test_a_backup_moved_to_another_session_is_none_of_its_own(dock: Dock) -> None:
    session_id, other = dock.linked_before(2)
    stop(dock, session_id)
    backup = back_up(dock, other)
    moved = backup.path.parent.with_name(session_id)
    backup.path.parent.rename(moved)

    with pytest.raises(BackupNotFound):
        restore(dock, session_id)


def test_verifying_says_whether_it_is_the_device_that_is_linked(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)

    assert "holds the device that is linked now" in command("verify", session_id)
    change_device(dock, session_id, "4915550000001:7@s.whatsapp.net")
    assert "NOT the device that is linked now" in command("verify", session_id)


# -- how many are kept -------------------------------------------------------------------------------------------------
def test_five_by_hand_are_kept_and_automatic_ones_do_not_push_them_out(dock: Dock) -> None:
    session_id = at_rest(dock)
    by_hand = [back_up(dock, session_id).name for _ in range(6)]
    automatic = [back_up(dock, session_id, backups.Kind.AUTOMATIC).name for _ in range(11)]

    names = [one["name"] for one in command_json("list", session_id)["backups"]]

    assert names == [*reversed(automatic[1:]), *reversed(by_hand[1:])]


def test_automatic_ones_go_after_a_week_but_never_the_last(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = at_rest(dock)
    old = back_up(dock, session_id, backups.Kind.AUTOMATIC)
    monkeypatch.setattr(backups, "AUTOMATIC_KEPT", timedelta())

    assert vault.backups_of(session_id) == [old]
    new = back_up(dock, session_id, backups.Kind.AUTOMATIC)

    assert vault.backups_of(session_id) == [new]


def test_the_worker_backs_up_every_six_hours(dock: Dock) -> None:
    first, second = dock.linked_before(2)

    made = backing_up.back_up_due()
    again = backing_up.back_up_due()

    assert {one.session_id for one in made if one.backup} == {first, second}
    assert again == []
    assert {row.pk for row in backups.due(timezone.now() + timedelta(hours=6, minutes=1))} == {first, second}


def test_of_two_workers_on_a_disk_one_backs_up(dock: Dock) -> None:
    dock.linked_before(1)

    with backing_up._alone() as is_ours:
        assert is_ours
        assert backing_up.back_up_due() == []


def test_one_session_that_fails_stops_none_of_the_others(dock: Dock) -> None:
    good, bad, better = dock.linked_before(3)
    store(dock, bad).write_bytes(b"ruined" * 1000)

    with pytest.raises(CommandError, match="1 sessions were not backed up") as failure:
        command("backup-all", "--company", "acme")

    assert failure.value.returncode == 1
    assert [len(vault.backups_of(session_id)) for session_id in (good, bad, better)] == [1, 0, 1]
    assert command("backup-all", "--company", "globex").startswith("Backed up 0 of 0")


# -- restoring ---------------------------------------------------------------------------------------------------------
def test_what_a_restore_replaces_is_kept_and_can_be_put_back(dock: Dock) -> None:
    session_id = at_rest(dock)
    first = jid_in(dock, session_id)
    backup = back_up(dock, session_id)
    second = first.replace(":1@", ":2@")
    change_device(dock, session_id, second)

    with pytest.raises(BackupOfOtherDevice):
        restore(dock, session_id, backup.name)
    done = restore(dock, session_id, backup.name, other_device=True)

    assert (jid_in(dock, session_id), dock.placement(session_id).device_jid) == (first, first)
    assert done.safety is not None
    restore(dock, session_id, done.safety.name, other_device=True)
    assert (jid_in(dock, session_id), dock.placement(session_id).device_jid) == (second, second)


def test_a_restored_session_starts_without_a_code(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    device_store.erase(store(dock, session_id).parent)
    restore(dock, session_id)
    dock.work()

    dock.do(sessions.start, session_id)

    dock.shows(session_id, State.CONNECTED)


def test_a_session_whose_store_was_lost_while_it_was_wanted_comes_back(dock: Dock) -> None:
    session_id = dock.linked_before(1)[0]
    back_up(dock, session_id)
    device_store.erase(store(dock, session_id).parent)
    worker = dock.work()
    dock.shows(session_id, State.UNPAIRED, Reason.DEVICE_STORE_MISSING)
    eventually(lambda: dock.placement(session_id).owner_id is None, what="the worker let go")

    restore(dock, session_id)
    dock.do(sessions.start, session_id)

    dock.shows(session_id, State.CONNECTED)
    worker.stop()


def test_the_history_says_which_backup_it_was(dock: Dock) -> None:
    session_id = at_rest(dock)
    backup = back_up(dock, session_id)

    restore(dock, session_id)

    row = dock.run(Transition.objects.filter(reason=Reason.RESTORED).get)
    assert row.detail == f"backup {backup.name}"


@pytest.mark.parametrize(
    "changes",
    [
        {"wanted": Wanted.RUNNING},
        {"wanted": Wanted.UNLINKED},
        {"state": State.CONNECTED},
        {"state": State.CONNECTING},
    ],
)
def test_a_session_that_is_not_at_rest_is_not_restored(dock: Dock, changes: dict[str, str]) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    before = store(dock, session_id).read_bytes()
    Placement.objects.filter(pk=session_id).update(**changes)

    with pytest.raises(SessionRunning):
        restore(dock, session_id)

    assert store(dock, session_id).read_bytes() == before


def test_what_nobody_could_start_is_not_restored(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    dock.run(Session.objects.filter(pk=session_id).update, archived_at=timezone.now())
    device_store.erase(store(dock, session_id).parent)

    with pytest.raises(SessionArchived):
        restore(dock, session_id)

    assert not store(dock, session_id).exists()


def test_an_owner_that_is_silent_may_still_hold_the_session(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    silent = Worker.objects.create(name="w", pid=1, capacity=1, store_id="x", lease_until=timezone.now())
    Placement.objects.filter(pk=session_id).update(owner=silent)

    with pytest.raises(SessionRunning):
        restore(dock, session_id)


def test_a_folder_that_a_host_still_holds_is_left_alone(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    before = store(dock, session_id).read_bytes()

    with device_store.locked(store(dock, session_id).parent), pytest.raises(SessionRunning):
        restore(dock, session_id)

    assert store(dock, session_id).read_bytes() == before


def test_no_worker_can_take_a_session_in_the_middle_of_a_restore(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    seen: list[list[str]] = []

    def put_and_look(folder: Path, content: bytes) -> None:
        # Another connection than the restore's, as a worker's would be.
        rows = Placement.objects.filter(pk=session_id).select_for_update(skip_locked=True, no_key=True)
        seen.append(in_another_thread(lambda: list(rows.values_list("pk", flat=True))))

    monkeypatch.setattr(store_copy, "put", put_and_look)
    restore(dock, session_id)

    assert seen == [[]]


def in_another_thread(look: Any) -> Any:
    found: list[Any] = []

    def work() -> None:
        with transaction.atomic():
            found.append(look())
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    return found[0]


def test_another_numbers_device_is_not_put_into_a_session(dock: Dock) -> None:
    session_id = at_rest(dock)
    change_device(dock, session_id, "4917770000001:1@s.whatsapp.net")
    back_up(dock, session_id)

    with pytest.raises(BackupOfOtherNumber):
        restore(dock, session_id)


def test_a_device_that_another_session_has_is_not_connected_twice(dock: Dock) -> None:
    session_id, other = dock.linked_before(2)
    stop(dock, session_id)
    back_up(dock, session_id)
    jid = dock.placement(session_id).device_jid
    Placement.objects.filter(pk=session_id).update(device_jid="")
    Placement.objects.filter(pk=other).update(device_jid=jid)

    with pytest.raises(DeviceInUse):
        restore(dock, session_id)


def test_a_damaged_backup_changes_nothing(dock: Dock) -> None:
    session_id = at_rest(dock)
    spoil(back_up(dock, session_id).path, -1)
    before = store(dock, session_id).read_bytes(), dock.placement(session_id)

    with pytest.raises(BackupDamaged):
        restore(dock, session_id)

    assert (store(dock, session_id).read_bytes(), dock.placement(session_id)) == before


def test_an_unreadable_store_is_moved_aside_and_never_lost(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    store(dock, session_id).write_bytes(b"ruined" * 1000)

    done = restore(dock, session_id)

    assert done.aside is not None
    assert done.aside.read_bytes() == b"ruined" * 1000
    assert jid_in(dock, session_id)


def test_a_number_is_brought_up_on_another_disk_only_when_its_own_is_said_to_be_lost(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    gone = Worker.objects.create(name="w", pid=1, capacity=1, store_id="lost", lease_until=timezone.now())
    Placement.objects.filter(pk=session_id).update(store_id="lost", owner=gone, state=State.CONNECTED)

    with pytest.raises(StoreElsewhere):
        restore(dock, session_id)
    restore(dock, session_id, from_lost_disk=True)

    placement = dock.placement(session_id)
    assert (placement.state, placement.owner_id) == (State.STOPPED, None)
    dock.work()
    dock.do(sessions.start, session_id)
    dock.shows(session_id, State.CONNECTED)


def test_a_lost_disk_whose_worker_still_lives_is_not_lost(dock: Dock) -> None:
    session_id = at_rest(dock)
    back_up(dock, session_id)
    later = timezone.now() + timedelta(minutes=1)
    alive = Worker.objects.create(name="w", pid=1, capacity=1, store_id="lost", lease_until=later)
    Placement.objects.filter(pk=session_id).update(store_id="lost", owner=alive)

    with pytest.raises(SessionRunning):
        restore(dock, session_id, from_lost_disk=True)


def test_texts_that_the_lost_store_could_have_told_about_are_not_sent_a_second_time(dock: Dock) -> None:
    session_id = dock.linked_before(1)[0]
    back_up(dock, session_id)
    (doubtful,) = dock.texts(session_id, BOB, "Did this leave?")
    stop(dock, session_id)
    dock.run(_as_handed_over, doubtful)
    device_store.erase(store(dock, session_id).parent)

    restore(dock, session_id)

    assert dock.message(doubtful).status == MessageStatus.UNCONFIRMED


def _as_handed_over(message_id: str) -> None:
    Message.objects.filter(pk=message_id).update(status=MessageStatus.SENT, secret=b"s" * 32)


def test_a_session_can_be_named_by_company_and_name(dock: Dock) -> None:
    session_id = at_rest(dock)

    facts = command_json("create", "whatsapp 0", "--company", "acme")

    assert facts["sessionId"] == session_id
    with pytest.raises(CommandError, match="not found"):
        command("create", session_id, "--company", "globex")
    with pytest.raises(CommandError, match="not found"):
        command("create", "whatsapp 0", "--company", "globex")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(200)])
def test_a_copy_is_looked_into_before_it_is_believed(content: bytes) -> None:
    with pytest.raises(StoreDamaged):
        store_copy.examine(content)


def test_nothing_of_the_old_store_is_replayed_into_the_new_one(dock: Dock) -> None:
    session_id = at_rest(dock)
    folder = store(dock, session_id).parent
    content = store_copy.take(folder)
    assert content is not None
    writer = sqlite3.connect(store(dock, session_id))
    writer.execute("PRAGMA journal_mode=WAL")
    with writer:
        writer.execute("UPDATE whatsmeow_device SET jid = 'later@s.whatsapp.net'")
    wal = store(dock, session_id).with_name("device.db-wal").read_bytes()
    writer.close()
    # As a host leaves it that was killed.
    store(dock, session_id).with_name("device.db-wal").write_bytes(wal)

    store_copy.put(folder, content)

    assert jid_in(dock, session_id) == dock.placement(session_id).device_jid
