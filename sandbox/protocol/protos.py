"""neonize's compiled protobufs, imported without loading its Go library.

Importing `neonize.proto...` would run `neonize/__init__` and start a Go runtime in the sandbox's process.  Where
neonize is not imported yet, a bare package object with the right `__path__` takes its place for a moment; a real
import later runs `neonize/__init__` as usual and reuses these modules.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from sandbox.protocol.elf import neonize_folder


def _import(*names: str) -> list[ModuleType]:
    if "neonize" in sys.modules:
        return [import_module(f"neonize.proto.{name}") for name in names]
    bare = ModuleType("neonize")
    bare.__path__ = [str(neonize_folder())]
    sys.modules["neonize"] = bare
    try:
        return [import_module(f"neonize.proto.{name}") for name in names]
    finally:
        del sys.modules["neonize"]


adv, cert, sync, sync_action, e2e, wa6 = _import(
    "waAdv.WAAdv_pb2",
    "waCert.WACert_pb2",
    "waServerSync.WAWebProtobufsServerSync_pb2",
    "waSyncAction.WAWebProtobufSyncAction_pb2",
    "waE2E.WAWebProtobufsE2E_pb2",
    "waWa6.WAWebProtobufsWa6_pb2",
)
companion_reg = import_module("waCompanionReg.WACompanionReg_pb2")  # neonize.proto put itself on the path
