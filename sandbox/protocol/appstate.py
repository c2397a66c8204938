"""App state: the small encrypted key-value log that a phone shares with its companions (own name, contacts, ...)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.protocol.crypto import cbc_decrypt, cbc_encrypt, hkdf, hmac_sha256
from sandbox.protocol.protos import e2e, sync, sync_action

SET = 0
MAC_SIZE = 32
LANES = 128  # bytes of an LTHash: 64 numbers of 16 bits


def _u64(n: int) -> bytes:
    return n.to_bytes(8, "big")


def _fold(state: bytes, value_mac: bytes, sign: int) -> bytes:
    """LTHash: add or subtract 64 little-endian 16-bit lanes, in any order."""
    item = hkdf(value_mac, b"WhatsApp Patch Integrity", LANES)
    lanes = (
        (int.from_bytes(state[i : i + 2], "little") + sign * int.from_bytes(item[i : i + 2], "little")) & 0xFFFF
        for i in range(0, LANES, 2)
    )
    return b"".join(lane.to_bytes(2, "little") for lane in lanes)


@dataclass
class Collection:
    """One of the logs: `patches[i]` makes version i + 1."""

    name: str
    hash: bytes = bytes(LANES)
    macs: dict[bytes, bytes] = field(default_factory=dict)  # index MAC -> value MAC
    patches: list[bytes] = field(default_factory=list)

    @property
    def version(self) -> int:
        return len(self.patches)

    def fold(self, mutations: Iterable[Any]) -> None:
        for mutation in mutations:
            index, value = mutation.record.index.blob, mutation.record.value.blob[-MAC_SIZE:]
            if index in self.macs:
                self.hash = _fold(self.hash, self.macs.pop(index), -1)
            if mutation.operation == SET:
                self.hash = _fold(self.hash, value, 1)
                self.macs[index] = value


@dataclass
class AppStateKey:
    """The secret that a phone shares with its companions when they go online for the first time."""

    id: bytes = field(default_factory=lambda: os.urandom(6))
    secret: bytes = field(default_factory=lambda: os.urandom(32))


class AppState:
    """All collections of one account, and the keys to write them."""

    def __init__(self, key: AppStateKey | None = None) -> None:
        self.key = key or AppStateKey()
        out = hkdf(self.key.secret, b"WhatsApp Mutation Keys", 160)
        self._index_key, self._value_key, self._value_mac_key = out[:32], out[32:64], out[64:96]
        self._snapshot_key, self._patch_key = out[96:128], out[128:160]
        self.collections: dict[str, Collection] = {}

    def collection(self, name: str) -> Collection:
        return self.collections.setdefault(name, Collection(name))

    def key_share(self) -> Any:
        """The message by which the phone hands the key to a new companion."""
        message = e2e.Message()
        message.protocolMessage.type = e2e.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE
        share = message.protocolMessage.appStateSyncKeyShare.keys.add()
        share.keyID.keyID, share.keyData.keyData = self.key.id, self.key.secret
        share.keyData.fingerprint.rawID = 1
        share.keyData.timestamp = int(time.time() * 1000)
        return message

    def put(self, name: str, index: list[str], **value: Any) -> bytes:
        """Write one entry as the phone would; returns the patch."""
        collection, mutation = self.collection(name), self._mutation(index, value)
        collection.fold([mutation])
        patch = sync.SyncdPatch(mutations=[mutation])
        patch.version.version = collection.version + 1
        patch.keyID.ID = self.key.id
        patch.snapshotMAC = self._snapshot_mac(collection, collection.version + 1)
        patch.patchMAC = hmac_sha256(
            self._patch_key, patch.snapshotMAC, mutation.record.value.blob[-MAC_SIZE:],
            _u64(patch.version.version), name.encode(),
        )  # fmt: skip
        collection.patches.append(patch.SerializeToString())
        return collection.patches[-1]

    def accept(self, name: str, raw: bytes) -> bytes:
        """A patch written by a companion: check it and add it to the log; returns it as kept."""
        kept, patch = self.collection(name), sync.SyncdPatch.FromString(raw)
        trial = Collection(name, kept.hash, dict(kept.macs), kept.patches)
        trial.fold(patch.mutations)
        if patch.snapshotMAC != self._snapshot_mac(trial, kept.version + 1):
            raise ValueError("the snapshot MAC differs")
        patch.version.version = kept.version + 1
        kept.hash, kept.macs = trial.hash, trial.macs
        kept.patches.append(patch.SerializeToString())
        return kept.patches[-1]

    def restore(self, name: str, raw: bytes) -> None:
        """A patch from an earlier run."""
        collection = self.collection(name)
        collection.fold(sync.SyncdPatch.FromString(raw).mutations)
        collection.patches.append(raw)

    def read(self, name: str) -> dict[str, Any]:
        """What the log says now: index (JSON) -> SyncActionValue."""
        found: dict[str, Any] = {}
        for raw in self.collection(name).patches:
            for mutation in sync.SyncdPatch.FromString(raw).mutations:
                blob = mutation.record.value.blob[:-MAC_SIZE]
                plain = cbc_decrypt(self._value_key, blob[:16], blob[16:])
                action = sync_action.SyncActionData.FromString(plain)
                found[action.index.decode()] = action.value
        return found

    def _mutation(self, index: list[str], value: dict[str, Any]) -> Any:
        raw_index = json.dumps(index, separators=(",", ":")).encode()
        written = sync_action.SyncActionValue(timestamp=int(time.time() * 1000), **value)
        action = sync_action.SyncActionData(index=raw_index, version=1, padding=b"", value=written)
        iv = os.urandom(16)
        sealed = iv + cbc_encrypt(self._value_key, iv, action.SerializeToString())
        mutation = sync.SyncdMutation(operation=SET)
        mutation.record.index.blob = hmac_sha256(self._index_key, raw_index)
        mutation.record.value.blob = sealed + self._value_mac(sealed)
        mutation.record.keyID.ID = self.key.id
        return mutation

    def _value_mac(self, sealed: bytes) -> bytes:
        parts = bytes([SET + 1]) + self.key.id + sealed + _u64(len(self.key.id) + 1)
        return hmac.digest(self._value_mac_key, parts, hashlib.sha512)[:MAC_SIZE]

    def _snapshot_mac(self, collection: Collection, version: int) -> bytes:
        return hmac_sha256(self._snapshot_key, collection.hash, _u64(version), collection.name.encode())
