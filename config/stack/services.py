"""PostgreSQL and Valkey alone, for people who run the other pieces by hand."""

import shlex
import time

from config.stack.embedded import EmbeddedStack
from config.stack.errors import StackError
from config.stack.output import Output
from config.stack.plan import Plan
from config.stack.runner import TICK_SECONDS, Requests, environment_of
from config.stack.supervisor import Supervisor


def run_services(plan: Plan, output: Output) -> int:
    """Print the variables to export and keep both servers up until asked to end."""
    requests = Requests()
    try:
        with EmbeddedStack(plan.folder) as stack:
            for name, value in environment_of(plan, stack).items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            output.say("PostgreSQL and Valkey are up; paste the lines above into another terminal. Ctrl-C ends them.")
            supervisor = Supervisor(output.say)
            supervisor.watch([stack.postgres, stack.valkey])
            while not requests.count:
                supervisor.tick()
                time.sleep(TICK_SECONDS)
    except StackError as error:
        output.say(str(error))
        return 1
    return 0
