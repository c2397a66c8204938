"""Backups of linked devices: made while a session runs, verified by reading them back, restored onto a stopped one.

A backup is the whole device store: the device's identity and every key and session that messages are decrypted with.
One that is restored later is behind its peers. They notice and make new keys with us; what they sent in between may
arrive unreadable and is asked for again (docs/reconnection.md).
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import LIVE, Happening, Wanted
from tenants.context import run_in
from tenants.models import Company
from wharf.errors import WharfError
from whatsapp import phones
from whatsapp.engine import device_store, store_copy
from whatsapp.engine.device_store import FolderInUse, StoredDevice
from whatsapp.engine.store_copy import StoreDamaged, StoreEmpty
from whatsapp.errors import (
    BackupDamaged,
    BackupOfOtherDevice,
    BackupOfOtherNumber,
    ControlDenied,
    DeviceInUse,
    NothingToBackUp,
    SessionArchived,
    SessionRunning,
    StoreElsewhere,
    StoreUnreadable,
)
from whatsapp.models import Session
from whatsapp.services import linking, news, outcomes, transitions, vault
from whatsapp.services.access import find_session
from whatsapp.services.vault import Backup


class Kind(StrEnum):
    MANUAL = "manual"
    AUTOMATIC = "automatic"
    #: What a restore replaced.
    SAFETY = "safety"


#: How many of each kind a session keeps (seed rows 116 and 117).
KEPT: Final = {Kind.MANUAL: 5, Kind.AUTOMATIC: 10, Kind.SAFETY: 5}
AUTOMATIC_EVERY: Final = timedelta(hours=6)
AUTOMATIC_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True)
class Verified:
    """A backup that was opened, checked and read. `is_current`: its device is the one that is linked now."""

    backup: Backup
    device: StoredDevice
    is_current: bool


@dataclass(frozen=True)
class Restored:
    """`safety` is the copy of what was replaced, `aside` where an unreadable store was moved; either may be None."""

    verified: Verified
    safety: Backup | None
    aside: Path | None


@dataclass(frozen=True)
class Attempt:
    """One session of many: its new backup, or why there is none."""

    company: Company
    session_id: str
    backup: Backup | None = None
    error: WharfError | OSError | None = None


# -- making ------------------------------------------------------------------------------------------------------------
def create(*, company: Company, session_id: str, by: Actor, kind: Kind = Kind.MANUAL) -> Backup:
    """A new backup, read back from the disk before it counts; older ones beyond their number go.

    Raises SessionNotFound, ControlDenied, NothingToBackUp, StoreElsewhere, StoreUnreadable, BackupDamaged, OSError.
    """
    session = _find(session_id, by)
    if not session.placement.is_linked:
        raise NothingToBackUp
    _check_is_here(session.placement)
    present = _present(session_id)
    if present is None:
        raise StoreUnreadable(problem="no device is in the store, or there is no store")
    return _keep(company, session_id, *present, kind)


def _find(session_id: str, by: Actor) -> Session:
    """Archived sessions too: their backups are still somebody's."""
    return find_session(session_id, by=by, needs=Permission.SESSION_CONTROL, denied=ControlDenied, archived=True)


def _check_is_here(placement: Placement) -> None:
    if placement.store_id not in ("", device_store.disk_of(settings.STATE_DIR)):
        raise StoreElsewhere


def folder_of(session_id: str) -> Path:
    return device_store.folder_of(settings.STATE_DIR, session_id)


def _present(session_id: str) -> tuple[bytes, StoredDevice] | None:
    """The store as it is now and the device in it, None without either. Raises StoreUnreadable if it may hold one."""
    try:
        content = store_copy.take(folder_of(session_id))
        return (content, store_copy.examine(content)) if content is not None else None
    except StoreEmpty:
        return None
    except (sqlite3.Error, StoreDamaged) as error:
        raise StoreUnreadable(problem=str(error)) from error


