"""An embedded PostgreSQL on a Unix socket: made once, started, and ended with its data whole."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from config.stack.accounts import Account, database_account, postgres_programs
from config.stack.errors import ServerFailed
from config.stack.places import Places, private_folder
from config.stack.processes import end, is_alive, spawn, wait_until

DATABASE = "wharf"
START_SECONDS = 60  # crash recovery may have much to replay; a clean start takes 0.1 s
STOP_SECONDS = 30
_LOG_LIMIT = 5_000_000

#: What every cluster runs with. Many companies mean many tables in one transaction: hence the locks.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "max_locks_per_transaction": "256",
    "jit": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
#: A test's cluster need not outlive a power cut.
THROWAWAY_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
}


class Postgres:
    """One cluster; `start` returns at once, `wait_ready` when it answers: others may start meanwhile."""

    def __init__(self, places: Places, *, throwaway: bool, mark: Mapping[str, str]) -> None:
        self._places, self._throwaway = places, throwaway
        self._account: Account = database_account()
        self._log = places.home / "postgres.log"
        # A clean environment: PG* variables of the person at the terminal do not concern this server.
        self._environment = {"PATH": os.defpath, "LC_ALL": "C", **mark}
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = Path()

    @property
    def url(self) -> str:
        return f"postgres://{DATABASE}@{quote(str(self._places.postgres_sockets), safe='')}/{DATABASE}"

    @property
    def name(self) -> str:
        return "PostgreSQL"

    @property
    def ending(self) -> str:
        return f"ended by itself, see {self._log}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        self._programs = postgres_programs(self._account)
        self._end_stray()
        if not self._places.data.exists():
            self._create()
        sockets = private_folder(self._places.postgres_sockets, self._account.user, self._account.group)
        for stale in sockets.iterdir():
            stale.unlink()
        self._trim_log()
        self._log.touch(mode=0o600)
        with self._log.open("ab") as output:
            self._process = spawn(
                [self._programs / "postgres", "-D", self._places.data, *self._options()],
                environment=self._environment,
                folder=Path("/"),
                output=output,
                # fast shutdown keeps the data clean; a throw-away cluster may just vanish
                death_signal=signal.SIGQUIT if self._throwaway else signal.SIGINT,
                user=self._account.user,
                group=self._account.group,
            )

    def wait_ready(self) -> None:
        """Return when *this* process takes connections; a foreign server's files never count."""
        if wait_until(lambda: self._is_ready() or not self.is_running(), START_SECONDS) and self.is_running():
            return
        raise ServerFailed(f"PostgreSQL did not start; {self._log} ends with:\n{self._last_words()}")

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End with all data on disk; a throw-away cluster is not even asked to flush."""
        if self._process is not None and self.is_running():
            self._process.send_signal(signal.SIGQUIT if self._throwaway else signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # The next start recovers; SIGKILL would leave children behind.
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()

    def _options(self) -> list[str]:
        settings = {
            **SETTINGS,
            "unix_socket_directories": f'"{self._places.postgres_sockets}"',
            "hba_file": str(self._write("pg_hba.conf", f"local all all peer map={DATABASE}\n")),
            "ident_file": str(self._write("pg_ident.conf", f"{DATABASE} {_own_name()} {DATABASE}\n")),
            **(THROWAWAY_SETTINGS if self._throwaway else {}),
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _write(self, name: str, content: str) -> Path:
        """A file the account of the server reads and cannot change."""
        path = self._places.home / name
        path.write_text(content)
        path.chmod(0o644)
        return path

    def _create(self) -> None:
        """A new cluster with our database in it, whole or not at all: it gets its name when it is done."""
        unfinished = self._places.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        private_folder(unfinished, self._account.user, self._account.group)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--username", DATABASE, "--auth-local=peer", "--auth-host=reject")
        sync = ("--no-sync",) if self._throwaway else ()
        self._run("initdb", "-D", unfinished, *locale, *access, *sync)
        single = ("--single", "-D", unfinished, "-c", f"fsync={'off' if self._throwaway else 'on'}")
        self._run("postgres", *single, "postgres", feed=f"CREATE DATABASE {DATABASE}\n")
        unfinished.rename(self._places.data)

    def _run(self, program: str, *arguments: str | Path, feed: str = "") -> None:
        done = subprocess.run(
            [str(self._programs / program), *map(str, arguments)],
            input=feed.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            cwd="/",
            user=self._account.user,
            group=self._account.group,
            extra_groups=None if self._account.user is None else [],
        )
        if done.returncode != 0:
            raise ServerFailed(f"{program} failed:\n{done.stdout.decode(errors='replace').strip()}")

    def _end_stray(self) -> None:
        """A server that outlived its runner must go before ours may touch the data."""
        pid = int((self._pid_file() or ["0"])[0])
        if not pid or not is_alive(pid):
            return
        if self._is_ours(pid):
            end([pid], STOP_SECONDS, first=signal.SIGINT)
        else:
            # The number is a stranger's by now; PostgreSQL would take that one for a server and refuse.
            (self._places.data / "postmaster.pid").unlink()

    def _is_ours(self, pid: int) -> bool:
        """Whether `pid` serves our data; after a reboot the number may be anybody's."""
        try:
            return str(self._places.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False

    def _is_ready(self) -> bool:
        lines = self._pid_file()
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _pid_file(self) -> list[str]:
        try:
            return (self._places.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _trim_log(self) -> None:
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.old"))

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])


def _own_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
