"""How long hosts may stay connected without a word from the database that their sessions still are ours.

When a disk's workers have been silent for long enough, its sessions are brought up on another one from their snapshots
(`fleet.leases`), and two connections with one device's keys end each other. So every beat of the worker prolongs the
hosts' term, and a host whose term is over leaves by itself: the worker may hang, be cut off, or have been asleep.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from whatsapp.engine.clock import since_boot
from whatsapp.worker.hosting import HostRun

#: Of the time after which others may act. A lease that was just renewed lasts for a while before that time begins;
#: the rest is for hosts to leave in good order.
SHARE: Final = 0.8


class Term:
    """`lost_after` as in `fleet.models.Worker`; with 0 hosts are never told an end."""

    def __init__(self, lost_after: float) -> None:
        self._seconds = lost_after * SHARE
        self._until = math.inf

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Around the renewal of the lease; counted from before it, for nobody knows when it was done."""
        asked_at = since_boot()
        yield
        if self._seconds:
            self._until = asked_at + self._seconds

    async def tell(self, run: HostRun) -> None:
        """Prolong its term. One whose term is over is leaving, and nothing keeps it."""
        if self._until != math.inf and not self.is_over_for(run):
            run.until = self._until
            await run.host.keep_on(until=self._until)

    def is_over_for(self, run: HostRun) -> bool:
        return since_boot() >= run.until
