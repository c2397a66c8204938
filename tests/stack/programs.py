"""Stand-ins for Wharf's processes, each a few lines so that they start at once: `python programs.py NAME …`.

`serve` answers, `worker` has a child that nothing tells to end, `upgrade` counts its runs in the database and
fails while the file `broken` is there, `jobs` ends as often as the file `crashes` says
and is deaf to SIGTERM while the file `deaf` is there.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def serve(port: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def worker(folder: str) -> None:
    """Its child has a session of its own: no signal to the group reaches it, and no kernel tells it."""
    subprocess.Popen([*sys.orig_argv[:-2], "host", folder], start_new_session=True)
    print("worker is up", flush=True)
    signal.pause()


def host(folder: str) -> None:
    """While the file `unhurried` is there it takes some seconds to leave, as one that still has something to write."""
    if (Path(folder) / "unhurried").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = os.getppid()
    print("host is up", flush=True)
    while os.getppid() == worker:
        time.sleep(0.02)
    time.sleep(5)
    print("host left in good order", flush=True)


def upgrade(folder: str) -> None:
    import psycopg  # slow, and nobody else needs it

    if (Path(folder) / "broken").exists():
        sys.exit("a migration is broken")
    with psycopg.connect(os.environ["WHARF_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS runs (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO runs DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM runs").fetchone()
    print(f"run number {row and row[0]}", flush=True)


def demo(folder: str) -> None:
    people = {"admin": {"email": "admin@example.org", "password": "made-at-run-time"}}
    (Path(folder) / "demo.json").write_text(json.dumps(people))


def jobs(folder: str) -> None:
    """Ends with code 3 while the file asks for crashes; each one takes one off."""
    file = Path(folder) / "crashes"
    left = int(file.read_text()) if file.exists() else 0
    if left:
        file.write_text(str(left - 1))
        sys.exit(3)
    if (Path(folder) / "deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("jobs is up", flush=True)
    signal.pause()


if __name__ == "__main__":
    programs = (serve, worker, host, upgrade, demo, jobs)
    {program.__name__: program for program in programs}[sys.argv[1]](*sys.argv[2:])
