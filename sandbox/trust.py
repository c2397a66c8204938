"""Makes an already imported neonize trust the sandbox's root key, in this process's memory only.

whatsmeow checks the server's Noise certificate against the package variable `WACertPubKey`: 32 bytes in writable
memory that occur exactly once in the library, so their address is the load base plus the place they have in the
file.  Nothing is written to disk.  Call it right after `import neonize`, before any client exists.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from sandbox.protocol.elf import Elf, library_path

WHATSAPP_ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
KEY_SIZE = 32


class CannotTrust(RuntimeError):
    """This neonize is not the library we know; nothing was changed."""


def trust_root(root_public_key: bytes) -> int:
    """Replace the root key; returns its address.  May be repeated with the same key."""
    if len(root_public_key) != KEY_SIZE:
        raise ValueError(f"a root key has {KEY_SIZE} bytes, not {len(root_public_key)}")
    path = library_path().resolve()
    address = _load_base(path) + _place_of_key(path)
    current = ctypes.string_at(address, KEY_SIZE)
    if current == root_public_key:
        return address
    if current != WHATSAPP_ROOT_KEY:
        raise CannotTrust("the root key was replaced already, by another one")
    ctypes.memmove(address, root_public_key, KEY_SIZE)
    return address


def _place_of_key(path: Path) -> int:
    elf = Elf(path)
    found = elf.find_all(WHATSAPP_ROOT_KEY)
    if len(found) != 1:
        raise CannotTrust(f"expected the root key once in {path.name}, found it {len(found)} times")
    address, segment = elf.address_of(found[0])
    if not segment.is_writable:
        raise CannotTrust("the root key is not in writable memory")
    return address


def _load_base(path: Path) -> int:
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].strip() == str(path) and int(fields[2], 16) == 0:
                return int(fields[0].split("-")[0], 16)
    raise CannotTrust(f"{path.name} is not loaded in this process: import neonize first")
