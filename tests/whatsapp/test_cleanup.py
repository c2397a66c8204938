"""`session_cleanup`: only what is provably of no use goes, to the trash first; whatever is in doubt stays."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.models import Company
from tests.whatsapp.dock import Dock
from whatsapp.engine import device_store, store_copy
from whatsapp.engine.journal import Journal
from whatsapp.models import Session
from whatsapp.services import backups, cleanup

OLD = timedelta(days=2).total_seconds()


@pytest.fixture
def dock(live_companies: tuple[Company, Company], tmp_path: Path, settings: Settings) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    settings.STATE_DIR, settings.BACKUP_DIR = tmp_path / "state", tmp_path / "backups"
    settings.STATE_DIR.mkdir()
    with Dock.made(live_companies[0], settings.STATE_DIR) as dock:
        yield dock


def clean(*arguments: str) -> dict[str, Any]:
    output = StringIO()
    call_command("session_cleanup", "--json", *arguments, stdout=output)
    told: dict[str, Any] = json.loads(output.getvalue())
    return told


def finished(dock: Dock) -> Path:
    """The folder of an archived session whose device was unlinked: its keys are erased, its journal is empty."""
    session_id = dock.linked_before(1)[0]
    folder = dock.folder(session_id)
    device_store.erase(folder)
    Journal(folder / device_store.JOURNAL_FILE).close()
    change(folder, device_jid="", wanted=Wanted.STOPPED, state=State.UNPAIRED, reason=Reason.UNLINKED)
    dock.run(lambda: Session.objects.filter(pk=session_id).update(archived_at=timezone.now()))
    return folder


def change(folder: Path, **values: object) -> None:
    Placement.objects.filter(pk=folder.name).update(**values)


def make_old(path: Path) -> Path:
    past = time.time() - OLD
    os.utime(path, (past, past))
    return path


def of(told: dict[str, Any], path: Path) -> dict[str, Any]:
    (item,) = [item for item in told["items"] if item["path"] == str(path)]
    return dict(item)


def test_without_yes_nothing_is_changed(dock: Dock) -> None:
    folder = finished(dock)

    told = clean()
    assert told == {**clean("--dry-run")}

    assert (told["dryRun"], told["garbage"], told["removed"]) == (True, 1, 0)
    assert folder.exists()


def test_a_finished_sessions_folder_goes_to_the_trash_and_after_a_month_for_good(dock: Dock) -> None:
    folder = finished(dock)

    told = clean("--yes")

    assert (told["total"], told["removed"], told["kept"], told["errors"]) == (1, 1, 0, 0)
    assert not folder.exists()
    (thrown,) = (dock.state_dir / "trash").iterdir()
    assert thrown.name.startswith(folder.name)
    assert clean("--yes")["total"] == 0
    later = timezone.now() + cleanup.TRASH_KEPT + timedelta(days=1)
    cleanup.carry_out(cleanup.plan(later))
    assert list((dock.state_dir / "trash").iterdir()) == []


def is_linked(dock: Dock, folder: Path) -> None:
    change(folder, device_jid="4915550000001:1@s.whatsapp.net")


def is_not_archived(dock: Dock, folder: Path) -> None:
    dock.run(lambda: Session.objects.filter(pk=folder.name).update(archived_at=None))


def is_owned(dock: Dock, folder: Path) -> None:
    later = timezone.now() + timedelta(hours=1)
    change(folder, owner=Worker.objects.create(name="w", pid=1, capacity=1, store_id="x", lease_until=later))


def is_wanted(dock: Dock, folder: Path) -> None:
    change(folder, wanted=Wanted.RUNNING)


def is_live(dock: Dock, folder: Path) -> None:
    change(folder, state=State.CONNECTING)


def has_a_device(dock: Dock, folder: Path) -> None:
    dock.engine.was_linked(folder.name, folder, "4915550000001:1@s.whatsapp.net")


def has_a_ruined_store(dock: Dock, folder: Path) -> None:
    (folder / device_store.DEVICE_FILE).write_bytes(b"ruined" * 1000)


def has_untold_events(dock: Dock, folder: Path) -> None:
    journal = Journal(folder / device_store.JOURNAL_FILE)
    journal.append(1, b"event")
    journal.close()


def has_a_ruined_journal(dock: Dock, folder: Path) -> None:
    (folder / device_store.JOURNAL_FILE).write_bytes(b"ruined" * 1000)


def has_a_store_moved_aside(dock: Dock, folder: Path) -> None:
    (folder / f"{store_copy.ASIDE_PREFIX}1").write_bytes(b"x")


def is_unknown(dock: Dock, folder: Path) -> None:
    dock.run(lambda: Session.objects.filter(pk=folder.name).delete())
    Placement.objects.filter(pk=folder.name).delete()


@pytest.mark.parametrize(
    "but",
    [
        is_linked,
        is_not_archived,
        is_owned,
        is_wanted,
        is_live,
        has_a_device,
        has_a_ruined_store,
        has_untold_events,
        has_a_ruined_journal,
        has_a_store_moved_aside,
        is_unknown,
    ],
)
def test_a_folder_stays_when_it(dock: Dock, but: Callable[[Dock, Path], None]) -> None:
    folder = finished(dock)
    but(dock, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    told = clean("--yes")

    assert of(told, folder)["verdict"] == "keep"
    assert told["removed"] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()}.items() >= before.items()


def test_what_nobody_knows_is_named(dock: Dock) -> None:
    folder = finished(dock)
    is_unknown(dock, folder)
    output = StringIO()

    call_command("session_cleanup", stdout=output)

    assert f"{folder}: no company knows this session" in output.getvalue()


def test_linked_sessions_are_never_touched_however_large_they_are(dock: Dock) -> None:
    ids = dock.linked_before(3)
    with closing(sqlite3.connect(dock.folder(ids[0]) / device_store.DEVICE_FILE)) as db, db:
        db.execute("CREATE TABLE whatsmeow_sessions (their_id TEXT)")
        db.executemany("INSERT INTO whatsmeow_sessions VALUES (?)", [(str(n),) for n in range(5000)])
    before = [(dock.folder(one) / device_store.DEVICE_FILE).read_bytes() for one in ids]

    assert clean("--yes")["removed"] == 0

    assert [(dock.folder(one) / device_store.DEVICE_FILE).read_bytes() for one in ids] == before


def test_nothing_is_removed_while_a_worker_of_this_disk_is_silent(dock: Dock) -> None:
    folder = finished(dock)
    disk = device_store.disk_of(dock.state_dir)
    Worker.objects.create(name="w", pid=1, capacity=1, store_id=disk, lease_until=timezone.now())

    with pytest.raises(CommandError, match="silent") as refusal:
        clean("--yes")

    assert refusal.value.returncode == 69
    assert folder.exists()


def test_a_folder_that_somebody_holds_is_left_and_said_so(dock: Dock) -> None:
    folder = finished(dock)

    with device_store.locked(folder), pytest.raises(CommandError, match="1 could not be cleared away"):
        clean("--yes")

    assert folder.exists()


def test_a_folder_that_came_into_use_since_it_was_looked_at_stays(dock: Dock) -> None:
    folder = finished(dock)
    items = cleanup.plan()
    is_wanted(dock, folder)

    done, failures = cleanup.carry_out(items)

    assert (done, len(failures)) == ([], 1)
    assert folder.exists()


def test_drafts_and_certificates_of_the_dead_go_and_those_of_the_living_stay(dock: Dock, settings: Settings) -> None:
    kept = finished(dock)
    is_not_archived(dock, kept)
    backup_folder = settings.BACKUP_DIR / kept.name
    backup_folder.mkdir(parents=True)
    dead = [
        make_old(path)
        for path in (
            dock.state_dir / ".store-id-1",
            dock.state_dir / "ca-99999999-1-ab.pem",
            backup_folder / ".1-manual.wharf-backup.draft",
        )
        if path.write_text("x")
    ]
    living = [dock.state_dir / f"ca-{os.getpid()}-1-ab.pem", dock.state_dir / ".store-id-2"]
    for path in living:
        path.write_text("x")
    make_old(living[0])

    clean("--yes")

    assert [path.exists() for path in dead] == [False] * 3
    assert [path.exists() for path in living] == [True] * 2


def test_a_draft_of_a_store_is_not_removed_even_from_the_trash(dock: Dock) -> None:
    session_id = dock.linked_before(1)[0]
    folder = dock.folder(session_id)
    draft = folder / f"{store_copy.DRAFT_PREFIX}1"
    draft.write_bytes((folder / device_store.DEVICE_FILE).read_bytes())
    make_old(draft)

    clean("--yes")
    (thrown,) = (dock.state_dir / "trash").iterdir()
    cleanup.carry_out(cleanup.plan(timezone.now() + timedelta(days=99)))

    assert not draft.exists()
    assert thrown.exists()
    assert device_store.stored_device(folder)


def test_backups_are_no_garbage(dock: Dock) -> None:
    session_id = dock.linked_before(1)[0]
    backup = dock.run(backups.create, company=dock.company, session_id=session_id, by=SYSTEM)
    make_old(backup.path)

    clean("--yes")

    assert backup.path.exists()


def test_a_disk_without_anything_is_clean(dock: Dock) -> None:
    assert clean()["total"] == 0
