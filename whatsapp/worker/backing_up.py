"""The worker's other duty: a fresh backup of every linked device on its disk, every six hours (seed row 117).

It is the worker's and not a job's, because jobs run on any machine and device stores lie on the worker's disk.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from django.conf import settings

from accounts.permissions import SYSTEM
from tenants.context import arun_in_public
from whatsapp.services import backups
from whatsapp.worker.storing import DATABASE_AWAY

log = logging.getLogger("whatsapp.backups")

#: How often to look whose last one is too old; a number linked just now waits no longer than this for its first.
LOOK_SECONDS: Final = 600.0
#: A worker that has just started has its sessions to bring up first.
FIRST_LOOK_SECONDS: Final = 60.0


async def keep_backups(stop: asyncio.Event) -> None:
    """Back up what is due, again and again, until `stop` is set. Never raises: connections matter more."""
    await _pause(stop, FIRST_LOOK_SECONDS)
    while not stop.is_set():
        try:
            await arun_in_public(back_up_due)
        except DATABASE_AWAY:
            log.warning("the database is away; backups wait")
        except Exception:
            log.exception("backups could not be made; trying again later")
        await _pause(stop, LOOK_SECONDS)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def back_up_due() -> list[backups.Attempt]:
    """One round; of several workers on a disk one does it, the others come back later. Raises OSError."""
    with _alone() as is_ours:
        attempts = list(backups.create_all(backups.due(), by=SYSTEM, kind=backups.Kind.AUTOMATIC)) if is_ours else []
    for attempt in attempts:
        if attempt.error is not None:
            log.error("session %s was not backed up: %s", attempt.session_id, attempt.error)
    if attempts:
        log.info("backed up %d of %d sessions", sum(one.backup is not None for one in attempts), len(attempts))
    return attempts


@contextmanager
def _alone() -> Iterator[bool]:
    settings.BACKUP_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(settings.BACKUP_DIR / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
