"""The sessions that a worker owns: which they are, which are to be looked at next, and writing for them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from fleet.leases import LeaseLost
from fleet.models import Placement
from wharf.logs import about
from whatsapp.engine import device_store
from whatsapp.worker.owned import Owned
from whatsapp.worker.storing import Storing

R = TypeVar("R")


class Holding:
    """`on_lost` is called with a session that turned out to be another worker's."""

    def __init__(self, storing: Storing, state_dir: Path, on_lost: Callable[[Owned], Awaitable[None]]) -> None:
        self._storing, self._state_dir, self._on_lost = storing, state_dir, on_lost
        self._owned: dict[str, Owned] = {}
        #: To be looked at before the next full round, and that there is something.
        self.woken: set[str] = set()
        self.wake = asyncio.Event()
        #: To be looked at when what is being written for them is written.
        self._unsure: set[str] = set()

    def get(self, session_id: str) -> Owned | None:
        return self._owned.get(session_id)

    def all(self) -> list[Owned]:
        """A copy: sessions come and go while somebody waits."""
        return list(self._owned.values())

    def ids(self) -> list[str]:
        return list(self._owned)

    def __len__(self) -> int:
        return len(self._owned)

    def of(self, placement: Placement) -> Owned:
        """The session, as of now ours."""
        if owned := self._owned.get(placement.session_id):
            return owned
        folder = device_store.make_folder(self._state_dir, placement.session_id)
        return self._owned.setdefault(placement.session_id, Owned(placement, folder))

    def forget(self, owned: Owned) -> None:
        self._owned.pop(owned.session_id, None)

    def strangers(self, placements: Sequence[Placement]) -> list[Owned]:
        """Those that are not among ours any more, or that somebody else had meanwhile."""
        fences = {placement.session_id: placement.fence for placement in placements}
        return [owned for owned in self.all() if fences.get(owned.session_id) != owned.placement.fence]

    # -- who is next -------------------------------------------------------------------------------------------------
    def look_again(self, owned: Owned) -> None:
        self.woken.add(owned.session_id)
        self.wake.set()

    def look_when_written(self, owned: Owned) -> None:
        """Something is being written for it, and what was read of it may be from before that."""
        self._unsure.add(owned.session_id)

    def take_woken(self) -> set[str]:
        woken = set(self.woken)
        self.woken.clear()
        return woken

    # -- writing -----------------------------------------------------------------------------------------------------
    def marks(self) -> dict[str, int]:
        """How much was written for each so far: rows that were read before are older."""
        return {session_id: owned.writes for session_id, owned in self._owned.items()}

    async def write(self, owned: Owned, function: Callable[..., R], **kwargs: object) -> R | None:
        """Call a service that writes for the session; None when it turned out to be another worker's."""
        owned.writes += 1
        owned.writing += 1
        try:
            arguments = {"company": owned.company, "lease": owned.lease, **kwargs}
            with about(session_id=owned.session_id):
                return await self._storing.in_company(owned.company, function, **arguments)
        except LeaseLost:
            await self._on_lost(owned)
            return None
        finally:
            owned.writes += 1
            owned.writing -= 1
            if owned.session_id in self._unsure:
                self._unsure.discard(owned.session_id)
                self.look_again(owned)
