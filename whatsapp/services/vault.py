"""Sealed copies of device stores on a disk: one file a copy, encrypted, told apart by what stands in its header.

A file is three parts: a line that names the format, one line of JSON (`Label`), and the store, compressed and sealed
(`services.sealing`). The seal covers the first two lines too: a label that was changed opens nothing.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.conf import settings

from whatsapp.errors import BackupDamaged, BackupNotFound, BackupOfOtherKey
from whatsapp.services import sealing
from whatsapp.services.sealing import SealBroken

_MAGIC: Final = b"WHARF DEVICE BACKUP 1\n"
_SUFFIX: Final = ".wharf-backup"
_DRAFT_SUFFIX: Final = ".draft"
_LONGEST_LABEL: Final = 4096


@dataclass(frozen=True)
class Label:
    """What stands readable in front: nothing that helps to log in, and no whole phone number."""

    session: str
    company: str
    number: str
    #: manual, automatic, or safety (what a restore replaced).
    kind: str
    #: ISO 8601 in UTC.
    at: str
    #: Of the store: SHA-256 in hex, and bytes.
    sha256: str
    size: int
    #: Which key seals it, told by a digest.
    key: str

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True)
class Backup:
    """One file. `name` is unique in its session and sorts by time."""

    path: Path
    label: Label

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(_SUFFIX)

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def seal(content: bytes, *, session_id: str, company: str, number: str, kind: str) -> Backup:
    """Write a copy, private to our account, complete before it has its name. Raises OSError."""
    now = datetime.now(UTC)
    digest = hashlib.sha256(content).hexdigest()
    label = Label(session_id, company, number, kind, now.isoformat(), digest, len(content), sealing.key_name())
    folder = _folder(session_id)
    for new in (settings.BACKUP_DIR, folder):
        # Each by itself: the mode counts for the last of several folders alone.
        new.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%S%fZ}-{kind}{_SUFFIX}"
    _write(path, _sealed(label, content))
    return Backup(path, label)


def _sealed(label: Label, content: bytes) -> bytes:
    head = _MAGIC + json.dumps(asdict(label), sort_keys=True).encode() + b"\n"
    return head + sealing.seal(content, head.decode())


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}{_DRAFT_SUFFIX}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def backups_of(session_id: str) -> list[Backup]:
    """The newest first. What is no backup of ours is passed over: `unreadable_in` names it."""
    return [backup for path in _files(session_id) if (backup := _read_backup(path))]


def unreadable_in(session_id: str) -> list[str]:
    """Names of files whose label cannot be read."""
    return [path.name.removesuffix(_SUFFIX) for path in _files(session_id) if _read_backup(path) is None]


def find(session_id: str, name: str = "") -> Backup:
    """The backup of that name, or the newest. Raises BackupNotFound, BackupDamaged."""
    if name in unreadable_in(session_id):
        raise BackupDamaged(name=name, problem="its label cannot be read")
    backup = next((one for one in backups_of(session_id) if name in ("", one.name)), None)
    if backup is None:
        raise BackupNotFound
    return backup


def unseal(backup: Backup) -> bytes:
    """The store in it, just as it was sealed. Raises BackupDamaged, BackupOfOtherKey, OSError."""
    if backup.label.key != sealing.key_name():
        raise BackupOfOtherKey(name=backup.name)
    whole = backup.path.read_bytes()
    head_ends = whole.index(b"\n", len(_MAGIC)) + 1
    try:
        content = sealing.unseal(whole[head_ends:], whole[:head_ends].decode())
    except (SealBroken, ValueError) as error:
        raise BackupDamaged(name=backup.name, problem="its seal is broken") from error
    if (len(content), hashlib.sha256(content).hexdigest()) != (backup.label.size, backup.label.sha256):
        raise BackupDamaged(name=backup.name, problem="its digest is another one")
    return content


def drop(backup: Backup) -> None:
    """Remove one copy: retention does, which keeps newer ones."""
    backup.path.unlink(missing_ok=True)


def drafts() -> Iterator[Path]:
    """What writers that were killed have left; no backup has such a name."""
    yield from settings.BACKUP_DIR.glob(f"*/.*{_SUFFIX}{_DRAFT_SUFFIX}")


def _files(session_id: str) -> list[Path]:
    return sorted(_folder(session_id).glob(f"*{_SUFFIX}"), reverse=True)


def _folder(session_id: str) -> Path:
    folder: Path = settings.BACKUP_DIR / session_id
    return folder


def _read_backup(path: Path) -> Backup | None:
    with suppress(OSError, ValueError, TypeError), path.open("rb") as file:
        if file.readline(len(_MAGIC)) == _MAGIC:
            backup = Backup(path, Label(**json.loads(file.readline(_LONGEST_LABEL))))
            return backup if backup.label.moment and backup.label.session == path.parent.name else None
    return None
