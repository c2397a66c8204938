"""What the owner of a phone does with the account itself: its name, its linked devices."""

from __future__ import annotations

from sandbox.protocol.node import Node
from sandbox.world import queues
from sandbox.world.companion import Companion
from sandbox.world.phone import Phone
from sandbox.world.post import send_peer
from sandbox.world.world import World


def rename(world: World, phone: Phone, name: str) -> None:
    """The owner changes the profile name on the phone."""
    phone.owner.name = name
    world.keep.owner(phone)
    world.write_app_state(phone, "critical_block", ["setting_pushName"], pushNameSetting={"name": name})
    announce_app_state(world, phone, "critical_block")
    world.happenings.tell("phone", phone.number)


def announce_app_state(world: World, phone: Phone, name: str, except_for: Companion | None = None) -> None:
    version = str(phone.app_state.collection(name).version)
    for companion in list(phone.companions.values()):
        if companion is not except_for:
            content = [Node("collection", {"name": name, "version": version})]
            queues.notify(world, phone, companion, "server_sync", phone.jid, content)


def share_app_state(world: World, phone: Phone, companion: Companion) -> None:
    """The first time a companion is active its phone gives it the keys to the account's settings."""
    if not companion.registration.app_state_shared:
        companion.registration.app_state_shared = True
        world.keep.companion(phone, companion)
        send_peer(world, phone, companion, phone.app_state.key_share())


def announce_devices(world: World, account: Phone) -> None:
    """Whoever talks with this account asks for its devices again: a new one must not miss anything."""
    talked_to = {message.peer for message in account.messages.values()}
    for phone in (account, *(world.phones[n] for n in talked_to if n in world.phones)):
        for companion in list(phone.companions.values()):
            for jid in (account.lid, account.jid):
                update = [Node("update", {"device_hash": "2:"})]
                queues.notify(world, phone, companion, "devices", jid, update)


def unlink(world: World, phone: Phone, device: int, *, by_the_device: bool = False) -> None:
    """Take a companion off the account; a connected one is told, unless it asked for it itself."""
    companion = phone.companions.pop(device)
    world.keep.forget_companion(phone, companion)
    if companion.line is not None and not by_the_device:
        removed = Node("conflict", {"type": "device_removed"})
        companion.line.end(Node("stream:error", {"code": "401"}, [removed]))
    world.happenings.tell("unlinked", phone.number, device=device)
    announce_devices(world, phone)
