"""What `make check` and `make test` run: every stage, whatever the others say, and a table of how it went."""

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = {
    "ruff": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "layers": ("lint-imports",),
    "types": ("mypy", "."),
}
#: Two more at once than there are cores, for they wait a third of the time; more than four would wait for one another's
#: processes.
AT_ONCE = min(4, (os.cpu_count() or 1) + 2)
TESTS = ("python", "-m", "pytest", "-n", str(AT_ONCE), "--dist", "worksteal")


CLIENTS = ROOT / "tests" / "socketio" / "node"
NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
NPM_SECONDS = 180


@dataclass(frozen=True)
class Outcome:
    stage: str
    code: int
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.stack.checks", description=__doc__)
    parser.add_argument("groups", nargs="+", choices=("static", "tests"))
    groups = parser.parse_args().groups
    outcomes = _outcomes(groups)
    print("\nstage     result   seconds")
    for outcome in outcomes:
        print(f"{outcome.stage:9} {'ok' if outcome.code == 0 else 'FAILED':8} {outcome.seconds:7.1f}")
    return max(outcome.code != 0 for outcome in outcomes)


def _outcomes(groups: list[str]) -> list[Outcome]:
    """All at once: most of them keep one core busy for a while, and each one's words stay together."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        tests = [pool.submit(_tests)] if "tests" in groups else []
        stages = STATIC.items() if "static" in groups else ()
        static = [pool.submit(_stage, name, command, quiet=True) for name, command in stages]
        return [each.result() for each in static + tests]


def _bring_clients() -> None:
    """Socket.IO is tested with the clients that its users have; without npm, or a registry, those tests are skipped."""
    stamp, lock = CLIENTS / "node_modules" / ".installed", (CLIENTS / "package-lock.json").read_text()
    if shutil.which("npm") is None or (stamp.is_file() and stamp.read_text() == lock):
        return
    try:
        subprocess.run(NPM, cwd=CLIENTS, stdin=subprocess.DEVNULL, check=True, timeout=NPM_SECONDS)
        stamp.write_text(lock)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        print("npm brought no Socket.IO clients; the tests that need them are skipped", flush=True)


def _tests() -> Outcome:
    _bring_clients()
    extra = os.environ.get("PYTEST_ARGS", "").split()
    return _stage("tests", (*TESTS, *extra), quiet=False)


def _stage(name: str, command: tuple[str, ...], *, quiet: bool) -> Outcome:
    began = time.monotonic()
    done = subprocess.run(
        [Path(sys.executable).parent / command[0], *command[1:]],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if quiet:
        words = done.stdout.decode(errors="replace").rstrip()
        print(f"\n── {name}\n{words}" if done.returncode else f"── {name}: ok", flush=True)
    return Outcome(name, done.returncode, time.monotonic() - began)


def _environment() -> dict[str, str]:
    """mypy imports the settings; they want values, and nothing is ever connected to with these."""
    return os.environ | {
        "WHARF_SECRET_KEY": secrets.token_urlsafe(48),
        "WHARF_DATABASE_URL": "postgres://nobody@localhost/none",
        "WHARF_REDIS_URL": "redis://localhost",
    }


if __name__ == "__main__":
    sys.exit(main())
