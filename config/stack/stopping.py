"""Ends applications in order, each within its grace, sooner when somebody insists."""

import time
from collections.abc import Callable, Sequence

from config.stack.application import Application
from config.stack.processes import wait_until


def stop_all(applications: Sequence[Application], insisted: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Stage by stage: whoever needs another part (the worker the sandbox) ends before it."""
    for stage in sorted({application.service.stage for application in applications}):
        members = [application for application in applications if application.service.stage == stage]
        _stop_stage([member for member in members if member.is_running()], insisted, say)
        for member in members:
            member.clear_leftovers()


def _stop_stage(members: Sequence[Application], insisted: Callable[[], bool], say: Callable[[str], None]) -> None:
    if members:
        say(f"stopping {', '.join(member.name for member in members)} …")
    for member in members:
        member.terminate()
    began = time.monotonic()  # graces run at the same time
    for member in sorted(members, key=lambda one: one.service.grace):
        deadline = began + member.service.grace
        wait_until(_ended(member, insisted), deadline - time.monotonic())
        if member.is_running():
            say(f"{member.name} did not end in time; killing it")
            member.kill()


def _ended(member: Application, insisted: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: not member.is_running() or insisted()
