"""The protobuf encoding of Signal's few small messages: numbered varints and byte strings, nothing else."""

from __future__ import annotations

from collections.abc import Mapping

VARINT, BYTES = 0, 2


class MalformedMessage(ValueError):
    """Bytes that are no Signal message."""


def varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def pack(fields: Mapping[int, int | bytes | None]) -> bytes:
    out = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3 | VARINT) + varint(value)
        elif value is not None:
            out += varint(number << 3 | BYTES) + varint(len(value)) + value
    return bytes(out)


class Fields:
    """What a message holds, by field number."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.numbers: dict[int, int] = {}
        self.blobs: dict[int, bytes] = {}
        while self._at < len(data):
            self._read_field()

    def _varint(self) -> int:
        shift = value = 0
        while True:
            if self._at >= len(self._data) or shift > 63:
                raise MalformedMessage("cut-off varint")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _read_field(self) -> None:
        key = self._varint()
        if key & 7 == VARINT:
            self.numbers[key >> 3] = self._varint()
            return
        if key & 7 != BYTES:
            raise MalformedMessage(f"wire type {key & 7}")
        size = self._varint()
        if self._at + size > len(self._data):
            raise MalformedMessage("cut-off field")
        self.blobs[key >> 3] = self._data[self._at : self._at + size]
        self._at += size

    def number(self, key: int) -> int:
        return self.numbers.get(key, 0)

    def blob(self, key: int) -> bytes:
        if key not in self.blobs:
            raise MalformedMessage(f"field {key} is missing")
        return self.blobs[key]

    def public_key(self, key: int) -> bytes:
        """A Curve25519 key: one type byte (5), then 32."""
        raw = self.blob(key)
        if len(raw) != 33 or raw[0] != 5:
            raise MalformedMessage(f"field {key} is no Curve25519 key")
        return raw[1:]
