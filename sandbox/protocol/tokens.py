"""The WhatsApp token dictionaries, read out of neonize's own library.

Both ends must agree on these lists to the byte, and they change with the library: taken from the very build
that will connect, they cannot drift apart.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from sandbox.protocol.elf import Elf, library_path

SINGLE_COUNT = 236
DICTIONARIES = 4
DICTIONARY_MAX = 256
STRING_HEADER, SLICE_HEADER = 16, 24  # Go: (pointer, length) and (pointer, length, capacity)


@lru_cache(maxsize=1)
def load() -> tuple[list[str], list[list[str]]]:
    """The single-byte tokens and the four double-byte dictionaries."""
    elf = Elf(library_path())
    return _single(elf), _double(elf)


def _headers_of(elf: Elf, text: str) -> list[int]:
    """Addresses of Go string headers that hold exactly `text`."""
    raw = text.encode()
    places = {elf.address_of(offset)[0] for offset in elf.find_all(raw)}
    slots = (slot for slot, target in elf.pointers.items() if target in places)
    return [slot for slot in slots if elf.go_string(slot) == text]


def _single(elf: Elf) -> list[str]:
    # [...]string{"", "xmlstreamstart", "xmlstreamend", "s.whatsapp.net", ...}: one contiguous array.
    for slot in _headers_of(elf, "xmlstreamstart"):
        neighbours = elf.go_string(slot + STRING_HEADER), elf.go_string(slot + 2 * STRING_HEADER)
        if neighbours != ("xmlstreamend", "s.whatsapp.net"):
            continue
        found = [""]
        while len(found) < SINGLE_COUNT and (token := elf.go_string(slot)):
            found.append(token)
            slot += STRING_HEADER
        return found
    raise LookupError("single-byte token array not found")


def _double(elf: Elf) -> list[list[str]]:
    # [...][]string{{"read-self", "active", ...}, {...}, ...}: an array of slices.
    for first in _headers_of(elf, "read-self"):
        if elf.go_string(first + STRING_HEADER) != "active":
            continue
        for slot, target in elf.pointers.items():
            if target == first and len(found := _dictionaries_at(elf, slot)) == DICTIONARIES:
                return found
    raise LookupError("double-byte token dictionaries not found")


def _dictionaries_at(elf: Elf, slot: int) -> list[list[str]]:
    found: list[list[str]] = []
    while (array := elf.pointers.get(slot)) is not None and len(found) < DICTIONARIES:
        at = elf.offset_of(slot + 8)
        length, capacity = (0, -1) if at is None else struct.unpack_from("<qq", elf.data, at)
        if length != capacity or not 0 < length <= DICTIONARY_MAX:
            break
        found.append([elf.go_string(array + STRING_HEADER * i) or "" for i in range(length)])
        slot += SLICE_HEADER
    return found
