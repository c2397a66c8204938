"""`python -m tests.stack.stand_in FOLDER PORT SANDBOX_PORT`: the real runner over stand-in programs."""

import sys
from pathlib import Path

from config.stack.plan import Plan, Port, Service
from config.stack.runner import run

PROGRAMS = Path(__file__).with_name("programs.py")


def program(name: str, argument: object) -> tuple[str, ...]:
    quick = () if name == "upgrade" else ("-I", "-S")
    return (sys.executable, *quick, str(PROGRAMS), name, str(argument))


def plan(folder: Path, web: int, sandbox: int) -> Plan:
    return Plan(
        folder=folder,
        web=Port("PORT", web),
        sandbox=Port("SANDBOX_PORT", sandbox),
        preparations={"upgrade": program("upgrade", folder), "demo": program("demo", folder)},
        services=(
            Service("sandbox", program("serve", sandbox), stage=1, grace=2, early=True),
            Service("web", program("serve", web), grace=2),
            Service("worker", program("worker", folder), grace=3),
            Service("jobs", program("jobs", folder), grace=60),
        ),
    )


if __name__ == "__main__":
    sys.exit(run(plan(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
