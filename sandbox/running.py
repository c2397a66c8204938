"""Runs the sandbox as a program, until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.control.serving import ControlServer, PortTaken
from sandbox.core import Sandbox
from sandbox.store import StateUnusable

DEFAULT_PORT = 8090
DEFAULT_STATE = Path("var/sandbox")
UNAVAILABLE, CANNOT_CREATE = 69, 73  # sysexits.h


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, default=os.environ.get("SANDBOX_PORT") or DEFAULT_PORT,
        help="of the control API and the page (SANDBOX_PORT, else %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--state", type=Path, default=Path(os.environ.get("SANDBOX_STATE") or DEFAULT_STATE), metavar="DIR",
        help="what outlives a restart: phones, linked devices, messages (SANDBOX_STATE, else %(default)s)",
    )  # fmt: skip


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else 0
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return port


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sandbox", description="A local WhatsApp with virtual phones.")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return run(options.port, options.state)


def run(port: int, state: Path) -> int:
    """The exit code; 0 after SIGTERM or SIGINT."""
    try:
        asyncio.run(_run(port, state))
    except PortTaken as error:
        return _sorry(f"The sandbox cannot start: {error}.", UNAVAILABLE)
    except StateUnusable as error:
        return _sorry(f"The sandbox cannot start: {error}.", CANNOT_CREATE)
    return 0


def settle_memory() -> None:
    """What is there now stays until the end. Else a look for cycles through all of it stops every device and every
    phone at once, for 90 ms on two small cores when Django is loaded too, and what is measured here measures that."""
    gc.collect()
    gc.freeze()


async def _run(port: int, state: Path) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    sandbox = Sandbox(state)
    control = ControlServer(sandbox, port)
    await sandbox.start()
    await control.start()
    settle_memory()
    sys.stdout.write(f"Sandbox (not WhatsApp) ready at {control.url}/\n")
    sys.stdout.flush()
    await ending.wait()
    await control.stop()
    await sandbox.stop()


def _sorry(sentence: str, code: int) -> int:
    sys.stderr.write(sentence + "\n")
    return code
