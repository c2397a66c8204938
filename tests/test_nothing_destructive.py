"""Nothing that we ship removes keys of linked devices by itself (seed row 127): every removal there is, is known here.

The older systems lost numbers to scripts that "recovered" by deleting. So each place in the shipped files that can
remove files is listed with what it removes; a new one fails until somebody has thought about it.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
#: What Python calls to remove files and folders.
REMOVERS: Final = frozenset({"unlink", "rmtree", "remove", "rmdir", "removedirs", "truncate"})
#: Whole trees at once.
RECURSIVE: Final = frozenset({"rmtree", "removedirs"})
#: `rm` with an r among its options, `find ... -delete`, a volume's end.
SHELL: Final = re.compile(r"\brm\s+(-\w+\s+)*-\w*[rR]|-delete\b|\bdown\s+(-v|--volumes)|\bvolume\s+rm\b")

#: (file, function, call): why it may. Nothing recursive ever comes near a worker's state folder.
KNOWN: Final = {
    ("accounts/demo.py", "_write", "unlink"): "its own draft",
    ("config/stack/accounts.py", "_copied", "rmtree"): "a copy of PostgreSQL's programs, half made",
    ("config/stack/embedded.py", "stop", "rmtree"): "sockets, or all of a throwaway stack in /tmp",
    ("config/stack/places.py", "_sweep", "rmtree"): "a throwaway stack in /tmp that was killed; tests alone make them",
    ("config/stack/places.py", "_roots_home", "unlink"): "a symbolic link",
    ("config/stack/postgres.py", "start", "unlink"): "a stale socket",
    ("config/stack/postgres.py", "_create", "rmtree"): "PostgreSQL's data folder before it ever was one",
    ("config/stack/postgres.py", "_end_stray", "unlink"): "the pid file of a dead server",
    ("config/stack/valkey.py", "start", "unlink"): "a stale socket",
    ("config/stack/secret_file.py", "write_private", "unlink"): "its own draft",
    ("sandbox/protocol/tls.py", "_context", "unlink"): "a certificate that OpenSSL wants as a file",
    ("sandbox/thread.py", "__exit__", "rmtree"): "the sandbox's own folder in /tmp",
    ("whatsapp/engine/device_store.py", "erase", "unlink"): "the keys of a device that a person has unlinked",
    (
        "whatsapp/engine/fake.py",
        "phone_unlinks",
        "unlink",
    ): "no file: a phone's order to the fake engine",
    ("whatsapp/engine/process.py", "_close", "unlink"): "a host's copy of the sandbox's certificate",
    ("whatsapp/engine/store_copy.py", "put", "unlink"): "what a verified backup replaces, after a copy of it was kept",
    ("whatsapp/services/cleanup.py", "_remove", "unlink"): "files that are provably of no use, none with a device",
    ("whatsapp/services/cleanup.py", "_remove", "rmdir"): "an empty folder of the trash",
    ("whatsapp/services/vault.py", "_write", "unlink"): "its own draft",
    ("whatsapp/services/vault.py", "drop", "unlink"): "one backup of many, when a newer one was verified",
    ("whatsapp/worker/identity.py", "_store_id", "unlink"): "its own draft",
}
#: Files beside Python's in which a shell's words stand.
TEXTS: Final = ("*.sh", "*.yml", "*.toml", "Makefile", "Dockerfile", "*.md", ".ci/*")


def shipped(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True)
    paths = [ROOT / name for name in listed.stdout.decode().split()]
    return [
        path for path in paths if path.is_file() and path.relative_to(ROOT).parts[0] not in ("tests", "bench", "faults")
    ]


def removals(path: Path) -> Iterator[tuple[str, str, str]]:
    """Calls by these names on files; sessions are unlinked too, which is another word."""
    name = str(path.relative_to(ROOT))
    for function, call in _calls(ast.parse(path.read_text()), ""):
        if _is_removal(call):
            yield name, function, _called(call)


def _calls(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(child, ast.Call):
            yield inside, child
        yield from _calls(child, inside)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_removal(call: ast.Call) -> bool:
    """`Path.unlink` takes nothing but `missing_ok`; what takes more is a service of the same name."""
    if _called(call) not in REMOVERS:
        return False
    is_path_method = {keyword.arg for keyword in call.keywords} <= {"missing_ok"} and not call.args
    return _called(call) in RECURSIVE or (is_path_method if _called(call) == "unlink" else not _is_of_a_list(call))


def _is_of_a_list(call: ast.Call) -> bool:
    return _called(call) in ("remove", "truncate") and not ast.unparse(call.func).startswith(("os.", "shutil."))


def everywhere() -> set[tuple[str, str, str]]:
    return {removal for path in shipped("*.py") for removal in removals(path)}


def test_every_place_that_removes_files_is_known() -> None:
    found = everywhere()

    assert found - KNOWN.keys() == set(), "say here what these remove, and why no key of a device can be among it"
    assert KNOWN.keys() - found == set(), "these are gone"


def test_nothing_recursive_comes_near_the_workers_folder() -> None:
    recursive = {name for name, _, call in everywhere() if call in RECURSIVE}

    assert {name.split("/")[0] for name in recursive} <= {"config", "sandbox"}


def test_device_stores_are_erased_in_one_place_and_on_one_order() -> None:
    callers = [
        (str(path.relative_to(ROOT)), function)
        for path in shipped("*.py")
        for function, call in _calls(ast.parse(path.read_text()), "")
        if "device_store.erase" in ast.unparse(call)
    ]

    assert callers == [("whatsapp/worker/run.py", "_let_go")]


def test_snapshots_of_keys_are_erased_in_one_place_and_on_one_order() -> None:
    erasing = [
        (str(path.relative_to(ROOT)), function)
        for path in shipped("*.py")
        for function, call in _calls(ast.parse(path.read_text()), "")
        if _called(call) in ("delete", "_raw_delete") and "Snapshot" in ast.unparse(call)
    ]
    orders = [
        (str(path.relative_to(ROOT)), function)
        for path in shipped("*.py")
        for function, call in _calls(ast.parse(path.read_text()), "")
        if "snapshots.erase" in ast.unparse(call)
    ]

    assert erasing == [("whatsapp/services/snapshots.py", "erase")]
    assert orders == [("whatsapp/services/reports.py", "_ended")]


@pytest.mark.parametrize("path", shipped(*TEXTS), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_script_and_no_page_removes_a_tree(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if SHELL.search(line)]

    assert found == []


@pytest.mark.parametrize(
    "line",
    ["rm -rf var/worker", "rm -f -r x", "find . -name '*.db' -delete", "docker compose down -v", "docker volume rm x"],
)
def test_what_removes_a_tree_is_recognised(line: str) -> None:
    assert SHELL.search(line)


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        ("shutil.rmtree(folder)", True),
        ("path.unlink(missing_ok=True)", True),
        ("os.remove(path)", True),
        ("path.rmdir()", True),
        ("sessions.unlink(company=acme, session_id='x', by=by)", False),
        ("names.remove(name)", False),
    ],
)
def test_what_removes_files_is_recognised(code: str, is_one: bool) -> None:
    assert any(_is_removal(call) for _, call in _calls(ast.parse(code), "")) == is_one
