"""`python -m faults`: run it once, say what was promised and what came of it. Exit code 1 when a promise was broken."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Final

from faults import plan, report, suite
from tests.product import forget_database

FAILED: Final = 1
INTERRUPTED: Final = 130


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    seed = options.seed if options.seed is not None else int(time.time()) % 1_000_000
    size = {"messages": options.messages, "sessions": options.sessions, "seconds": options.minutes * 60}
    _say(
        f"python -m faults --messages {options.messages} --sessions {options.sessions} "
        f"--minutes {options.minutes:g} --seed {seed}" + "".join(f" --only '{kind}'" for kind in options.only)
    )
    folder = Path(tempfile.mkdtemp(prefix="wharf-faults-"))
    try:
        outcome = suite.run(plan.draw(**size, seed=seed, only=options.only), folder, _say)
    except KeyboardInterrupt:
        _forget(folder)
        return INTERRUPTED
    print(f"\n{report.text_of(outcome)}", flush=True)
    if report.is_good(outcome):
        _forget(folder)
        return 0
    print(f"\nThe run's logs and data are in {folder}.", flush=True)
    return FAILED


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="in and out together (%(default)s)")
    parser.add_argument("--sessions", type=int, default=20, help="linked sessions (%(default)s)")
    parser.add_argument("--minutes", type=float, default=8.0, help="over which they are spread (%(default)s)")
    parser.add_argument("--seed", type=int, help="of a run to be repeated")
    kinds = [*plan.KILLS, *plan.TROUBLES]
    parser.add_argument(
        "--only", action="append", default=[], choices=kinds, help="this deed; may be said several times"
    )
    return parser.parse_args()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _forget(folder: Path) -> None:
    forget_database(folder)
    shutil.rmtree(folder)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
