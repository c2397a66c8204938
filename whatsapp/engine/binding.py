"""neonize, imported without what none of our calls reaches. Everything of ours takes it from here, and so gets it so.

The rest would cost every host 20 MB and half a second of a processor.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Final

#: Modules, each with the names that neonize takes from it while it is imported.
LEFT_OUT: Final[Mapping[str, Mapping[str, Any]]] = {
    # Link previews are never asked for.
    "linkpreview": {"link_preview": None},
    # Guesses the type of files to be sent, which we shall say ourselves; it needs a library of the system's.
    "magic": {"from_buffer": None, "from_file": None},
    # Bring files from the net, the engine's own library among them where it is missing: it comes with the wheel.
    "httpx": {},
    "requests": {},
    "tqdm": {"tqdm": None},
    # Stickers and thumbnails.
    "PIL": {"Image": SimpleNamespace(Image=object), "ImageSequence": None},
    # Numbers in visiting cards, and codes on a terminal.
    "phonenumbers": {"PhoneNumberFormat": None, "format_number": None, "parse": None},
    "segno": {},
}


@contextmanager
def _without(modules: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Whoever else wants one of these gets the real thing, before and after."""
    empty = {name: ModuleType(name) for name in modules if name not in sys.modules}
    for name, module in empty.items():
        vars(module).update(modules[name])
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]


with _without(LEFT_OUT):
    import neonize.client as client

from neonize.events import INT_TO_EVENT  # noqa: E402
from neonize.exc import NeonizeError, SendMessageError  # noqa: E402
from neonize.proto.Neonize_pb2 import JID, LogEntry  # noqa: E402
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps  # noqa: E402
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message  # noqa: E402
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence, ReceiptType  # noqa: E402

__all__ = [
    "INT_TO_EVENT",
    "JID",
    "ChatPresence",
    "ChatPresenceMedia",
    "DeviceProps",
    "LogEntry",
    "Message",
    "NeonizeError",
    "Presence",
    "ReceiptType",
    "SendMessageError",
    "client",
]
