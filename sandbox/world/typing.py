"""Who is writing just now: told to phones, and to linked devices that are present; kept nowhere."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from sandbox.protocol.node import Node
from sandbox.world.group import Group
from sandbox.world.phone import Phone
from sandbox.world.world import World

SHOWN_SECONDS = 25.0


def tell(world: World, writer: Phone, to: Phone | Group, is_typing: bool) -> None:
    """`writer` has begun to write to a person or a group, or has stopped."""
    readers = world.members(to) if isinstance(to, Group) else [to]
    peer = to.jid if isinstance(to, Group) else writer.number
    for reader in (each for each in readers if each is not writer):
        _show(world, reader, peer, writer, is_typing)
        _pass_on(reader, writer, to, is_typing)


def _show(world: World, reader: Phone, peer: str, writer: Phone, is_typing: bool) -> None:
    reader.typing.pop((peer, writer.number), None)
    if is_typing:
        reader.typing[peer, writer.number] = time.monotonic() + SHOWN_SECONDS
        # Whoever watches looks again when it is over.
        asyncio.get_running_loop().call_later(SHOWN_SECONDS, partial(_expire, world, reader))
    world.happenings.tell("typing", reader.number, peer=peer, by=writer.number, typing=is_typing)


def _expire(world: World, reader: Phone) -> None:
    for (peer, writer), until in list(reader.typing.items()):
        if until <= time.monotonic():
            del reader.typing[peer, writer]
            world.happenings.tell("typing", reader.number, peer=peer, by=writer, typing=False)


def _pass_on(reader: Phone, writer: Phone, to: Phone | Group, is_typing: bool) -> None:
    attrs: dict[str, Any] = {"from": writer.lid}
    if isinstance(to, Group):
        attrs = {"from": to.address, "participant": writer.lid}
    for companion in reader.companions.values():
        # Whoever does not count as online hears nothing of it.
        if companion.line is not None and companion.is_present:
            companion.line.send(Node("chatstate", dict(attrs), [Node("composing" if is_typing else "paused")]))
