"""`make run`, with stand-ins for Wharf's processes and everything else real."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

from config.stack.places import lasting_places
from config.stack.processes import is_alive, marked, wait_until
from tests.stack.terminal import ROOT, Terminal


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_run_finds_everything_the_first_one_left(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()
    secrets = (terminal.folder / "secrets.json").read_text()
    assert mode(terminal.folder) == 0o700
    assert mode(terminal.folder / "secrets.json") == 0o600

    first = terminal.run_number
    assert terminal.ends() == 0
    terminal.leaves_nothing(seconds=1)
    terminal.starts()

    assert terminal.run_number == first + 1
    terminal.is_up()
    assert (terminal.folder / "secrets.json").read_text() == secrets
    assert secrets not in terminal.text


def test_the_box_says_what_to_open_and_who_may_log_in(running: Terminal) -> None:
    assert f"Wharf     http://127.0.0.1:{running.port} " in running.text
    assert f"Sandbox   http://127.0.0.1:{running.sandbox_port} " in running.text
    assert "admin     admin@example.org  made-at-run-time" in running.text
    assert "\033" not in running.text, "colours belong on a terminal, not in a file"


def test_a_killed_runner_leaves_no_process_behind_and_no_damage(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()
    assert len(terminal.processes) > 7
    first, log = terminal.run_number, terminal.folder / "stack" / "postgres.log"
    said_before = len(log.read_text())

    terminal.is_killed()

    terminal.leaves_nothing()
    terminal.starts()
    assert terminal.run_number == first + 1
    terminal.is_up()
    assert "not properly shut down" not in log.read_text()[said_before:]


def test_a_run_right_after_a_kill_waits_for_the_remains_to_go(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()

    first = terminal.run_number
    terminal.is_killed()
    terminal.starts()

    assert terminal.run_number == first + 1
    terminal.is_up()


def test_what_outlives_even_the_watchdog_goes_at_the_next_start(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()

    terminal.runner.send_signal(signal.SIGSTOP)  # or it would replace the watchdog
    for pid in terminal.guards:
        os.kill(pid, signal.SIGKILL)
    terminal.is_killed()
    assert wait_until(lambda: len(terminal.processes) == 1, 20), terminal.describe(terminal.processes)
    old_host = terminal.processes

    terminal.starts()
    terminal.is_up()
    assert not any(map(is_alive, old_host))


def test_a_dead_postgresql_comes_back_with_its_data(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()
    first = terminal.run_number
    server = int((terminal.folder / "stack" / "data" / "postmaster.pid").read_text().split()[0])

    os.kill(server, signal.SIGKILL)

    terminal.shows("PostgreSQL ended by itself")
    pid_file = terminal.folder / "stack" / "data" / "postmaster.pid"
    assert wait_until(lambda: pid_file.exists() and str(server) not in pid_file.read_text(), 20)
    assert terminal.ends() == 0
    terminal.starts()
    assert terminal.run_number == first + 1


def test_a_process_that_ends_is_started_again(terminal: Terminal) -> None:
    (terminal.folder / "crashes").write_text("1")

    terminal.starts()

    terminal.shows("jobs exited with code 3; starting it again in 1 s")
    terminal.is_up()


def test_a_crashed_workers_children_are_gone_before_the_next_worker_starts(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()
    worker = next(pid for pid in marked("") if _is(terminal, pid, b"\0worker\0"))
    host = next(pid for pid in marked("") if _is(terminal, pid, b"\0host\0"))

    os.kill(worker, signal.SIGKILL)

    terminal.shows("worker was ended by SIGKILL; starting it again in 1 s")
    assert wait_until(lambda: terminal.text.count("worker is up") == 2, 20), terminal.text
    assert not is_alive(host)


def test_a_crashed_workers_children_may_leave_in_good_order(terminal: Terminal) -> None:
    (terminal.folder / "unhurried").touch()
    terminal.starts()
    terminal.is_up()
    worker = next(pid for pid in marked("") if _is(terminal, pid, b"\0worker\0"))

    os.kill(worker, signal.SIGKILL)

    terminal.shows("host left in good order")
    assert wait_until(lambda: terminal.text.count("worker is up") == 2, 20), terminal.text


def _is(terminal: Terminal, pid: int, words: bytes) -> bool:
    return pid in terminal.processes and words in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_taken_port_is_one_line_and_nothing_starts(terminal: Terminal) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", terminal.sandbox_port))
        somebody.listen()

        terminal.starts()

        assert terminal.runner.wait(20) == 1
    taken = terminal.sandbox_port
    assert terminal.text == (
        f"wharf   | Port {taken} is taken; choose another one: make run SANDBOX_PORT={taken + 1}\n"
    )
    assert not terminal.processes
    assert not (terminal.folder / "stack" / "data" / "postmaster.pid").exists()


def test_a_second_runner_of_the_same_folder_is_refused(running: Terminal) -> None:
    command = [sys.executable, "-m", "tests.stack.stand_in", str(running.folder), "1", "2"]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)

    assert second.returncode == 1
    assert second.stdout == (
        f"wharf   | Wharf already runs from this folder as process {running.runner.pid}; stop that first.\n"
    )
    assert running.runner.poll() is None


def test_a_failed_upgrade_ends_the_run(terminal: Terminal) -> None:
    (terminal.folder / "broken").touch()

    terminal.starts()

    assert terminal.runner.wait(20) == 1
    assert "upgrade | a migration is broken\n" in terminal.text
    assert "upgrade exited with code 1" in terminal.text
    terminal.leaves_nothing(seconds=1)


def test_ctrl_c_while_starting_leaves_nothing(terminal: Terminal) -> None:
    terminal.starts()
    terminal.shows("PostgreSQL and Valkey are up")

    assert terminal.ends(signal.SIGINT) == 0

    terminal.leaves_nothing(seconds=1)


def test_a_second_ctrl_c_does_not_wait_for_the_deaf(terminal: Terminal) -> None:
    (terminal.folder / "deaf").touch()
    terminal.starts()
    terminal.is_up()

    terminal.runner.send_signal(signal.SIGINT)
    terminal.shows("stopping web, worker, jobs")
    terminal.runner.send_signal(signal.SIGINT)

    assert terminal.runner.wait(10) == 0
    assert "jobs did not end in time; killing it" in terminal.text
    terminal.leaves_nothing(seconds=1)


def test_a_stale_pid_file_and_socket_do_not_hinder_a_start(terminal: Terminal) -> None:
    terminal.starts()
    terminal.is_up()
    first = terminal.run_number
    terminal.ends()
    places = lasting_places(terminal.folder)
    for folder in (places.postgres_sockets, places.valkey_sockets):
        folder.mkdir(parents=True)
    # After a reboot the number in the file may belong to anybody: here, to us.
    (places.data / "postmaster.pid").write_text(f"{os.getpid()}\n/\n0\n5432\n/tmp\n\n  1 1\nready\n")
    (places.postgres_sockets / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    (places.valkey_sockets / "valkey.sock").touch()

    terminal.starts()

    assert terminal.run_number == first + 1
