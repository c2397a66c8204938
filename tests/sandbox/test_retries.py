"""A phone that cannot read a message asks for it until it has it, over lost connections and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.protocol.node import Node
from sandbox.store import Store
from sandbox.world import queues, retries
from sandbox.world.companion import Companion, Registration, stanza_key
from sandbox.world.phone import Phone
from sandbox.world.world import World

SHOP, BOB = "5511999990001", "5511988880002"


class Line:
    """A linked device's connection that only remembers what was sent over it."""

    is_active = True

    def __init__(self) -> None:
        self.sent: list[Node] = []

    def send(self, node: Node) -> None:
        self.sent.append(node)

    def end(self, node: Node | None = None) -> None: ...

    def abort(self) -> None: ...

    @property
    def asked(self) -> list[str]:
        """The counts of the retry receipts, in order."""
        return [node.need("retry").text("count") for node in self.sent if node.find("retry") is not None]


class Desk:
    """A world in a folder, in which Bob could not read a message of the shop's linked device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(Store(folder))
        shop = self.world.add_phone(SHOP)
        self.world.add_phone(BOB)
        shop.companions[1] = Companion(Registration(1, b"", b"", 1, 1, b"", b""))
        self.world.keep.companion(shop, shop.companions[1])
        self.connect()
        retries.ask_again(
            self.world, self.bob, self.shop, self.device, Node("message", {"id": "M1", "to": self.bob.lid})
        )

    @property
    def shop(self) -> Phone:
        return self.world.phones[SHOP]

    @property
    def bob(self) -> Phone:
        return self.world.phones[BOB]

    @property
    def device(self) -> Companion:
        return self.shop.companions[1]

    def connect(self) -> Line:
        self.device.line, self.device.unacked = Line(), {}
        queues.send_waiting(self.device)
        return self.device.line

    def acknowledges(self) -> None:
        line = self.device.line
        assert isinstance(line, Line)
        for node in line.sent:
            queues.acknowledge(self.world, self.shop, self.device, stanza_key(node, "from"))

    def restarts(self) -> None:
        self.world.store.close()
        self.world = World(Store(self.folder))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.world.store.close()


def test_a_request_that_was_acknowledged_is_made_again_when_the_device_comes_back(desk: Desk) -> None:
    desk.acknowledges()

    assert desk.connect().asked == ["2"]


def test_a_request_outlives_the_sandbox(desk: Desk) -> None:
    desk.acknowledges()
    desk.restarts()

    assert desk.connect().asked == ["2"]
    retries.stop_asking(desk.world, desk.bob, desk.shop, desk.device, "M1")
    assert desk.connect().asked == []


def test_a_message_that_came_is_not_asked_for_any_more(desk: Desk) -> None:
    retries.stop_asking(desk.world, desk.bob, desk.shop, desk.device, "M1")

    assert desk.connect().asked == []


def test_asking_ends_after_five_times(desk: Desk) -> None:
    asked = []
    for _ in range(7):
        desk.acknowledges()
        asked += desk.connect().asked

    assert asked == ["2", "3", "4", "5"]
