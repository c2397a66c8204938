"""What is wrong with what was looked at, and what to do about it: stable codes for programs, sentences for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from django.utils.translation import gettext

from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import NEEDS_A_PERSON, State, Wanted
from tenants.models import Company
from wharf.errors import sentence

#: A live connection gives a sign every fifteen seconds; after so long without one it is doubted.
SIGN_OF_LIFE: Final = timedelta(minutes=2)
#: The worker makes the first one some minutes after the link.
FIRST_BACKUP_WITHIN: Final = timedelta(minutes=30)
BACKUP_TOO_OLD: Final = timedelta(hours=24)
#: So many losses in a day are no accident any more: they have cost numbers before (seed B1).
MANY_LOSSES: Final = 20
DISK_LOW_SHARE: Final = 0.05
DISK_LOW_BYTES: Final = 1_000_000_000
_KNOWN_ENDINGS: Final = frozenset(
    {Reason.NEVER_LINKED, Reason.IMPORTED, Reason.UNLINKED, Reason.PAUSED, Reason.RESTORED, Reason.NONE}
)


class Trust(StrEnum):
    """What is known of a session's device store from here."""

    GOOD = "good"
    NOT_LINKED = "not linked"
    ELSEWHERE = "on another disk"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    OTHER_DEVICE = "another device's"
    NOT_LOOKED = "not looked at"


class Grade(IntEnum):
    FINE = 0
    #: Somebody should look, in time.
    WARNING = 1
    #: It does not work.
    TROUBLE = 2


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. `cause` is a stable code; `text` and `advice` are `sentence`s."""

    grade: Grade
    cause: str
    text: str
    advice: str
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """In the reader's language."""
        return gettext(self.text) % self.params

    @property
    def advised(self) -> str:
        return gettext(self.advice)


@dataclass(frozen=True)
class WorkerLook:
    name: str
    pid: int
    is_alive: bool
    #: When its lease ends or ended.
    lease_until: datetime
    sessions: int
    capacity: int


@dataclass(frozen=True)
class DiskLook:
    """The disk of this machine's state folder; `name` is "" where no worker has run yet."""

    name: str
    free: int
    size: int


@dataclass(frozen=True)
class SessionLook:
    """One session. `number` is masked; `backups` counts those that this machine can see."""

    placement: Placement
    company: Company
    name: str
    number: str
    is_archived: bool
    queued: int
    losses: int
    is_owned: bool
    store: Trust = Trust.NOT_LOOKED
    store_bytes: int = 0
    backups: int = 0
    last_backup: datetime | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def session_id(self) -> str:
        return self.placement.pk

    @property
    def is_wanted_online(self) -> bool:
        return self.placement.is_linked and self.placement.wanted == Wanted.RUNNING

    @property
    def is_online(self) -> bool:
        return self.placement.shown_state == State.CONNECTED

    @property
    def grade(self) -> Grade:
        return max((finding.grade for finding in self.findings), default=Grade.FINE)


# -- everything together ---------------------------------------------------------------------------------------------
def of_all(workers: list[WorkerLook], disk: DiskLook, sessions: list[SessionLook]) -> Iterator[Finding]:
    """What is wrong beyond any one session."""
    if any(one.placement.wanted != Wanted.STOPPED for one in sessions) and not any(one.is_alive for one in workers):
        yield Finding(Grade.TROUBLE, "no_worker", sentence("No worker is running"), sentence("Start `runsessions`."))
    for worker in workers:
        if not worker.is_alive and worker.sessions:
            yield Finding(Grade.TROUBLE, "worker_silent", _SILENT, _SILENT_ADVICE, {"name": worker.name})
        if worker.is_alive and worker.sessions >= worker.capacity:
            full = sentence("Worker %(name)s is full")
            yield Finding(Grade.WARNING, "worker_full", full, sentence("Start another worker."), {"name": worker.name})
    if disk.name and disk.free < min(DISK_LOW_BYTES, disk.size * DISK_LOW_SHARE):
        low = sentence("The disk of the state folder is nearly full")
        yield Finding(Grade.WARNING, "disk_low", low, sentence("Make room: keys and journals must be written to it."))


_SILENT: Final = sentence("Worker %(name)s is silent")
_SILENT_ADVICE: Final = sentence("Look at its machine; started again, it takes its sessions up by itself.")


