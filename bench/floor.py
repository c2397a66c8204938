"""The bare neonize as the bench drives it."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx

from bench import processes
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent


class Bare:
    """`count` clients in one process."""

    def __init__(self, sandbox_url: str, folder: Path, count: int = 1) -> None:
        told = httpx.get(f"{sandbox_url}/network", trust_env=False).json()
        ca = Path(tempfile.mkstemp(dir=folder, suffix=".pem")[1])
        ca.write_text(told["ca"])
        self._environment = os.environ | {
            "HTTPS_PROXY": told["proxy"],
            "https_proxy": told["proxy"],
            "NO_PROXY": "",
            "no_proxy": "",
            "SSL_CERT_FILE": str(ca),
            "BENCH_ROOT_KEY": told["rootKey"],
        }
        self._folder, self._count = folder, count
        self._told: list[dict[str, Any]] = []
        self._process: subprocess.Popen[str]

    def starts(self) -> "Bare":
        self._told = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.bare", str(self._folder), str(self._count)],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{"):
                self._told.append(json.loads(line))

    def stops(self) -> None:
        self._process.kill()
        self._process.wait()

    def hears(self, kind: str, **wanted: Any) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            fits = (t for t in self._told if t["kind"] == kind and all(t[k] == v for k, v in wanted.items()))
            return next(fits, None)

        return eventually(look, within=60, what=f"the bare client tells {kind} {wanted}")

    def messages(self) -> list[dict[str, Any]]:
        return [told for told in self._told if told["kind"] == "message"]

    def sends(self, count: int, to: str) -> None:
        """So many of each client."""
        assert self._process.stdin is not None
        self._told = [told for told in self._told if told["kind"] != "sent"]
        self._process.stdin.write(json.dumps({"send": count, "to": to}) + "\n")
        self._process.stdin.flush()
        self.hears("sent")

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        return processes.cpu_seconds([self.pid])
