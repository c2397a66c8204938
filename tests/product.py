"""The whole product as processes, and its people as clients of what they would use: pages' socket, API, phones."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.waiting import PATIENCE, eventually

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def forget_database(folder: Path) -> None:
    """Of a product that ran there and has ended: root's runs keep it outside the folder."""
    shutil.rmtree((folder / "var" / "stack").resolve(), ignore_errors=True)


class Product:
    """`make run` in a folder and on ports of its own. With `ends_with_us` it ends however we do."""

    def __init__(self, folder: Path, *, ends_with_us: bool = False, **settings: str) -> None:
        self.folder = folder
        self._options = ["--end-with-parent"] if ends_with_us else []
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WHARF_")},
            "RUN_DIR": str(folder / "var"),
            "PORT": str(free_port()),
            "SANDBOX_PORT": str(free_port()),
            **settings,
        }
        self.url = f"http://127.0.0.1:{self._environment['PORT']}"
        self.sandbox_url = f"http://127.0.0.1:{self._environment['SANDBOX_PORT']}"
        self._runner: subprocess.Popen[bytes] | None = None
        self._clients = contextlib.ExitStack()

    def starts(self) -> None:
        with (self.folder / "run.log").open("ab") as log:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "config.stack", "run", *self._options],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._is_serving, within=START_SECONDS, what=f"it serves; its log:\n{self.log()[-3000:]}")

    def _is_serving(self) -> bool:
        assert self._runner is not None
        assert self._runner.poll() is None, f"the run ended:\n{self.log()[-3000:]}"
        with contextlib.suppress(httpx.HTTPError):
            return self._web.get("/health/ready").status_code == 200
        return False

    @cached_property
    def _web(self) -> httpx.Client:
        return self._client(self.url)

    def stops(self) -> None:
        if self._runner is not None and self._runner.poll() is None:
            self._runner.send_signal(signal.SIGTERM)
            self._runner.wait(60)

    def ends(self) -> None:
        self._clients.close()
        self.stops()

    @property
    def database_url(self) -> str:
        return str(json.loads((self.folder / "var" / "environment.json").read_text())["WHARF_DATABASE_URL"])

    def _client(self, url: str, **options: Any) -> httpx.Client:
        """Talks to this machine only, whatever proxy the shell names."""
        client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, **options)
        return self._clients.enter_context(client)

    @property
    def pid(self) -> int:
        assert self._runner is not None
        return self._runner.pid

    def log(self) -> str:
        path = self.folder / "run.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def demo(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "var" / "demo.json").read_text()))

    def manage(self, *arguments: str) -> Any:
        """One of the commands that a person types beside it; what it prints as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "config.stack", "manage", *arguments, "--json"],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def phone(self, number: str, name: str) -> "VirtualPhone":
        return VirtualPhone(self._client(self.sandbox_url), number, name)

    def makes_a_company(self, name: str, *, sessions: int) -> tuple[dict[str, Any], "ApiPerson"]:
        """A new one for so many sessions, sandbox allowed, as the command tells of it, and its admin."""
        made = self.manage("create_company", name, "--max-sessions", str(sessions), "--allow-sandbox")
        email = f"admin@{made['slug']}.test"
        member = self.manage("create_member", email, "--company", made["slug"], "--role", "admin")
        return made, self.person(member["email"], member["password"])

    def person(self, email: str, password: str) -> "ApiPerson":
        return ApiPerson(self._client(self.url, headers={"Accept-Language": "en"}), email, password)


class VirtualPhone:
    """Somebody's phone in the sandbox, through its JSON API."""

    def __init__(self, client: httpx.Client, number: str, name: str) -> None:
        self.number = number
        self._http = client
        self._post("/phones", number=number, name=name)

    def _post(self, path: str, **body: Any) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def scans(self, qr: str) -> None:
        self._post(f"/phones/{self.number}/scan", qr=qr)

    def types(self, code: str) -> None:
        self._post(f"/phones/{self.number}/pair", code=code)

    def sends(self, to: "VirtualPhone", text: str) -> str:
        return str(self._post(f"/phones/{self.number}/send", to=to.number, text=text)["id"])

    def inbox(self) -> list[dict[str, Any]]:
        return list(self._http.get(f"/phones/{self.number}/inbox").json()["messages"])

    def receives(self, text: str) -> dict[str, Any]:
        return eventually(lambda: next((m for m in self.inbox() if m["text"] == text), None), what=f"{text!r} arrives")

    def reads(self, message: dict[str, Any]) -> None:
        self._post(f"/phones/{self.number}/read", ids=[message["id"]])

    def unlinks(self) -> None:
        self._post(f"/phones/{self.number}/unlink")


