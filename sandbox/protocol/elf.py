"""Looks inside neonize's shared library (ELF64) without loading it."""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PT_LOAD, PT_DYNAMIC = 1, 2
DT_RELA, DT_RELASZ = 7, 8
R_X86_64_RELATIVE = 8
WRITABLE = 2


def neonize_folder() -> Path:
    """Where neonize is installed, found without importing it (an import starts its Go runtime)."""
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("neonize is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def library_path() -> Path:
    found = sorted(neonize_folder().glob("neonize-linux-*.so"))  # the wheel ships the one for this machine
    if len(found) != 1:
        raise FileNotFoundError(f"expected one neonize library in {neonize_folder()}, found {len(found)}")
    return found[0]


@dataclass(frozen=True)
class Segment:
    """A part of the file that is mapped into memory."""

    flags: int
    offset: int
    address: int
    size: int

    @property
    def is_writable(self) -> bool:
        return bool(self.flags & WRITABLE)


class Elf:
    """One little-endian ELF64 file, read whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is not a little-endian ELF64 file")
        self.segments: list[Segment] = []
        self.dynamic: dict[int, int] = {}
        self._read_headers()

    def _read_headers(self) -> None:
        (start,) = struct.unpack_from("<Q", self.data, 0x20)
        size, count = struct.unpack_from("<HH", self.data, 0x36)
        for i in range(count):
            kind, flags, offset, address, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", self.data, start + i * size)
            if kind == PT_LOAD:
                self.segments.append(Segment(flags, offset, address, length))
            elif kind == PT_DYNAMIC:
                for tag, value in struct.iter_unpack("<QQ", self.data[offset : offset + length]):
                    self.dynamic.setdefault(tag, value)

    def address_of(self, offset: int) -> tuple[int, Segment]:
        for s in self.segments:
            if s.offset <= offset < s.offset + s.size:
                return offset - s.offset + s.address, s
        raise ValueError(f"file offset {offset:#x} is in no loaded segment")

    def offset_of(self, address: int) -> int | None:
        for s in self.segments:
            if s.address <= address < s.address + s.size:
                return address - s.address + s.offset
        return None

    def find_all(self, needle: bytes) -> list[int]:
        found, i = [], self.data.find(needle)
        while i >= 0:
            found.append(i)
            i = self.data.find(needle, i + 1)
        return found

    @cached_property
    def pointers(self) -> dict[int, int]:
        """Address of a pointer slot -> the address it points to (relative relocations)."""
        start, size = self.offset_of(self.dynamic[DT_RELA]), self.dynamic[DT_RELASZ]
        if start is None:
            raise ValueError(f"{self.path} has no relocation table in its file")
        table = struct.iter_unpack("<QQq", self.data[start : start + size])
        return {slot: target for slot, info, target in table if info & 0xFFFFFFFF == R_X86_64_RELATIVE}

    def go_string(self, slot: int) -> str | None:
        """The Go string whose (pointer, length) header lies at address `slot`."""
        at = self.offset_of(slot + 8)
        if at is None:
            return None
        (length,) = struct.unpack_from("<q", self.data, at)
        if length == 0:
            return ""
        target = self.pointers.get(slot)
        text = None if target is None else self.offset_of(target)
        if text is None or not 0 < length < 4096:
            return None
        return self.data[text : text + length].decode("utf-8")
