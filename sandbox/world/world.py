"""Everybody there is, and the rule that a change is kept before anyone hears of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from sandbox.protocol.node import GROUP, JID, LID
from sandbox.protocol.noise import Authority
from sandbox.protocol.signal_device import PreKeyBundle
from sandbox.protocol.tls import CertificateAuthority
from sandbox.store import NotKept, Store
from sandbox.world import restoring
from sandbox.world.companion import Companion
from sandbox.world.faults import Faults
from sandbox.world.group import Group
from sandbox.world.happenings import Happenings
from sandbox.world.keeping import Keeper
from sandbox.world.phone import Owner, Phone

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_LID = 100000000000001
FIRST_GROUP = 120363000000000000
LOW_PREKEYS = 5
RETRY_SECONDS = 1.0


class PhoneExists(Exception):
    """Somebody else has this number."""


class World:
    """Lives in one event loop; everything here is called from it."""

    def __init__(self, store: Store) -> None:
        self.store, self.keep = store, Keeper(store)
        self.faults, self.happenings = Faults(), Happenings()
        self.phones = restoring.phones(store)
        self.by_lid = {phone.owner.lid: phone for phone in self.phones.values()}
        self.groups = restoring.groups(store)
        self.authority = self._founded("authority", Authority, Authority)
        self.tls = self._founded("tls", CertificateAuthority, CertificateAuthority.new)
        self._next_lid = restoring.setting(store, "next_lid", int) or FIRST_LID
        self._seq = restoring.last_seq(self.phones)
        self._outgoing: list[Callable[[], None]] = []
        self.store.commit()

    def _founded(self, name: str, kind: type[T], found: Callable[[], T]) -> T:
        """What was made once and stays for good."""
        thing = restoring.setting(self.store, name, kind)
        if thing is None:
            thing = found()
            self.keep.setting(name, thing)
        return thing

    # -- kept first, told after -------------------------------------------------------------------------------

    def after_commit(self, tell: Callable[[], None]) -> None:
        """Run `tell` once everything changed so far is kept; all of one tick share a commit."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self.settle)
        self._outgoing.append(tell)

    def settle(self) -> None:
        """Raises nothing: when nothing can be written, nobody hears anything until it can be again."""
        try:
            self.store.commit()
        except NotKept as error:
            log.error("%s; trying again", error)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self.settle)
            return
        outgoing, self._outgoing = self._outgoing, []
        for tell in outgoing:
            tell()

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    # -- people -----------------------------------------------------------------------------------------------

    def add_phone(self, number: str, name: str = "", platform: str = "android", business: str = "") -> Phone:
        if number in self.phones:
            raise PhoneExists(number)
        phone = Phone(Owner(number, name or number, self._new_lid(), platform, business))
        self.phones[number] = self.by_lid[phone.owner.lid] = phone
        self.keep.new_phone(phone)
        self.write_app_state(phone, "critical_block", ["setting_pushName"], pushNameSetting={"name": phone.name})
        self.happenings.tell("phone", number)
        return phone

    def _new_lid(self) -> str:
        lid, self._next_lid = self._next_lid, self._next_lid + 1
        self.keep.setting("next_lid", self._next_lid)
        return str(lid)

    def write_app_state(self, phone: Phone, name: str, index: list[str], **value: object) -> None:
        phone.app_state.put(name, index, **value)
        self.keep.app_state_patch(phone, name)

    def find(self, jid: JID | None) -> Phone | None:
        if jid is None:
            return None
        return self.by_lid.get(jid.user) if jid.server == LID else self.phones.get(jid.user)

    def reachable(self, jid: JID | None) -> Phone | None:
        """As `find`, but a number may have been declared to be nobody's."""
        phone = self.find(jid)
        return phone if phone is not None and self.faults.is_on_whatsapp(phone.number) else None

    def add_group(self, subject: str, members: list[Phone]) -> Group:
        """The first member owns it."""
        jid = JID(str(FIRST_GROUP + len(self.groups)), GROUP)
        numbers = list(dict.fromkeys(member.number for member in members))
        group = Group(str(jid), subject, numbers[0], numbers)
        self.groups[group.jid] = group
        self.keep.group(group)
        return group

    def members(self, group: Group) -> list[Phone]:
        return [self.phones[number] for number in group.members]

    # -- keys that strangers ask for --------------------------------------------------------------------------

    def bundle_for(self, jid: JID) -> PreKeyBundle | None:
        phone = self.find(jid)
        if phone is None:
            return None
        if jid.device == 0:
            bundle = phone.signal.bundle()
            self.keep.new_prekey(phone, phone.signal.identity.next_prekey - 1)
            return bundle
        companion = phone.companions.get(jid.device)
        return None if companion is None else self.hand_out_prekey(phone, companion)

    def hand_out_prekey(self, phone: Phone, companion: Companion) -> PreKeyBundle:
        bundle = companion.bundle()
        if bundle.prekey_id is not None:
            self.keep.prekey_handed_out(phone, companion, bundle.prekey_id)
        return bundle
