"""What a test may look at or wait for on the server's side; a program never needs it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.protocol.node import Node

if TYPE_CHECKING:
    from sandbox.server.connection import Connection

LOG = 20_000


@dataclass(frozen=True)
class Seen:
    """One stanza: "in" from a client or "out" to it, and the number it belongs to, where known."""

    way: str
    number: str
    node: Node


@dataclass
class Watch:
    """`keep_log` is off in a program: the log holds everything that was said."""

    keep_log: bool = False
    log: deque[Seen] = field(default_factory=lambda: deque(maxlen=LOG))
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    retries: deque[Node] = field(default_factory=lambda: deque(maxlen=LOG))
    presences: deque[tuple[str, str, str]] = field(default_factory=lambda: deque(maxlen=LOG))
    pairing_errors: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=LOG))
    connections: int = 0

    def stanza(self, way: str, connection: Connection, node: Node) -> None:
        if self.keep_log:
            number = connection.account.number if connection.is_logged_in else ""
            self.log.append(Seen(way, number, node))

    def said(self, way: str, tag: str) -> list[Node]:
        """The stanzas of one kind, oldest first."""
        # Copied in one go: whoever asks may be in another thread.
        return [seen.node for seen in list(self.log) if seen.way == way and seen.node.tag == tag]
