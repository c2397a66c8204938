"""Clearing a worker's disk of what is provably of no use, and of nothing else. When in doubt it stays.

No key is ever removed by its age or number (seed B6, B7): WhatsApp's library looks after its own store. What goes is
what nobody can need: drafts of writers that died, and folders of archived sessions whose device was unlinked and whose
every event is stored. Folders go to `trash/` first. A store with a device in it is left wherever it is.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils import timezone

from fleet.models import Placement, Worker
from fleet.states import LIVE, Wanted
from tenants.context import run_in
from whatsapp.engine import device_store, journal, store_copy
from whatsapp.engine.device_store import FolderInUse
from whatsapp.engine.store_copy import StoreDamaged, StoreEmpty
from whatsapp.errors import WorkerStateUnknown
from whatsapp.models import Session
from whatsapp.services import vault

#: Whatever a living writer is at is younger.
DRAFTS_KEPT: Final = timedelta(days=1)
TRASH_KEPT: Final = timedelta(days=30)
TRASH: Final = "trash"


class Verdict(StrEnum):
    KEEP = "keep"
    REMOVE = "remove"
    #: Moved out of the way, and removed from there after a month.
    TRASH = "trash"


@dataclass(frozen=True)
class Item:
    """A file or a folder, what is to become of it, and why. `is_odd`: it stays, and somebody should look at it."""

    path: Path
    verdict: Verdict
    why: str
    is_odd: bool = False


@dataclass(frozen=True)
class Failure:
    item: Item
    problem: str


def plan(now: datetime | None = None) -> list[Item]:
    """Everything on this disk with its verdict; changes nothing.

    Raises WorkerStateUnknown while a worker of this disk is silent: it may still hold anything.
    """
    now = now or timezone.now()
    _check_workers(now)
    return [*_folders(), *_drafts(now), *_certificates(now), *_trash(now)]


def carry_out(items: Iterable[Item]) -> tuple[list[Item], list[Failure]]:
    """Do what `plan` said, each looked at again just before; returns what was done and what could not be."""
    done, failures = [], []
    for item in items:
        if item.verdict != Verdict.KEEP:
            try:
                _carry_out(item)
                done.append(item)
            except (OSError, FolderInUse, StillNeeded) as error:
                failures.append(Failure(item, str(error) or type(error).__name__))
    return done, failures


class StillNeeded(Exception):
    """What was garbage a moment ago is none any more."""


def _check_workers(now: datetime) -> None:
    disk = device_store.disk_of(settings.STATE_DIR)
    silent = Worker.objects.filter(store_id=disk, stopped_at=None, lease_until__lt=now)
    if disk and silent.exists():
        raise WorkerStateUnknown


# -- sessions' folders -------------------------------------------------------------------------------------------------
def _folders() -> Iterator[Item]:
    root = settings.STATE_DIR / "sessions"
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        yield _judge(folder)
        for aside in sorted(folder.glob(f"{store_copy.ASIDE_PREFIX}*")):
            yield Item(aside, Verdict.KEEP, "a store that was moved aside", is_odd=True)


def _judge(folder: Path) -> Item:
    """Fails closed: every question that has no clear answer keeps the folder."""
    placement = Placement.objects.select_related("company").filter(pk=folder.name).first()
    if placement is None:
        return Item(folder, Verdict.KEEP, "no company knows this session", is_odd=True)
    if why := _in_use(placement):
        return Item(folder, Verdict.KEEP, why)
    if oddity := _contents(folder):
        return Item(folder, Verdict.KEEP, oddity, is_odd=True)
    return Item(folder, Verdict.TRASH, "archived, unlinked, and every event of it is stored")


def _in_use(placement: Placement) -> str:
    if placement.is_linked:
        here = placement.store_id == device_store.disk_of(settings.STATE_DIR)
        return "linked" if here else "linked on another disk by now"
    if placement.owner_id is not None or placement.state in LIVE or placement.wanted != Wanted.STOPPED:
        return "in use"
    archived = Session.objects.exclude(archived_at=None).filter(pk=placement.pk)
    return "" if run_in(placement.company, archived.exists) else "not archived"


def _contents(folder: Path) -> str:
    """Why what lies in it must stay, or "" when nothing does."""
    try:
        content = store_copy.take(folder)
        if content is not None:
            store_copy.examine(content)
            return "a device is in its store, although the session has none"
    except StoreEmpty:
        pass
    except (sqlite3.Error, StoreDamaged, OSError):
        return "its store cannot be read"
    if any(folder.glob(f"{store_copy.ASIDE_PREFIX}*")):
        return "a store was moved aside in it"
    return _untold(folder)


def _untold(folder: Path) -> str:
    try:
        left = journal.waiting_in(folder)
    except sqlite3.Error:
        return "its journal cannot be read"
    return f"its journal has {left} events that nobody has stored" if left else ""


# -- drafts, certificates, trash ---------------------------------------------------------------------------------------
def _drafts(now: datetime) -> Iterator[Item]:
    state = settings.STATE_DIR
    yield from _old(state.glob(".store-id-*"), now, "left by a worker that died while it started")
    yield from _old(vault.drafts(), now, "left by a backup that was cut off")
    for draft in state.glob(f"sessions/*/{store_copy.DRAFT_PREFIX}*"):
        if _age(draft, now) > DRAFTS_KEPT:
            # It may hold a device: it lies in the trash as long as anything, and is not removed even then.
            yield Item(draft, Verdict.TRASH, "left by a restore that was cut off")


def _old(paths: Iterable[Path], now: datetime, why: str) -> Iterator[Item]:
    for path in paths:
        if _age(path, now) > DRAFTS_KEPT:
            yield Item(path, Verdict.REMOVE, why)


def _age(path: Path, now: datetime) -> timedelta:
    return timedelta(seconds=now.timestamp() - path.stat().st_mtime)


def _certificates(now: datetime) -> Iterator[Item]:
    """The sandbox's CA, written for a host by a worker, whose process the name tells."""
    for path in settings.STATE_DIR.glob("ca-*-*.pem"):
        pid = path.name.split("-")[1]
        if _age(path, now) > DRAFTS_KEPT and pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            yield Item(path, Verdict.REMOVE, "left by a worker that was killed")