class ApiPerson:
    """A member of a company, with a token, and a screen that is live."""

    def __init__(self, client: httpx.Client, email: str, password: str) -> None:
        self._http = client
        self.token = str(self.post("/api/auth/login", email=email, password=password)["token"])
        self._http.headers["Authorization"] = f"Bearer {self.token}"
        self.id = str(self.get("/api/auth/me")["id"])

    def get(self, path: str) -> Any:
        answer = self._http.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def creates_a_session(self, name: str) -> str:
        return str(self.post("/api/whatsapp/sessions", name=name, network="sandbox")["data"]["sessionId"])

    def grants(self, session_id: str, to: "ApiPerson") -> None:
        self.post(f"/api/whatsapp/sessions/{session_id}/access", managerId=to.id)

    def answers(self, session_id: str, chat_id: str, text: str) -> str:
        path = f"/api/whatsapp/sessions/{session_id}/chats/{chat_id}/send"
        return str(self.post(path, message=text)["data"]["id"])

    @contextlib.contextmanager
    def watching(self) -> Iterator["Screen"]:
        address = str(self._http.base_url).replace("http", "ws", 1).rstrip("/") + "/ws/whatsapp/"
        with connect(address, proxy=None) as connection:
            connection.send(json.dumps({"type": "auth", "token": self.token}))
            yield Screen(connection)


class Screen:
    """What the live WebSocket has told so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._told: list[dict[str, Any]] = []

    def hears(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Wait for a message of that type in which these are so; keys may be paths (`session__state`)."""
        deadline = time.monotonic() + PATIENCE
        seen = 0
        while True:
            for message in self._told[seen:]:
                if message["type"] == kind and all(_at(message, path) == value for path, value in wanted.items()):
                    return message
            seen = len(self._told)
            try:
                self._told.append(json.loads(self._connection.recv(max(0.0, deadline - time.monotonic()))))
            except TimeoutError:
                raise AssertionError(f"never heard {kind} {wanted}; heard {self._told[-5:]}") from None

    def stream(self) -> Iterator[dict[str, Any]]:
        """Everything, until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                yield json.loads(self._connection.recv())

    def shows(self, session_id: str, state: str) -> dict[str, Any]:
        """The session is seen in this state, now or from the first snapshot."""
        for message in self._told:
            if message["type"] == "snapshot":
                for row in message["sessions"]:
                    if (row["id"], row["state"]) == (session_id, state):
                        return dict(row)
        return dict(self.hears("session.changed", session__id=session_id, session__state=state)["session"])

    def qr(self, session_id: str) -> str:
        def shown(message: dict[str, Any]) -> str:
            challenges = message.get("challenges") or [message.get("challenge") or {}]
            return next((c["qr"] for c in challenges if c.get("sessionId") == session_id and c["qr"]), "")

        deadline = time.monotonic() + PATIENCE
        while True:
            for message in self._told:
                if found := shown(message):
                    return str(found)
            self._told.append(json.loads(self._connection.recv(max(0.01, deadline - time.monotonic()))))


def _at(message: Any, path: str) -> Any:
    for name in path.split("__"):
        message = message.get(name) if isinstance(message, dict) else None
    return message


class Running:
    """`with Running(folder) as product:` – started, and stopped whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.product = Product(folder)

    def __enter__(self) -> Product:
        self.product.starts()
        return self.product

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.product.ends()
        if kind is None:
            forget_database(self.product.folder)
