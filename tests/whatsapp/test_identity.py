"""Names that only one living process can hold, and a disk that is the same for all who share it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wharf.ids import new_id
from whatsapp.worker import identity
from whatsapp.worker.identity import take_identity

#: Takes a name, says it, and keeps it until it is killed.
HOLDER = """
import sys, time, pathlib
from whatsapp.worker.identity import take_identity
print(take_identity(pathlib.Path(sys.argv[1])).name, flush=True)
time.sleep(600)
"""


def test_workers_that_share_a_folder_share_its_disk_and_have_names_of_their_own(tmp_path: Path) -> None:
    first, second = take_identity(tmp_path), take_identity(tmp_path)

    assert first.store_id == second.store_id
    assert (first.name.split("/")[1:], second.name.split("/")[1:]) == (
        [first.store_id[-6:], "0"],
        [first.store_id[-6:], "1"],
    )
    for each in (first, second):
        each.give_back()


def test_a_name_that_was_given_back_is_taken_again(tmp_path: Path) -> None:
    first = take_identity(tmp_path)
    first.give_back()

    again = take_identity(tmp_path)

    assert (again.name, again.store_id) == (first.name, first.store_id)
    again.give_back()


def test_a_killed_process_gives_its_name_back(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        held = holder.stdout.readline().strip()
        other = take_identity(tmp_path)
        holder.kill()
    again = take_identity(tmp_path)

    assert (held.endswith("/0"), other.name == held, again.name == held) == (True, False, True)
    for each in (other, again):
        each.give_back()


def test_two_folders_are_two_disks(tmp_path: Path) -> None:
    one, two = take_identity(tmp_path / "one"), take_identity(tmp_path / "two")

    assert one.store_id != two.store_id
    for each in (one, two):
        each.give_back()


def test_whoever_looks_while_the_disks_name_is_being_written_sees_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    make = new_id

    def look_meanwhile() -> str:
        monkeypatch.setattr(identity, "new_id", make)
        threading.Thread(target=lambda: seen.append(identity._store_id(tmp_path / "store-id"))).start()
        while not seen:
            pass
        return make()

    monkeypatch.setattr(identity, "new_id", look_meanwhile)

    assert [identity._store_id(tmp_path / "store-id")] == seen
    assert seen[0]
    assert [path.name for path in tmp_path.iterdir()] == ["store-id"]


def test_the_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "state"

    take_identity(folder).give_back()

    assert folder.stat().st_mode & 0o777 == 0o700


def test_more_workers_than_there_are_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "MAX_WORKERS", 1)
    first = take_identity(tmp_path)

    with pytest.raises(OSError, match="already share"):
        take_identity(tmp_path)
    first.give_back()