def _trash(now: datetime) -> Iterator[Item]:
    for path in sorted((settings.STATE_DIR / TRASH).glob("*")):
        if _thrown_away_at(path) > now - TRASH_KEPT:
            continue
        if _holds_device(path):
            yield Item(path, Verdict.KEEP, "a device is in it", is_odd=True)
        else:
            yield Item(path, Verdict.REMOVE, "in the trash for a month")


def _thrown_away_at(path: Path) -> datetime:
    """Its name says so: moving a file does not change its times."""
    try:
        return datetime.strptime(path.name.rpartition("@")[2], "%Y%m%dT%H%M%S%z")
    except ValueError:
        return timezone.now()


def _holds_device(path: Path) -> bool:
    """Or may hold one."""
    folder = path if path.is_dir() else None
    try:
        content = store_copy.take(folder) if folder else path.read_bytes()
        if content is None:
            return False
        store_copy.examine(content)
    except StoreEmpty:
        return False
    except (sqlite3.Error, StoreDamaged, OSError):
        return True
    return True


# -- doing it ----------------------------------------------------------------------------------------------------------
def _carry_out(item: Item) -> None:
    if item.verdict == Verdict.REMOVE:
        _remove(item.path)
    elif item.path.is_dir():
        with device_store.locked(item.path):
            if _judge(item.path).verdict != Verdict.TRASH:
                raise StillNeeded("it is in use again")
            _throw_away(item.path)
    else:
        _throw_away(item.path)


def _throw_away(path: Path) -> None:
    trash = settings.STATE_DIR / TRASH
    trash.mkdir(mode=0o700, exist_ok=True)
    path.rename(trash / f"{path.name}@{timezone.now():%Y%m%dT%H%M%S%z}")


def _remove(path: Path) -> None:
    """A file, or a folder of the trash with nothing in it but files; never anything below."""
    if path.is_dir():
        for name in os.listdir(path):
            (path / name).unlink()
        path.rmdir()
    else:
        path.unlink()
