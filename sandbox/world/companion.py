"""What the server knows of one linked device, and the stanzas that wait for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.protocol.node import JID, SERVER_JID, Node
from sandbox.protocol.protos import companion_reg
from sandbox.protocol.signal_device import PreKeyBundle


class Line(Protocol):
    """An open connection, as the post office sees it."""

    @property
    def is_active(self) -> bool:
        """Whether the device asked to be given what arrives."""
        ...

    def send(self, node: Node) -> None: ...

    def end(self, node: Node | None = None) -> None:
        """Say why, then hang up."""
        ...

    def abort(self) -> None:
        """Cut without a word."""
        ...


@dataclass
class Registration:
    """One row of the store: who the device is."""

    device: int
    noise_pub: bytes
    identity: bytes
    registration_id: int
    signed_id: int
    signed_pub: bytes
    signature: bytes
    platform: str = ""
    app_state_shared: bool = False


StanzaKey = tuple[str, str, str, str, str]


def stanza_key(node: Node, peer: str) -> StanzaKey:
    """What an acknowledgement names; for a message its type does not count."""
    kind = "" if node.tag == "message" else node.text("type")
    return node.tag, node.text("id"), kind, node.text(peer), node.text("participant")


def asker(receipt: Node) -> JID:
    """Whose retry receipt it is; device 0 is a phone."""
    return receipt.jid("participant") or receipt.jid("from") or SERVER_JID


@dataclass(frozen=True)
class Handed:
    """A stanza was put on the line; `waited`: with everything else that had come while the device was away."""

    at: float
    waited: bool


@dataclass(eq=False)
class Companion:
    """A linked device of one phone."""

    registration: Registration
    prekeys: dict[int, bytes] = field(default_factory=dict)
    queue: dict[int, Node] = field(default_factory=dict)  # until acknowledged, in order of sending
    unacked: dict[StanzaKey, list[int]] = field(default_factory=dict)  # what is on its way over this line
    handed: dict[int, list[Handed]] = field(default_factory=dict)  # each time that a queued stanza went out
    resent: dict[str, int] = field(default_factory=dict)  # message -> times it asked for it again
    line: Line | None = None
    is_present: bool = False  # it counts as online, as long as this line lasts

    @property
    def device(self) -> int:
        return self.registration.device

    @property
    def is_online(self) -> bool:
        return self.line is not None

    def bundle(self) -> PreKeyBundle:
        """Hands out a one-time prekey while there are any."""
        r, number = self.registration, next(iter(self.prekeys), None)
        prekey = None if number is None else self.prekeys.pop(number)
        return PreKeyBundle(r.registration_id, r.identity, r.signed_id, r.signed_pub, r.signature, number, prekey)


def registration_from(device: int, noise_pub: bytes, data: Any) -> Registration:
    """From the DevicePairingRegistrationData a new companion introduces itself with."""
    props = companion_reg.DeviceProps.FromString(data.deviceProps)
    return Registration(
        device=device,
        noise_pub=noise_pub,
        identity=data.eIdent,
        registration_id=int.from_bytes(data.eRegid, "big"),
        signed_id=int.from_bytes(data.eSkeyID, "big"),
        signed_pub=data.eSkeyVal,
        signature=data.eSkeySig,
        platform=props.os,
    )
