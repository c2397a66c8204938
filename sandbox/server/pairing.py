"""Linking: a connection without an account shows a QR or asks for a code, and a phone takes it on."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from dataclasses import dataclass, field

from sandbox.protocol import adv
from sandbox.protocol.node import JID, SERVER_JID, Attribute, Node
from sandbox.server.connection import Connection
from sandbox.world import account
from sandbox.world.companion import Companion, registration_from
from sandbox.world.phone import Phone
from sandbox.world.queues import new_stanza_id, now


class PairingRefused(Exception):
    """The companion did not accept, went away, or the code was wrong."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text


@dataclass
class CodeWanted:
    """Somebody asked for a pairing code for this phone and shows it now."""

    phone: Phone
    ref: str
    wrapped_companion: bytes
    since: float = field(default_factory=time.time)
    typed: adv.TypedCode | None = None


class Pairing:
    """The state of one connection that is not linked yet."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.world = connection, connection.world
        self.refs: list[str] = []
        self.code: CodeWanted | None = None
        self._candidate: tuple[Phone, Companion] | None = None
        self._confirmed: asyncio.Future[int] | None = None

    def offer(self) -> None:
        """The texts of the QRs, to be shown one after another."""
        self.refs = [base64.b64encode(os.urandom(24)).decode() for _ in range(self.world.faults.qr_refs)]
        if self.refs:
            refs = [Node("ref", {}, ref.encode()) for ref in self.refs]
            attrs: dict[str, Attribute] = {"from": SERVER_JID, "type": "set", "id": new_stanza_id(), "xmlns": "md"}
            self.connection.send(Node("iq", attrs, [Node("pair-device", {}, refs)]))

    # -- the phone takes it on --------------------------------------------------------------------------------

    def accept(self, phone: Phone, adv_secret: bytes, broken: adv.Break | None = None) -> asyncio.Future[int]:
        """Vouch for the companion; the future has its device number once it has agreed."""
        device = phone.owner.next_device
        phone.owner.next_device += 1
        self.world.keep.owner(phone)
        payload = self.connection.payload.devicePairingData
        companion = Companion(registration_from(device, self.connection.noise_pub, payload))
        self._candidate, self.refs = (phone, companion), []
        self._confirmed = self._confirmed or asyncio.get_running_loop().create_future()
        identity = companion.registration.identity
        vouched = adv.vouch(phone.signal.identity.pair, identity, adv_secret, device, broken)
        self._tell_success(phone, device, vouched)
        return self._confirmed

    def _tell_success(self, phone: Phone, device: int, vouched: bytes) -> None:
        own = phone.jid, phone.lid
        jid, lid = (JID(address.user, address.server, device) for address in own)
        content = [Node("device-identity", {}, vouched), Node("device", {"jid": jid, "lid": lid})]
        if phone.owner.business:
            content.append(Node("biz", {"name": phone.owner.business}))
        content.append(Node("platform", {"name": phone.owner.platform}))
        attrs: dict[str, Attribute] = {"from": SERVER_JID, "type": "set", "id": new_stanza_id(), "xmlns": "md"}
        self.connection.send(Node("iq", attrs | {"t": now()}, [Node("pair-success", {}, content)]))

    def answered(self, answer: Node) -> None:
        """The companion's word on pair-success: its own signature, or an error."""
        if self._candidate is None:
            return
        phone, companion = self._candidate
        error = answer.find("error")
        if answer.find("pair-device-sign") is not None:
            self._linked(phone, companion)
        elif error is not None:
            self._candidate = None
            self.refused(error.text("code"), error.text("text"))

    def _linked(self, phone: Phone, companion: Companion) -> None:
        self._candidate = None
        phone.companions[companion.device] = companion
        self.world.keep.companion(phone, companion)
        self.world.happenings.tell("linked", phone.number, device=companion.device)
        account.announce_devices(self.world, phone)
        self.connection.end(Node("stream:error", {"code": "515"}))  # come back as what you are now
        if self._confirmed is not None and not self._confirmed.done():
            self.world.after_commit(lambda: self._confirm(companion.device))

    def _confirm(self, device: int) -> None:
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_result(device)

    def refused(self, code: str, text: str) -> None:
        self.connection.watch.pairing_errors.append((code, text))
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_exception(PairingRefused(code, text))
            self._confirmed.exception()  # nobody may be waiting any more
        self._confirmed = None

    def closed(self) -> None:
        if self._confirmed is not None and not self._confirmed.done():
            self.refused("closed", "the device went away before it was linked")

    # -- by code ----------------------------------------------------------------------------------------------

    def hear(self, request: Node, step: Node) -> None:
        """companion_hello: it wants a code; companion_finish: it has seen what the phone answered."""
        if step.text("stage") == "companion_hello":
            self._hello(request, step)
        elif step.text("stage") == "companion_finish":
            self._finish(request, step)

    def _hello(self, request: Node, step: Node) -> None:
        phone = self.world.reachable(step.jid("jid"))
        if phone is None:
            self.connection.refuse(request, 400, "bad-request")
            return
        ref = base64.b64encode(os.urandom(12)).decode()
        wrapped = step.need("link_code_pairing_wrapped_companion_ephemeral_pub").data
        self.code = CodeWanted(phone, ref, wrapped)
        answer = [Node("link_code_pairing_ref", {}, ref.encode())]
        self.connection.reply(request, [Node("link_code_companion_reg", {"stage": "companion_hello"}, answer)])
        self.world.happenings.tell("codeWanted", phone.number)

    def type_code(self, code: str) -> asyncio.Future[int]:
        """The person typed the characters on the phone.  Raises WrongCode, or the future does later."""
        wanted = self._wanted()
        wanted.typed = adv.type_code(code, wanted.wrapped_companion)
        self._confirmed = asyncio.get_running_loop().create_future()
        attrs: dict[str, Attribute] = {"from": SERVER_JID, "type": "link_code_companion_reg", "id": new_stanza_id()}
        hello = [
            Node("link_code_pairing_ref", {}, wanted.ref.encode()),
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wanted.typed.wrapped),
            Node("primary_identity_pub", {}, wanted.phone.signal.identity.pub),
        ]
        step = Node("link_code_companion_reg", {"stage": "primary_hello"}, hello)
        self.connection.send(Node("notification", attrs | {"t": now()}, [step]))
        return self._confirmed

    def _wanted(self) -> CodeWanted:
        if self.code is None:
            raise LookupError("nobody asked for a code here")
        return self.code

    def _finish(self, request: Node, step: Node) -> None:
        self.connection.reply(request)
        wanted = self._wanted()
        if wanted.typed is None:
            return
        bundle = step.need("link_code_pairing_wrapped_key_bundle").data
        companion_identity = step.need("companion_identity_public").data
        account_key = wanted.phone.signal.identity.pair
        try:
            secret = adv.open_key_bundle(wanted.typed, bundle, companion_identity, account_key)
        except adv.WrongCode:
            self.refused("wrong_code", "the code typed on the phone is another one")
        else:
            self.code = None
            self.accept(wanted.phone, secret)