# -- one session ------------------------------------------------------------------------------------------------------
def of_session(one: SessionLook, now: datetime) -> Iterator[Finding]:
    """What is wrong with it, the worst first."""
    yield from _of_connection(one, now)
    if one.store in _STORES:
        yield Finding(Grade.TROUBLE, f"store_{one.store.name.lower()}", _STORES[one.store], _RESTORE)
    if one.store == Trust.GOOD and one.last_backup is None and now - one.placement.since > FIRST_BACKUP_WITHIN:
        yield Finding(Grade.WARNING, "no_backup", sentence("It has no backup"), _BACK_UP)
    elif one.store == Trust.GOOD and one.last_backup and now - one.last_backup > BACKUP_TOO_OLD:
        yield Finding(Grade.WARNING, "backup_old", sentence("Its last backup is older than a day"), _BACK_UP)
    if one.losses >= MANY_LOSSES:
        often = sentence("Its connection was lost %(times)s times in a day")
        advice = sentence("Look for a bad network, or for another program with its keys.")
        yield Finding(Grade.WARNING, "many_losses", often, advice, {"times": one.losses})


_RESTORE: Final = sentence("Pause the session and restore its newest backup (`session_backup restore`).")
_BACK_UP: Final = sentence("Make one with `session_backup create`, and see why the worker did not.")
_STORES: Final = {
    Trust.MISSING: sentence("Its keys are missing on this disk"),
    Trust.UNREADABLE: sentence("Its keys cannot be read"),
    Trust.OTHER_DEVICE: sentence("The keys on this disk are another device's"),
}


def _of_connection(one: SessionLook, now: datetime) -> Iterator[Finding]:
    placement, reason = one.placement, Reason(one.placement.shown_reason)
    if one.is_wanted_online and not one.is_online:
        yield Finding(Grade.TROUBLE, "offline", sentence("It is wanted online and is not"), _advice_for(one, reason))
    elif one.is_wanted_online and _is_doubtful(placement, now):
        dead = sentence("Its connection gives no sign of life")
        yield Finding(Grade.TROUBLE, "no_sign_of_life", dead, sentence("Pause the session and start it again."))
    elif placement.wanted != Wanted.RUNNING and placement.state in NEEDS_A_PERSON and _is_unexpected(one, reason):
        yield Finding(Grade.TROUBLE, "needs_a_person", sentence("It stays offline"), _advice_for(one, reason))


def _is_doubtful(placement: Placement, now: datetime) -> bool:
    return placement.evidence_at is None or now - placement.evidence_at > SIGN_OF_LIFE


def _is_unexpected(one: SessionLook, reason: Reason) -> bool:
    """It was linked once, and it was not its people who ended that. A link that never came about is no trouble."""
    return bool(one.number) and reason not in _KNOWN_ENDINGS and reason not in _LINKING


_LINKING: Final = frozenset(
    {Reason.CODES_RAN_OUT, Reason.PAIRING_REFUSED, Reason.PAIRING_CANCELLED, Reason.PAIRING_UNFINISHED}
)

_ADVICE: Final = {
    Reason.LOGGED_OUT_ON_PHONE: sentence(
        "Link the phone again (`session_pair`). Its chats are kept; a backup does not help."
    ),
    Reason.MAIN_DEVICE_GONE: sentence("Ask its owner about the phone; then link it again (`session_pair`)."),
    Reason.STREAM_REPLACED: sentence(
        "Find the other program that has this device's keys, end it, then start the session."
    ),
    Reason.TEMPORARY_BAN: sentence("Wait until the ban is over, write less, then start the session."),
    Reason.CLIENT_OUTDATED: sentence("Update Wharf, then start the session."),
    Reason.CONNECTION_REFUSED: sentence("Wait a while, then start the session; if it is refused again, link it again."),
    Reason.DEVICE_STORE_MISSING: sentence(
        "Restore its newest backup (`session_backup restore`), or link the phone again."
    ),
    Reason.SERVER_UNREACHABLE: sentence("It is tried again by itself; look at this machine's way to the internet."),
    Reason.NETWORK_MISSING: sentence("Start the sandbox, or unlink the sandbox's sessions."),
    Reason.SPAWN_FAILED: sentence("Look at the worker's lines, and at the machine's memory."),
    Reason.OTHER_NUMBER: sentence("Link the session's own number again, or make a session for the other one."),
}


_BY_ITSELF: Final = sentence("It is tried again by itself; the worker's lines say more.")


def _advice_for(one: SessionLook, reason: Reason) -> str:
    if one.is_wanted_online and not one.is_owned:
        return sentence("No worker has it: start one on the disk that holds its keys, or restore a backup elsewhere.")
    return _ADVICE.get(reason, _BY_ITSELF)
