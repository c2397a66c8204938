"""Terminals that clear up behind themselves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.terminal import Terminal


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Up and serving, for tests that only look."""
    terminal = Terminal(tmp_path_factory.mktemp("running") / "var")
    terminal.starts()
    terminal.is_up()
    yield terminal
    terminal.clears_up()
    shutil.rmtree((terminal.folder / "stack").resolve())


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    """Where nothing runs, though something has: making a cluster anew takes longer than most tests."""
    terminal = Terminal(folder)
    yield terminal
    terminal.clears_up()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs") / "var"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree((folder / "stack").resolve())
