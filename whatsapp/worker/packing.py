"""Which hosts are worth merging into one. Pure: no processes, no clock of its own.

A host is born with its sessions, and each new link has one to itself (docs/engine.md), which costs as much memory as
thirty sessions that share one. Merging takes its sessions offline for a second or two. So it is done where it is quiet,
and in the way of a merge tree: a large host is not taken down for the sake of a few small ones, and what was moved is
moved again only when about as much has gathered beside it.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

H = TypeVar("H", bound=Hashable)

#: A host joins smaller ones that have together at least a part of its sessions: one of this many.
WORTH: Final = 2


@dataclass(frozen=True)
class HostLook(Generic[H]):
    """A host as it is now. `quiet_seconds` since anything happened in any of its sessions; None: one cannot move."""

    host: H
    network: str
    sessions: int
    quiet_seconds: float | None


@dataclass(frozen=True)
class Hours:
    """From hour to hour of the day in UTC, over midnight too; from an hour to itself is the whole day."""

    first: int = 0
    last: int = 0

    def contain(self, hour: int) -> bool:
        if self.first < self.last:
            return self.first <= hour < self.last
        return hour >= self.first or hour < self.last


def choose(hosts: Iterable[HostLook[H]], *, size: int, quiet_seconds: float, is_thrifty: bool = True) -> list[H]:
    """The hosts that should become one of at most `size` sessions: where most hosts are saved; or none.

    Of one network, all of whose sessions have been quiet for so long. Unless `is_thrifty`, a large host is merged for
    the sake of a small one too.
    """
    by_network: dict[str, list[HostLook[H]]] = {}
    for look in hosts:
        if look.quiet_seconds is not None and look.quiet_seconds >= quiet_seconds:
            by_network.setdefault(look.network, []).append(look)
    groups = [_filled(looks, size, is_thrifty) for looks in by_network.values()]
    most = max(groups, key=len, default=[])
    return [look.host for look in most] if len(most) > 1 else []


def _filled(looks: Sequence[HostLook[H]], size: int, is_thrifty: bool) -> list[HostLook[H]]:
    """The smallest first, for as long as they fit."""
    group: list[HostLook[H]] = []
    total = 0
    for look in sorted(looks, key=lambda look: look.sessions):
        is_too_large = is_thrifty and total and look.sessions > WORTH * total
        if total + look.sessions > size or is_too_large:
            break
        group.append(look)
        total += look.sessions
    return group
