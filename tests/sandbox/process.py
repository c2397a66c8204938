"""The sandbox as a process of its own, as `make run` starts it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.sandbox.driver import PROJECT, until


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class SandboxProcess:
    """Started by the constructor; `kill` and `start` are a crash and what follows it."""

    def __init__(self, state: Path) -> None:
        self.state, self.port = state, free_port()
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", str(self.port), "--state", str(self.state)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self._wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.api.close()

    # -- in the words of the tests ----------------------------------------------------------------------------

    def ask(self, path: str, **body: Any) -> Any:
        answer = self.api.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def env(self, folder: Path) -> dict[str, str]:
        """What a program needs to link here, out of /network alone."""
        network = self.api.get("/network").json()
        (folder / "ca.pem").write_text(network["ca"])
        return {
            "HTTPS_PROXY": network["proxy"],
            "NO_PROXY": "",
            "SSL_CERT_FILE": str(folder / "ca.pem"),
            "WHARF_SANDBOX_ROOT_KEY": network["rootKey"],
        }

    def texts(self, number: str) -> list[str]:
        messages = self.api.get(f"/phones/{number}/inbox", params={"limit": 500}).json()["messages"]
        return [message["text"] for message in messages if not message["fromMe"]]

    def is_online(self, number: str) -> bool:
        return any(device["online"] for device in self.api.get(f"/phones/{number}").json()["linkedDevices"])

    def wait_online(self, number: str) -> None:
        until(lambda: self.is_online(number), f"{number} online")