def _keep(company: Company, session_id: str, content: bytes, device: StoredDevice, kind: Kind) -> Backup:
    number = phones.masked(device.phone)
    backup = vault.seal(content, session_id=session_id, company=company.slug, number=number, kind=kind)
    try:
        _opened(backup)
    except BaseException:
        vault.drop(backup)
        raise
    _retire_old(session_id, kind)
    return backup


def _retire_old(session_id: str, kind: Kind) -> None:
    """Called when a newer one has just been verified, which is why there always is one left that can be trusted."""
    _newest, *older = [one for one in vault.backups_of(session_id) if one.label.kind == kind]
    expired = datetime.now(UTC) - AUTOMATIC_KEPT
    for number, backup in enumerate(older, start=2):
        if number > KEPT[kind] or (kind == Kind.AUTOMATIC and backup.label.moment < expired):
            vault.drop(backup)


def due(now: datetime | None = None) -> list[Placement]:
    """Linked sessions of this disk whose last automatic backup is too old."""
    limit = (now or timezone.now()) - AUTOMATIC_EVERY
    return [row for row in linked_here() if (last := _last_automatic(row.session_id)) is None or last <= limit]


def _last_automatic(session_id: str) -> datetime | None:
    moments = [one.label.moment for one in vault.backups_of(session_id) if one.label.kind == Kind.AUTOMATIC]
    return max(moments, default=None)


def linked_here() -> list[Placement]:
    """All companies' sessions that have a linked device on this disk."""
    disk = device_store.disk_of(settings.STATE_DIR)
    rows = Placement.objects.select_related("company").exclude(device_jid="").filter(store_id=disk)
    return list(rows.order_by("company_id", "session_id")) if disk else []


def create_all(placements: list[Placement], *, by: Actor, kind: Kind) -> Iterator[Attempt]:
    """One after another; whatever is wrong with one stops none of the others."""
    for row in placements:
        try:
            backup = run_in(row.company, create, company=row.company, session_id=row.session_id, by=by, kind=kind)
            yield Attempt(row.company, row.session_id, backup)
        except (WharfError, OSError) as error:
            yield Attempt(row.company, row.session_id, error=error)


# -- looking -----------------------------------------------------------------------------------------------------------
def list_backups(*, session_id: str, by: Actor) -> list[Backup]:
    """The newest first."""
    return vault.backups_of(_find(session_id, by).pk)


def verify(*, session_id: str, by: Actor, name: str = "") -> Verified:
    """Open the backup of that name (or the newest) and read the device in it, as a restore would.

    Raises SessionNotFound, ControlDenied, BackupNotFound, BackupDamaged, BackupOfOtherKey.
    """
    session = _find(session_id, by)
    backup = vault.find(session_id, name)
    _, device = _opened(backup)
    return Verified(backup, device, device.jid == session.placement.device_jid)


def _opened(backup: Backup) -> tuple[bytes, StoredDevice]:
    try:
        content = vault.unseal(backup)
        return content, store_copy.examine(content)
    except (StoreDamaged, OSError) as error:
        raise BackupDamaged(name=backup.name, problem=str(error)) from error


