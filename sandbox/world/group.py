"""A group: who is in it and who may do what."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sandbox.protocol.node import JID


@dataclass
class Group:
    """One row of the store; people by number."""

    jid: str
    subject: str
    owner: str
    members: list[str]
    created: float = field(default_factory=time.time)
    admins: list[str] = field(default_factory=list)
    announce: bool = False

    @property
    def address(self) -> JID:
        return JID.parse(self.jid)
