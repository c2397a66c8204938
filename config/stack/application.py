"""One of Wharf's processes under the runner: started, shown, ended with all its descendants."""

import signal
import subprocess
from collections.abc import Mapping
from itertools import count

from config.stack.guard import Guard
from config.stack.output import Output
from config.stack.plan import ROOT, Service
from config.stack.processes import MARK, end, marked, spawn

#: A worker's hosts leave in good order when it is gone: ended sooner, they take messages with them. They are not waited
#: for longer than that takes.
LEFTOVERS_SECONDS = 15


class Application:
    """Satisfies Supervised, and can be told to end."""

    def __init__(self, service: Service, environment: Mapping[str, str], output: Output, guard: Guard) -> None:
        self.service, self._output, self._guard = service, output, guard
        self._environment = {**environment, **service.settings}
        self._mark = f"{environment[MARK]}.{service.name}."
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def ending(self) -> str:
        return describe(self._process.returncode) if self._process else "has not run"

    def start(self) -> None:
        self.clear_leftovers()
        self._process = spawn(
            self.service.command,
            environment={**self._environment, MARK: f"{self._mark}{next(self._numbers)}"},
            folder=ROOT,
            output=subprocess.PIPE,
        )
        self._guard.born(self._process.pid)
        assert self._process.stdout is not None
        self._output.follow(self.name, self._process.stdout)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        if self._process is not None and self.is_running():
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None and self.is_running():
            self._process.kill()
            self._process.wait()

    def clear_leftovers(self) -> None:
        """What the last process started and left behind (a worker's hosts) must not meet its successor."""
        if self._process is not None:
            self._guard.gone(self._process.pid)
            end(marked(self._mark), LEFTOVERS_SECONDS)


def describe(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