# -- restoring ---------------------------------------------------------------------------------------------------------
@news.writing
def restore(
    *,
    company: Company,
    session_id: str,
    by: Actor,
    name: str = "",
    other_device: bool = False,
    from_lost_disk: bool = False,
) -> Restored:
    """Put a backup's device in the place of what the session has now; it stays offline until somebody starts it.

    The session must be at rest, and its row and its folder are held meanwhile: no worker can start it in the middle.
    What is replaced is kept first. `other_device` allows a device that is not the one linked now; `from_lost_disk`
    says that the disk with the session's keys, and its worker, are gone for good.

    Raises SessionNotFound, ControlDenied, SessionArchived, SessionRunning, StoreElsewhere, BackupNotFound,
    BackupDamaged, BackupOfOtherKey, BackupOfOtherDevice, BackupOfOtherNumber, DeviceInUse.
    """
    session = _find(session_id, by)
    if session.archived_at:
        # Nobody could start it: the keys would lie there and the device look restored.
        raise SessionArchived
    placement = Placement.objects.select_for_update(of=("self",)).select_related("owner").get(pk=session_id)
    _check_is_at_rest(placement, from_lost_disk=from_lost_disk)
    backup = vault.find(session_id, name)
    content, device = _opened(backup)
    verified = Verified(backup, device, device.jid == placement.device_jid)
    _check_is_its_own(session, placement, verified, other_device=other_device)
    safety, aside = _replace(company, session, content)
    _write_down(placement, device, f"backup {backup.name}")
    changes = {"backup": (None, backup.name)}
    audit.record(Verb.SESSION_RESTORED, audit.session(session_id, session.name), by=by, changes=changes)
    transitions.tell(company, session_id)
    return Restored(verified, safety, aside)


def _check_is_at_rest(placement: Placement, *, from_lost_disk: bool) -> None:
    """Fails closed: an owner that is silent may still hold the connection, unless somebody says that it is gone."""
    disk = device_store.disk_of(settings.STATE_DIR)
    is_elsewhere = placement.is_linked and placement.store_id != disk
    if not disk or (is_elsewhere and not from_lost_disk):
        raise StoreElsewhere
    owner = placement.owner
    is_lost = is_elsewhere and (owner is None or owner.lease_until < timezone.now())
    is_free = owner is None and placement.state not in LIVE
    if placement.wanted != Wanted.STOPPED or not (is_free or is_lost):
        raise SessionRunning


def _check_is_its_own(session: Session, placement: Placement, verified: Verified, *, other_device: bool) -> None:
    name, device = verified.backup.name, verified.device
    if session.account and session.account.phone_number != device.phone:
        raise BackupOfOtherNumber(name=name)
    if placement.is_linked and not verified.is_current and not other_device:
        raise BackupOfOtherDevice(name=name)
    if Placement.objects.filter(device_jid=device.jid).exclude(pk=placement.pk).exists():
        raise DeviceInUse


def _replace(company: Company, session: Session, content: bytes) -> tuple[Backup | None, Path | None]:
    folder = device_store.make_folder(settings.STATE_DIR, session.pk)
    try:
        with device_store.locked(folder):
            safety, aside = _make_way(company, session, folder)
            store_copy.put(folder, content)
            return safety, aside
    except FolderInUse as error:
        raise SessionRunning from error


def _make_way(company: Company, session: Session, folder: Path) -> tuple[Backup | None, Path | None]:
    """Keep what is there, and ask it a last time which messages it may have sent."""
    try:
        present = _present(session.pk)
    except StoreUnreadable:
        outcomes.recover_blindly(company, session)
        return None, store_copy.set_aside(folder)
    if present is None:
        outcomes.recover_blindly(company, session)
        return None, None
    outcomes.recover(company, session, folder)
    return _keep(company, session.pk, *present, Kind.SAFETY), None


def _write_down(placement: Placement, device: StoredDevice, detail: str) -> None:
    if placement.state in LIVE:
        # Its worker was lost with the disk, and never said that it stopped.
        transitions.record(placement, Happening.PAUSED, Reason.WORKER_SILENT)
    # A worker that still thinks it owns the session finds another fence.
    Placement.objects.filter(pk=placement.pk).update(
        device_jid=device.jid,
        store_id=device_store.disk_of(settings.STATE_DIR),
        owner=None,
        fence=F("fence") + 1,
        # What the last snapshot is of has been replaced; the owner takes another one.
        snapshot_jid="",
        snapshot_at=None,
    )
    transitions.record(placement, Happening.RESTORED, Reason.RESTORED, detail=detail)
    linking.attach_account(Session.objects.select_related("account").get(pk=placement.pk), device.jid)
