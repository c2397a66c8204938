"""What a run consists of: values only, so that tests run the same runner over small stand-ins."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """A process that is kept running. Services of a lower `stage` end before those of a higher one."""

    name: str
    command: tuple[str, ...]
    stage: int = 0
    grace: float = 10
    #: Needs no database: starts while that is prepared.
    early: bool = False
    #: What this one alone is told.
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Port:
    """A port of ours on loopback, and the variable by which people choose another."""

    variable: str
    number: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.number}"


@dataclass(frozen=True)
class Plan:
    folder: Path
    web: Port
    sandbox: Port
    preparations: Mapping[str, tuple[str, ...]]
    services: tuple[Service, ...]
    ready_path: str = "/health/ready"
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def demo_file(self) -> Path:
        return self.folder / "demo.json"

    @property
    def environment_file(self) -> Path:
        """The variables of the run, for commands beside it (`python -m config.stack manage`)."""
        return self.folder / "environment.json"


def wharfs_plan(environment: Mapping[str, str] = os.environ) -> Plan:
    """Everything Wharf is made of, in one terminal."""
    folder = Path(environment.get("RUN_DIR") or ROOT / "var").resolve()
    web, sandbox = port(environment, "PORT", 3000), port(environment, "SANDBOX_PORT", 8090)
    return Plan(
        folder=folder,
        web=web,
        sandbox=sandbox,
        preparations={"upgrade": (sys.executable, "-m", "config.stack.prepare", str(folder / "demo.json"))},
        services=(
            Service("sandbox", _sandbox_command(folder, sandbox), stage=1, grace=5, early=True),
            Service("web", web_command(web.number), grace=10),
            Service("worker", manage("runsessions"), grace=15, settings=_metrics(environment, 0)),
            Service("jobs", manage("runjobs"), grace=10, settings=_metrics(environment, 1)),
            Service("webhooks", manage("runwebhooks"), grace=10, settings=_metrics(environment, 2)),
        ),
        # In one terminal, whoever receives is on this machine too.
        settings={
            "WHARF_STATE_DIR": str(folder / "worker"),
            "WHARF_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        },
    )


def _metrics(environment: Mapping[str, str], number: int) -> dict[str, str]:
    """Each process shows its metrics at a port of its own, from METRICS_PORT on; nowhere without that variable."""
    if not environment.get("METRICS_PORT"):
        return {}
    first = port(environment, "METRICS_PORT", 0).number
    return {"WHARF_METRICS_ADDRESS": f"{HOST}:{first + number}"}


def port(environment: Mapping[str, str], variable: str, default: int) -> Port:
    value = environment.get(variable) or str(default)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise ValueError(f"{variable}={value} is not a port number.")
    return Port(variable, int(value))


def manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "manage.py"), *arguments)


#: uvicorn's WebSockets, whose frames leave together.
FRAMES: Final = "wharf.frames:GatheringProtocol"


def web_command(number: int) -> tuple[str, ...]:
    address = ("--host", HOST, "--port", str(number))
    parts = ("--loop", "uvloop", "--http", "httptools", "--ws", FRAMES, "--ws-per-message-deflate", "false")
    manners = ("--timeout-graceful-shutdown", "8", "--no-access-log", "--no-server-header", "--log-level", "warning")
    return (sys.executable, "-m", "uvicorn", "config.asgi:application", *address, *parts, *manners)


def _sandbox_command(folder: Path, sandbox: Port) -> tuple[str, ...]:
    return manage("runsandbox", "--port", str(sandbox.number), "--state", str(folder / "sandbox"))
