"""What the engine reported stays until somebody has stored it, however the process ends."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from whatsapp.engine.journal import TIDY_EVERY, Entry, Journal

#: Appends for ever, and says each number once it is stored.
WRITER = """
import pathlib, sys
from whatsapp.engine.journal import TIDY_EVERY, Journal
journal = Journal(pathlib.Path(sys.argv[1]))
while True:
    print(journal.append(17, b"payload " * 50), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def test_entries_come_back_in_order_and_as_many_as_asked_for(journal: Journal) -> None:
    numbers = [journal.append(code, bytes([code])) for code in (17, 18, 44)]

    assert journal.after(0, limit=2) == [Entry(numbers[0], 17, b"\x11"), Entry(numbers[1], 18, b"\x12")]
    assert [entry.seq for entry in journal.after(numbers[0], limit=9)] == numbers[1:]
    assert journal.after(numbers[-1], limit=9) == []


def test_what_is_stored_elsewhere_is_let_go_and_the_rest_stays(journal: Journal) -> None:
    numbers = [journal.append(17, b"x") for _ in range(5)]

    journal.let_go(numbers[2])
    journal.let_go(numbers[1])

    assert [entry.seq for entry in journal.after(0, limit=9)] == numbers[3:]
    assert not journal.is_empty()
    journal.let_go(numbers[-1] + 100)
    assert journal.is_empty()


def test_a_number_is_never_used_twice(path: Path) -> None:
    last = 0
    for _ in range(3):
        journal = Journal(path)
        seq = journal.append(17, b"x")
        assert seq > last
        last = seq
        journal.let_go(seq)
        journal.close()


def test_it_is_private(path: Path, journal: Journal) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_stored_survives_a_kill(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        stored = [int(writer.stdout.readline()) for _ in range(300)]
        writer.kill()
    journal = Journal(path)

    entries = journal.after(0, limit=100_000)

    assert [entry.seq for entry in entries[: len(stored)]] == stored
    assert {(entry.code, entry.payload) for entry in entries} == {(17, b"payload " * 50)}
    assert journal.append(17, b"next") > entries[-1].seq
    journal.close()


def test_it_is_written_and_read_in_several_threads_at_once(journal: Journal) -> None:
    seen: list[int] = []

    def write() -> None:
        for _ in range(200):
            journal.append(17, b"x")

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(seen) < 400:
        entries = journal.after(seen[-1] if seen else 0, limit=50)
        seen += [entry.seq for entry in entries]
        if entries:
            journal.let_go(entries[-1].seq)
    for thread in threads:
        thread.join()

    assert seen == sorted(set(seen))
    assert journal.is_empty()


def test_what_was_let_go_leaves_the_log_as_small_as_it_was(tmp_path: Path) -> None:
    journal, log = Journal(tmp_path / "journal.db"), tmp_path / "journal.db-wal"

    def a_round() -> int:
        for _ in range(TIDY_EVERY):
            journal.let_go(journal.append(17, b"x" * 500))
        for tidying in [thread for thread in threading.enumerate() if thread.name == "tidy"]:
            tidying.join()
        return log.stat().st_size

    first = a_round()
    assert max(a_round() for _ in range(5)) < first * 2
    journal.close()
