"""A session's folder: what is read of the engine's store, and the lock of whoever uses it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from whatsapp.engine import device_store
from whatsapp.engine.device_store import FolderInUse, StoredDevice, locked, sent_id, stored_device

#: Holds the folder until it is killed.
HOLDER = """
import pathlib, sys, time
from whatsapp.engine.device_store import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
JID = "4915550000001:3@s.whatsapp.net"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return device_store.make_folder(tmp_path, "session")


def in_store(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / device_store.DEVICE_FILE)) as db, db:
        for statement in statements:
            db.execute(statement)


def with_device(folder: Path, lid: str | None = None, push_name: str | None = None) -> None:
    in_store(folder, "CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT)")
    with closing(sqlite3.connect(folder / device_store.DEVICE_FILE)) as db, db:
        db.execute("INSERT INTO whatsmeow_device VALUES (?, ?, ?)", (JID, lid, push_name))


def test_a_new_folder_is_private(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert device_store.make_folder(folder.parent.parent, "session") == folder


def test_the_linked_device_is_read(folder: Path) -> None:
    with_device(folder, "81000000000001:3@lid", "Shop")

    device = stored_device(folder)

    assert device == StoredDevice(JID, "81000000000001", "Shop")
    assert device.phone == "4915550000001"


def test_a_device_without_names_is_read(folder: Path) -> None:
    with_device(folder)

    assert stored_device(folder) == StoredDevice(JID)


def test_nothing_is_linked_without_a_store_or_before_the_engine_made_its_tables(folder: Path) -> None:
    assert stored_device(folder) is None
    assert sent_id(folder, b"secret") == ""

    (folder / device_store.DEVICE_FILE).touch()
    assert stored_device(folder) is None
    in_store(folder, "CREATE TABLE other (id INTEGER)")
    assert stored_device(folder) is None
    assert sent_id(folder, b"secret") == ""


def test_an_unlinked_device_is_gone(folder: Path) -> None:
    with_device(folder)

    in_store(folder, "DELETE FROM whatsmeow_device")

    assert stored_device(folder) is None


@pytest.mark.parametrize("kind", ["a folder", "another file"])
def test_a_store_that_cannot_be_read_is_no_missing_link(folder: Path, kind: str) -> None:
    path = folder / device_store.DEVICE_FILE
    path.mkdir() if kind == "a folder" else path.write_bytes(b"no database at all " * 100)

    for read in (stored_device, lambda where: sent_id(where, b"secret")):
        with pytest.raises(sqlite3.DatabaseError):
            read(folder)


def test_a_store_that_is_busy_is_no_missing_link(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_device(folder)
    connect = sqlite3.connect
    with closing(connect(folder / device_store.DEVICE_FILE, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **options | {"timeout": 0}))

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stored_device(folder)


def test_the_id_of_what_was_about_to_leave_is_found_by_its_secret(folder: Path) -> None:
    in_store(
        folder,
        "CREATE TABLE whatsmeow_message_secrets (message_id TEXT, key BLOB)",
        "INSERT INTO whatsmeow_message_secrets VALUES ('3EB0AB', x'0102')",
    )

    assert sent_id(folder, b"\x01\x02") == "3EB0AB"
    assert sent_id(folder, b"\x01") == ""


def test_reading_leaves_the_store_as_it_is(folder: Path) -> None:
    with_device(folder)
    before = (folder / device_store.DEVICE_FILE).read_bytes()

    stored_device(folder)

    assert (folder / device_store.DEVICE_FILE).read_bytes() == before


def test_erasing_removes_the_keys_and_nothing_else(folder: Path) -> None:
    kept = {device_store.JOURNAL_FILE, device_store.LOCK_FILE, "device.db.backup"}
    for name in (*kept, "device.db", "device.db-wal", "device.db-shm"):
        (folder / name).touch()

    device_store.erase(folder)
    device_store.erase(folder)

    assert {path.name for path in folder.iterdir()} == kept


def test_one_process_holds_a_folder_until_it_ends(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse), locked(folder):
            raise AssertionError("two hold it")
        holder.kill()

    with locked(folder):
        pass


def test_a_folder_is_free_after_use(folder: Path) -> None:
    for _ in range(2):
        with locked(folder), pytest.raises(FolderInUse), locked(folder):
            raise AssertionError("held twice")
