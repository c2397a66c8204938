"""Wharf in one terminal: servers, migrations, processes; it watches them and ends all of it in order."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from types import FrameType

from config.stack.application import Application, describe
from config.stack.embedded import EmbeddedStack
from config.stack.errors import StackError
from config.stack.guard import Guard
from config.stack.output import Output
from config.stack.plan import ROOT, Plan
from config.stack.processes import MARK, end, spawn, wait_until
from config.stack.secret_file import secret_key, write_private
from config.stack.stopping import stop_all
from config.stack.supervisor import Supervisor
from config.stack.web import check_ports, wait_ready
from config.surfaces import silent_surfaces

TICK_SECONDS = 0.1
PATIENCE_SECONDS = 60
PREPARATION_GRACE = 10


class Interrupted(Exception):
    """Somebody asked us to end before all was up."""


class Requests:
    """How often the terminal or the system asked us to end."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means to outlive its terminal
            signal.signal(signal.SIGHUP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


def run(plan: Plan, output: Output | None = None) -> int:
    """Run `plan` until asked to end; the exit code."""
    output = output or Output()
    requests = Requests()
    try:
        stack = EmbeddedStack(plan.folder)
    except StackError as error:
        output.say(str(error))
        return 1
    try:
        # Only now: what a killed run left on the ports has been cleared away.
        check_ports([plan.web, plan.sandbox])
    except StackError as error:
        output.say(str(error))
        stack.stop()
        return 1
    return Run(plan, stack, output, requests).go()


class Run:
    """One run, from a held lock to its release."""

    def __init__(self, plan: Plan, stack: EmbeddedStack, output: Output, requests: Requests) -> None:
        self._plan, self._stack, self._output, self._requests = plan, stack, output, requests
        self._began = time.monotonic()
        self._guard = Guard(stack.mark, stack.lock.descriptor)
        self._environment = {
            **os.environ,
            **environment_of(plan, stack),
            "PYTHONUNBUFFERED": "1",
            MARK: stack.mark,
        }
        write_private(plan.environment_file, json.dumps(environment_of(plan, stack), indent=2))
        self._applications = [Application(service, self._environment, output, self._guard) for service in plan.services]
        self._supervisor = Supervisor(output.say)

    def go(self) -> int:
        try:
            self._bring_up()
            self._watch()
        except Interrupted:
            pass
        except StackError as error:
            self._output.say(str(error))
            return 1
        finally:
            self._take_down()
        return 0

    def _bring_up(self) -> None:
        early = [one for one in self._applications if one.service.early]
        self._start(early)
        self._stack.start()
        self._guard.born(self._stack.postgres.pid)
        self._guard.born(self._stack.valkey.pid)
        self._tell("PostgreSQL and Valkey are up")
        for name, command in self._plan.preparations.items():
            self._prepare(name, command)
        self._start([one for one in self._applications if one not in early])
        threading.Thread(target=self._announce, daemon=True, name="announce").start()

    def _start(self, applications: list[Application]) -> None:
        self._stop_if_asked()
        for application in applications:
            application.start()

    def _prepare(self, name: str, command: tuple[str, ...]) -> None:
        """Run a command to its end; without it there is no use in going on."""
        self._stop_if_asked()
        process = spawn(command, environment=self._environment, folder=ROOT, output=subprocess.PIPE)
        assert process.stdout is not None
        pump = self._output.follow(name, process.stdout)
        while process.poll() is None:
            wait_until(lambda: process.poll() is not None or self._is_asked(), PATIENCE_SECONDS)
            if self._is_asked():
                end([process.pid], PREPARATION_GRACE)
        pump.join(PREPARATION_GRACE)
        self._stop_if_asked()
        if process.returncode != 0:
            raise StackError(f"{name} {describe(process.returncode)}; nothing was started on top of it")
        self._tell(f"{name} done")

    def _watch(self) -> None:
        self._supervisor.watch([self._stack.postgres, self._stack.valkey, *self._applications])
        while not self._is_asked():
            self._supervisor.tick()
            self._guard.restart_if_dead()
            time.sleep(TICK_SECONDS)

    def _announce(self) -> None:
        plan = self._plan
        if wait_ready(plan.web, plan.ready_path, PATIENCE_SECONDS, self._is_asked):
            self._tell("serving")
            self._tell_surfaces()
            self._output.box(box_lines(plan))
        elif not self._is_asked():
            self._output.say(f"web is not ready on {plan.web.url} yet; its lines above may say why")

    def _tell_surfaces(self) -> None:
        silent = silent_surfaces(self._plan.web.url)
        if silent:
            self._output.say(f"web does not answer as it should on {self._plan.web.url}: {', '.join(silent)}")
        else:
            self._tell("REST, WebSocket and Socket.IO answer on one port")

    def _take_down(self) -> None:
        asked = self._requests.count
        stop_all(self._applications, lambda: self._requests.count > max(asked, 1), self._output.say)
        self._stack.valkey.stop()
        self._stack.postgres.stop()
        self._guard.dismiss()
        self._stack.stop()
        self._output.say("everything is stopped, and all data is in its place")

    def _is_asked(self) -> bool:
        return self._requests.count > 0 or self._output.is_closed

    def _stop_if_asked(self) -> None:
        if self._is_asked():
            raise Interrupted

    def _tell(self, what: str) -> None:
        self._output.say(f"{what} ({time.monotonic() - self._began:.1f} s)")


def environment_of(plan: Plan, stack: EmbeddedStack) -> dict[str, str]:
    """Goes over the shell's own: an exported production database is never migrated by `make run`."""
    return {
        "WHARF_SECRET_KEY": secret_key(plan.folder),
        "WHARF_DATABASE_URL": stack.database_url,
        "WHARF_REDIS_URL": stack.redis_url,
        "WHARF_PUBLIC_URL": plan.web.url,
        "WHARF_SANDBOX_URL": plan.sandbox.url,
        **plan.settings,
    }


def box_lines(plan: Plan) -> list[str]:
    """What to open, and the demo company's log-ins as its file has them."""
    lines = [f"Wharf     {plan.web.url}", f"Sandbox   {plan.sandbox.url}"]
    if plan.demo_file.exists():
        demo: Mapping[str, object] = json.loads(plan.demo_file.read_text())
        people = [(name, value) for name, value in demo.items() if isinstance(value, dict)]
        lines += ["", *(f"{name:9} {'  '.join(map(str, value.values()))}" for name, value in people)]
    return [*lines, "", "Ctrl-C stops everything; `make run` brings it back as it was."]
