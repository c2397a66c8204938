"""When a part that ended is started again, and how processes are ended for certain."""

import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from config.stack.output import Output
from config.stack.plan import port, wharfs_plan
from config.stack.processes import end, is_alive
from config.stack.supervisor import Supervisor


@dataclass
class Part:
    name: str = "part"
    ending: str = "exited with code 1"
    running: bool = True
    starts: int = 0

    def start(self) -> None:
        self.starts += 1
        self.running = True

    def is_running(self) -> bool:
        return self.running


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A supervised part, and what was said about it."""

    part: Part = field(default_factory=Part)
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.said.append, self.clock)
        self.supervisor.watch([self.part])

    def fails(self) -> None:
        """The part ends, and time passes until it has been started again."""
        starts, self.part.running = self.part.starts, False
        while self.part.starts == starts:
            self.supervisor.tick()
            self.clock.now += 0.5

    def delays(self) -> list[str]:
        return [line.rsplit(" in ", 1)[1] for line in self.said]


def test_a_part_that_keeps_failing_is_started_later_each_time() -> None:
    world = World()

    for _ in range(7):
        world.fails()

    assert world.delays() == ["1 s", "2 s", "4 s", "8 s", "16 s", "30 s", "30 s"]
    assert world.said[0] == "part exited with code 1; starting it again in 1 s"


def test_a_good_run_makes_the_next_failure_a_first_one() -> None:
    world = World()
    world.fails()
    world.fails()

    world.clock.now += 61
    world.fails()

    assert world.delays() == ["1 s", "2 s", "1 s"]


def test_a_process_deaf_to_the_polite_signal_is_killed() -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()

        end([deaf.pid], grace=0.1)

        assert not is_alive(deaf.pid)
    assert deaf.returncode == -signal.SIGKILL


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Screen()


def test_names_are_coloured_on_a_screen(screen: Screen) -> None:
    Output(screen).line("web", "hello")

    assert screen.getvalue().startswith("\033[")
    assert "web     |" in screen.getvalue()


def test_no_color_is_honoured(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    Output(screen).line("web", "hello")

    assert screen.getvalue() == "web     | hello\n"


def test_a_reader_that_left_is_noticed_and_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        output = Output(stream)
        output.say("hello")

        assert output.is_closed


@pytest.mark.parametrize("value", ["0", "65536", "three", "-1"])
def test_a_port_that_is_none_is_told(value: str) -> None:
    with pytest.raises(ValueError, match=f"PORT={value} is not a port number"):
        port({"PORT": value}, "PORT", 3000)


def test_ports_come_from_the_environment() -> None:
    plan = wharfs_plan({"PORT": "3005"})

    assert (plan.web.url, plan.sandbox.url) == ("http://127.0.0.1:3005", "http://127.0.0.1:8090")
