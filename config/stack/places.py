"""Where the servers keep their files: below the given folder for a person, below /var/lib/wharf for root.

PostgreSQL refuses to run as root, and the account it runs as instead cannot reach a checkout below a closed
folder such as /root. Opening that folder is not ours to do, so root's data lies where every account may pass.
"""

import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from config.stack.errors import StackError
from config.stack.locks import FolderLock

ROOTS_DATA = Path("/var/lib/wharf")
#: Where TMPDIR leads may be too long for a socket. What we make there is ours alone.
_SHORT_FOLDER = Path("/tmp")  # noqa: S108
#: sun_path holds 108 bytes with its end mark; the longest name in a socket folder is PostgreSQL's lock file.
_LONGEST_SOCKET_FOLDER = 107 - len("/postgres/.s.PGSQL.5432.lock")


@dataclass(frozen=True)
class Places:
    """The folders of one stack."""

    home: Path
    sockets: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def postgres_sockets(self) -> Path:
        return self.sockets / "postgres"

    @property
    def valkey_sockets(self) -> Path:
        return self.sockets / "valkey"


def short_name(folder: Path) -> str:
    """A name for `folder` that is the same in every run and differs for every other path."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def in_itself(home: Path) -> Places:
    return Places(home, home / "sockets")


def throwaway_folder() -> Path:
    """A new home that lives as long as its lock is held; homes whose owner is dead are swept away first."""
    for old in _SHORT_FOLDER.glob("wharf-throwaway-*"):
        _sweep(old)
    home = Path(tempfile.mkdtemp(prefix="wharf-throwaway-", dir=_SHORT_FOLDER))
    home.chmod(0o711)  # the account of the database passes through; it cannot list
    return home


def _sweep(home: Path) -> None:
    lock = FolderLock(home)
    try:
        if home.is_symlink() or home.stat().st_uid != os.geteuid() or not (home / "lock").exists():
            return
        lock.take(patience=0)
    except (StackError, OSError):  # it lives, or somebody else sweeps it
        return
    shutil.rmtree(home, ignore_errors=True)
    lock.release()


def lasting_places(folder: Path, roots_data: Path = ROOTS_DATA) -> Places:
    """The home of the servers of `folder`, the same in every run."""
    link = folder / "stack"
    if os.geteuid() == 0:
        home = _roots_home(folder, link, roots_data)
    else:
        home = link
        home.mkdir(mode=0o700, exist_ok=True)
    return Places(home, _socket_folder(home, folder))


def _roots_home(folder: Path, link: Path, roots_data: Path) -> Path:
    home = roots_data / short_name(folder)
    open_to_all(roots_data)
    if home.exists() and not link.is_symlink():
        # The folder was thrown away by hand: begin anew, and lose nothing.
        home.rename(f"{home}.{time.strftime('%Y%m%d%H%M%S')}")
    if link.is_symlink() and link.resolve() != home and not home.exists() and _has_moved(link.resolve(), folder):
        link.resolve().rename(home)
    open_to_all(home)
    (home / "folder").write_text(f"{folder.resolve()}\n")
    link.unlink(missing_ok=True)
    link.symlink_to(home)
    return home


def _has_moved(home: Path, folder: Path) -> bool:
    """Whether `folder` is where the owner of `home` went; a copy beside a living original is not."""
    try:
        return not Path((home / "folder").read_text().rstrip("\n")).exists() and folder.exists()
    except OSError:
        return False


def _socket_folder(home: Path, folder: Path) -> Path:
    """Short enough for a socket's address, and without capitals, which a URL's host does not keep."""
    wanted = home / "sockets"
    if len(os.fsencode(wanted)) <= _LONGEST_SOCKET_FOLDER and str(wanted) == str(wanted).lower():
        return wanted
    return _SHORT_FOLDER / f"wharf-{os.geteuid()}-{short_name(folder)}"


def socket_parent(path: Path) -> Path:
    """Root's must let the account of the database pass; anybody else's keeps everybody out, in /tmp above all."""
    return open_to_all(path) if os.geteuid() == 0 else private_folder(path)


def open_to_all(path: Path) -> Path:
    """Make `path` a folder that every account may pass through, whatever the umask."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    return path


def private_folder(path: Path, user: int | None = None, group: int | None = None) -> Path:
    """Make `path` a folder that its owner alone may enter; one that belongs to somebody else is refused."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid not in (os.geteuid(), user):
        raise StackError(f"{path} belongs to another account (number {path.stat().st_uid}), not to this one.")
    if user is not None and group is not None:
        os.chown(path, user, group)
    path.chmod(0o700)
    return path
