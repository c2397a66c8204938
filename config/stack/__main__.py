"""`python -m config.stack run` and `python -m config.stack services`."""

import argparse
import sys

from config.stack.output import Output
from config.stack.plan import wharfs_plan
from config.stack.processes import end_with_parent
from config.stack.runner import run
from config.stack.services import run_services


def main() -> int:
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
