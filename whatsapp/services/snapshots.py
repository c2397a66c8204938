"""Snapshots of device stores: sealed copies in the company's schema, one a session, replaced by the next.

The owner writes them under its lease. When the owner's disk is lost, a worker of another one starts from them
(`fleet.leases` says when that may be). What they cost and save is in docs/engine.md.
"""

import hashlib
import json
import logging
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import transaction

from fleet import leases
from fleet.leases import Lease
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import Happening
from tenants.models import Company
from whatsapp.engine import device_store, store_copy
from whatsapp.engine.device_store import FolderInUse, StoredDevice
from whatsapp.engine.store_copy import StoreDamaged
from whatsapp.models import DeviceSnapshot, Session
from whatsapp.services import news, outcomes, sealing, transitions
from whatsapp.services.sealing import SealBroken

log = logging.getLogger("whatsapp.snapshots")

#: What reading a store may raise.
UNREADABLE: Final = (sqlite3.Error, StoreDamaged, OSError)


class SnapshotUnusable(Exception):
    """The session cannot be started here from its snapshot; the text says why."""


@dataclass(frozen=True)
class Taken:
    """A whole store with its linked device, as it was at one moment."""

    content: bytes
    device: StoredDevice
    at: datetime

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


# -- keeping -----------------------------------------------------------------------------------------------------------
def take(folder: Path) -> Taken | None:
    """The store in `folder` now, None without any. Needs no database, and holds up no engine.

    What cannot be read through is not taken: it must not replace what could. Raises sqlite3.Error, StoreDamaged.
    """
    at = datetime.now(UTC)
    content = store_copy.take(folder)
    return Taken(content, store_copy.examine(content), at) if content is not None else None


def keep(*, company: Company, lease: Lease, store_id: str, taken: Taken) -> bool:
    """Make `taken` the session's snapshot; says whether it was written.

    It is not when the same is there already, and when it is of a device or of a disk that is not the session's any
    more. `lease` is the one that was held when it was taken. Raises LeaseLost.
    """
    if _is_kept(lease.session_id, taken):
        return False
    row = _sealed(company, lease, store_id, taken)
    with transaction.atomic():
        placement = leases.hold(lease)
        if (placement.device_jid, placement.store_id) != (taken.device.jid, store_id):
            return False
        values = {field.attname: getattr(row, field.attname) for field in DeviceSnapshot._meta.concrete_fields}
        DeviceSnapshot.objects.update_or_create(session_id=values.pop("session_id"), defaults=values)
        Placement.objects.filter(pk=placement.pk).update(snapshot_jid=taken.device.jid, snapshot_at=taken.at)
    return True


def _is_kept(session_id: str, taken: Taken) -> bool:
    same = DeviceSnapshot.objects.filter(pk=session_id, sha256=taken.sha256, key=sealing.key_name())
    return same.exists() and Placement.objects.filter(pk=session_id, snapshot_jid=taken.device.jid).exists()


def _sealed(company: Company, lease: Lease, store_id: str, taken: Taken) -> DeviceSnapshot:
    row = DeviceSnapshot(
        session_id=lease.session_id,
        taken_at=taken.at,
        device_jid=taken.device.jid,
        store_id=store_id,
        fence=lease.fence,
        sha256=taken.sha256,
        size=len(taken.content),
        key=sealing.key_name(),
    )
    row.sealed = sealing.seal(taken.content, _about(company, row))
    return row


def _about(company: Company, row: DeviceSnapshot) -> str:
    """What the seal covers beside the store: all that is said of it, and whose it is."""
    at = row.taken_at.astimezone(UTC).isoformat()
    whose = [company.pk, row.session_id, row.device_jid, row.store_id]
    return json.dumps([*whose, row.fence, at, row.sha256, row.size, row.key])


def erase(placement: Placement) -> None:
    """A person has had the device unlinked: its keys go everywhere. The caller saves and holds `placement`."""
    DeviceSnapshot.objects.filter(pk=placement.pk).delete()
    placement.snapshot_jid, placement.snapshot_at = "", None


# -- taking over -------------------------------------------------------------------------------------------------------
@news.writing
def take_over(*, company: Company, lease: Lease, store_id: str, folder: Path) -> bool:
    """Put the snapshot into `folder`, on the disk `store_id`, the session's from now on; True when it is there.

    To be called by the session's owner before it starts a host. A store that lies there is from an earlier time on
    this disk, and is set aside. What the lost store alone knew of texts is known to nobody: they are unconfirmed.
    Raises LeaseLost, SnapshotUnusable.
    """
    placement = leases.hold(lease)
    if placement.store_id == store_id:
        return True
    snapshot = _snapshot_of(placement)
    _place(folder, _opened(company, snapshot))
    outcomes.recover_blindly(company, Session.objects.get(pk=placement.pk))
    lost = placement.store_id
    placement.store_id = store_id
    placement.save(update_fields=["store_id"])
    when = f"{snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    transitions.record(placement, Happening.RESTORED, Reason.FROM_SNAPSHOT, detail=f"from a snapshot of {when}")
    transitions.tell(company, placement.pk)
    log.warning("session %s: the disk %s is lost; it goes on here from a snapshot of %s", placement.pk, lost, when)
    return True


def _snapshot_of(placement: Placement) -> DeviceSnapshot:
    snapshot = DeviceSnapshot.objects.filter(pk=placement.pk).first()
    if snapshot is None or snapshot.device_jid != placement.device_jid:
        raise SnapshotUnusable("there is none of the linked device")
    return snapshot


def _opened(company: Company, snapshot: DeviceSnapshot) -> bytes:
    if snapshot.key != sealing.key_name():
        raise SnapshotUnusable("it was sealed with another key than this worker's (WHARF_BACKUP_KEY)")
    try:
        content = sealing.unseal(bytes(snapshot.sealed), _about(company, snapshot))
        device = store_copy.examine(content)
    except SealBroken as error:
        raise SnapshotUnusable("its seal is broken") from error
    except StoreDamaged as error:
        raise SnapshotUnusable(f"it is damaged: {error}") from error
    if device.jid != snapshot.device_jid:
        raise SnapshotUnusable("another device is in it")
    return content


def _place(folder: Path, content: bytes) -> None:
    try:
        with device_store.locked(folder):
            if not store_copy.is_there(folder, content):
                store_copy.set_aside(folder)
                store_copy.put(folder, content)
    except FolderInUse as error:
        raise SnapshotUnusable("another process here holds its folder") from error
    except OSError as error:
        raise SnapshotUnusable(f"it cannot be written to this disk: {error.strerror or error}") from error
