"""`python -m config.stack run`, `services`, and `manage COMMAND ...` beside a run."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from config.stack.output import Output
from config.stack.plan import ROOT, Plan, wharfs_plan
from config.stack.processes import end_with_parent
from config.stack.runner import run
from config.stack.services import run_services


def manage(plan: Plan, arguments: Sequence[str]) -> int:  # noqa: RET503  # it does not return
    """Become one of `manage.py`'s commands with the variables of the run that is up; returns only when nothing is.

    Become, and not start: Ctrl-C then is the command's alone, which may have to leave in good order.
    """
    try:
        variables = json.loads(plan.environment_file.read_text())
    except FileNotFoundError:
        print("Nothing has run here yet: `make run` first.", file=sys.stderr)
        return 1
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    os.execve(sys.executable, command, {**os.environ, **variables})  # noqa: S606  # by list, no shell


def main() -> int:
    if sys.argv[1:2] == ["manage"]:
        return manage(wharfs_plan(), sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m config.stack")
    parser.add_argument("command", choices=("run", "services"))
    parser.add_argument("--end-with-parent", action="store_true", help="stop when the starting process dies")
    arguments = parser.parse_args()
    if arguments.end_with_parent:
        end_with_parent()
    output = Output()
    try:
        plan = wharfs_plan()
    except ValueError as error:
        output.say(str(error))
        return 1
    return run(plan, output) if arguments.command == "run" else run_services(plan, output)


if __name__ == "__main__":
    sys.exit(main())
