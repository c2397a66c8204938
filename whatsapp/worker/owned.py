"""What a worker knows in memory of a session it owns; everything that must last is in the rows."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fleet.leases import Lease
from fleet.models import Placement
from fleet.states import State, Wanted
from tenants.models import Company
from whatsapp.worker import patience
from whatsapp.worker.attention import Attention
from whatsapp.worker.decide import Seen
from whatsapp.worker.window import Window

#: What is to be sent so soon is as good as being sent.
SOON_SECONDS: Final = 60.0

if TYPE_CHECKING:
    from whatsapp.worker.hosting import HostRun


@dataclass
class Owned:
    placement: Placement
    folder: Path
    host: "HostRun | None" = None
    #: A host is being made for it.
    is_starting: bool = False
    #: Its last host has not gone yet.
    is_leaving: bool = False
    is_connected: bool = False
    was_asked_to_leave: bool = False
    #: The connection is there, and does not answer.
    is_doubtful: bool = False
    #: When its host last said anything (monotonic), and our looks since.
    heard_at: float = field(default_factory=time.monotonic)
    silent_looks: int = 0
    #: When anything was last said or done in it (monotonic); signs of life alone are nothing.
    busy_at: float = field(default_factory=time.monotonic)
    #: It is on its way into another host.
    is_moving: bool = False
    #: Calls that write for it, at this moment.
    writing: int = 0
    #: Grows whenever something is written for the session: a decision on older rows would be a wrong one.
    writes: int = 0
    #: `Placement.work` as far as it has been done.
    seen_work: int = -1
    code_asked_at: datetime | None = None
    #: Messages handed to the engine that have not come back, with when they were (monotonic).
    in_flight: dict[str, float] = field(default_factory=dict)
    #: When the engine last came back with any (monotonic).
    answered_at: float = 0.0
    window: Window = field(default_factory=Window)
    #: The last time, there were more to send than could be handed over.
    has_more: bool = False
    #: Texts to people who never wrote to us wait.
    holds_new: bool = False
    #: Questions, at this moment, what may leave.
    asking: int = 0
    #: When to ask for texts again.
    timer: asyncio.TimerHandle | None = None
    #: Something came back unsent; it is tried again with the next connection, or the next tick.
    came_back: bool = False
    attention: Attention = field(default_factory=Attention)
    #: When to stop waiting for the engine (monotonic), because it says nothing when this goes wrong.
    deadline: float | None = None

    @property
    def session_id(self) -> str:
        return self.placement.session_id

    @property
    def company(self) -> Company:
        return self.placement.company

    @property
    def lease(self) -> Lease:
        return Lease(self.placement.session_id, self.placement.owner_id or "", self.placement.fence)

    @property
    def seen(self) -> Seen:
        return Seen(
            self.host is not None or self.is_starting or self.is_leaving, self.is_connected, self.was_asked_to_leave
        )

    def unanswered(self, seconds: float) -> set[str]:
        """Messages that the engine has had for longer than so many seconds."""
        before = time.monotonic() - seconds
        return {message_id for message_id, since in self.in_flight.items() if since < before}

    def wait_at_most(self, seconds: float | None) -> None:
        self.deadline = None if seconds is None else time.monotonic() + seconds

    @property
    def is_overdue(self) -> bool:
        """Whether the engine has been silent for too long. What it said and we have not come to yet is no silence."""
        now = time.monotonic()
        is_late = self.deadline is not None and now > self.deadline
        if not is_late and not self._is_stuck(now):
            return False
        return self.host is None or not self.host.has_news_of(self.session_id)

    def _is_stuck(self, now: float) -> bool:
        """Whether the engine has had something to send over a good connection, and came back with nothing for long."""
        if not self.in_flight or not self.is_connected:
            return False
        return now - max(self.answered_at, min(self.in_flight.values())) > patience.STUCK_SECONDS

    def hears(self) -> None:
        """A word of its host."""
        self.heard_at, self.silent_looks = time.monotonic(), 0

    @property
    def silent_seconds(self) -> float:
        return time.monotonic() - self.heard_at

    def is_busy(self) -> None:
        self.busy_at = time.monotonic()

    @property
    def quiet_seconds(self) -> float | None:
        """How long nothing has happened in it; None while it could not change hosts without anybody's noticing."""
        return time.monotonic() - self.busy_at if self._is_settled and not self._has_something_to_do else None

    @property
    def _is_settled(self) -> bool:
        """Linked, and online without doubt, with nobody's wish to change that."""
        is_online = self.placement.state == State.CONNECTED and self.placement.wanted == Wanted.RUNNING
        is_changing = self.is_starting or self.is_leaving or self.is_moving or self.was_asked_to_leave
        is_waited_for = self.is_doubtful or self.deadline is not None
        return self.placement.is_linked and is_online and self.is_connected and not is_changing and not is_waited_for

    @property
    def _has_something_to_do(self) -> bool:
        is_due = self.timer is not None and self.timer.when() < asyncio.get_running_loop().time() + SOON_SECONDS
        is_told = self.host is None or self.host.has_news_of(self.session_id)
        is_sending = bool(self.in_flight) or self.has_more or self.came_back or is_due
        return is_sending or is_told or bool(self.writing) or self.seen_work != self.placement.work

    def is_without_host(self) -> None:
        """Nothing holds the session any more."""
        self.host, self.is_starting = None, False
        self.is_connected = self.was_asked_to_leave = self.is_doubtful = self.is_moving = False
        self.in_flight.clear()
        # Whatever was asked of that host has to be asked again of the next.
        self.code_asked_at, self.seen_work, self.has_more = None, -1, False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.wait_at_most(None)
