"""How everything is, for operators: workers, their disk, every session of every company. Only ever reads.

Nothing here sends, connects, or opens a device store for writing. What is said of a connection is its owner's word as
it stands in the rows, never a guess from outside.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import Happening
from tenants.context import run_in
from tenants.models import Company
from whatsapp import phones
from whatsapp.engine import device_store
from whatsapp.models import Message, MessageStatus, Session, Transition
from whatsapp.services import findings, vault
from whatsapp.services.findings import DiskLook, Finding, Grade, SessionLook, Trust, WorkerLook

#: Losses of a connection are counted over so long.
LOSSES_COUNTED: Final = timedelta(days=1)


@dataclass(frozen=True)
class Health:
    at: datetime
    workers: list[WorkerLook]
    disk: DiskLook
    sessions: list[SessionLook]
    findings: list[Finding] = field(default_factory=list)

    @property
    def grade(self) -> Grade:
        grades = [finding.grade for finding in self.findings] + [one.grade for one in self.sessions]
        return max(grades, default=Grade.FINE)


def look(*, company: Company | None = None, into_stores: bool = True) -> Health:
    """Everything, or one company's sessions; without `into_stores` from the rows alone. Raises database errors."""
    now = timezone.now()
    disk = look_at_disk()
    workers = [_worker(row, now) for row in _workers()]
    sessions = [_judged(one, now) for one in _sessions(company, disk, now, into_stores=into_stores)]
    return Health(now, workers, disk, sessions, list(findings.of_all(workers, disk, sessions)))


# -- workers and disk --------------------------------------------------------------------------------------------------
def _workers() -> Iterable[Worker]:
    """Those that have not said good-bye."""
    rows = Worker.objects.filter(stopped_at=None).annotate(owned=Count("placements"))
    return rows.order_by("name")


def _worker(row: Worker, now: datetime) -> WorkerLook:
    owned: int = getattr(row, "owned")  # noqa: B009  # annotated above
    return WorkerLook(row.name, row.pid, row.lease_until >= now, row.lease_until, owned, row.capacity)


def look_at_disk() -> DiskLook:
    folder = settings.STATE_DIR
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return DiskLook(device_store.disk_of(settings.STATE_DIR), usage.free, usage.total)


# -- sessions ----------------------------------------------------------------------------------------------------------
def _sessions(company: Company | None, disk: DiskLook, now: datetime, *, into_stores: bool) -> Iterator[SessionLook]:
    rows = Placement.objects.select_related("company", "owner").order_by("company__slug", "session_id")
    by_company: dict[str, list[Placement]] = {}
    for row in rows.filter(company=company) if company else rows:
        by_company.setdefault(row.company_id, []).append(row)
    for placements in by_company.values():
        owner = placements[0].company
        for one in run_in(owner, _looks, owner, placements, now):
            if not one.is_archived or one.placement.is_linked:
                yield _with_store(one, disk) if into_stores else one


def _looks(company: Company, placements: list[Placement], now: datetime) -> list[SessionLook]:
    rows = {row.pk: row for row in Session.objects.select_related("account")}
    queued = dict(_queued())
    losses = dict(_losses(now - LOSSES_COUNTED))
    return [
        SessionLook(
            placement=placement,
            company=company,
            name=rows[placement.pk].name,
            number=_number(rows[placement.pk], placement),
            is_archived=rows[placement.pk].archived_at is not None,
            queued=queued.get(placement.pk, 0),
            losses=losses.get(placement.pk, 0),
            is_owned=placement.owner is not None and placement.owner.lease_until >= now,
        )
        for placement in placements
        if placement.pk in rows
    ]


def _number(row: Session, placement: Placement) -> str:
    digits = placement.device_jid.partition(":")[0] or (row.account.phone_number if row.account else "")
    return phones.masked(digits)


def _queued() -> Iterable[tuple[str, int]]:
    """What still waits to be sent, and nothing that is finished or for later (seed B29)."""
    rows = Message.objects.filter(status=MessageStatus.QUEUED, from_me=True, send_at=None)
    return rows.values_list("session_id").annotate(Count("id")).order_by()


def _losses(since: datetime) -> Iterable[tuple[str, int]]:
    lost = Q(happening=Happening.CONNECTION_LOST) & ~Q(reason=Reason.WORKER_STOPPED)
    return Transition.objects.filter(lost, at__gte=since).values_list("session_id").annotate(Count("id")).order_by()


def _with_store(one: SessionLook, disk: DiskLook) -> SessionLook:
    found = vault.backups_of(one.session_id)
    last = max((backup.label.moment for backup in found), default=None)
    trust, size = _store(one.placement, disk)
    return replace(one, store=trust, store_bytes=size, backups=len(found), last_backup=last)


def _store(placement: Placement, disk: DiskLook) -> tuple[Trust, int]:
    if not placement.is_linked:
        return Trust.NOT_LINKED, 0
    if placement.store_id != disk.name:
        return Trust.ELSEWHERE, 0
    folder = device_store.folder_of(settings.STATE_DIR, placement.pk)
    try:
        size = sum(path.stat().st_size for path in folder.glob(f"{device_store.DEVICE_FILE}*"))
        stored = device_store.stored_device(folder)
    except (sqlite3.Error, OSError):
        return Trust.UNREADABLE, 0
    if stored is None:
        return Trust.MISSING, size
    return (Trust.GOOD if stored.jid == placement.device_jid else Trust.OTHER_DEVICE), size


def _judged(one: SessionLook, now: datetime) -> SessionLook:
    return replace(one, findings=tuple(findings.of_session(one, now)))
