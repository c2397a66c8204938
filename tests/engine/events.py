"""neonize's event bytes, built as its Go side builds them."""

import subprocess
import warnings
from typing import Any

with warnings.catch_warnings():
    # Importing neonize starts a program, and never closes the pipe to it.
    warnings.simplefilter("ignore", ResourceWarning)
    # First of all: it keeps neonize from importing what we never call.
    import whatsapp.engine.binding  # noqa: F401

    while subprocess._active:  # type: ignore[attr-defined]
        subprocess._cleanup()  # type: ignore[attr-defined]

from neonize.proto import Neonize_pb2
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2

from whatsapp.engine import port
from whatsapp.engine.translate import GROUP, LID, PHONE, RECEIPT, UNDECRYPTABLE, translate
from whatsapp.engine.translate import MESSAGE as MESSAGE  # for tests that must not import neonize themselves

#: neonize's own messages, and WhatsApp's; neither has types.
pb: Any = Neonize_pb2
e2e: Any = WAWebProtobufsE2E_pb2

BOB = "4915550000099"
BOB_LID = "99000000000001"
AT = 1_767_323_045
#: Bytes that are no UTF-8: what a stranger may send in fields that nobody checks on the way.
NOT_UTF8 = b"\xff\xfe\x00"


def jid(user: str = BOB, server: str = PHONE, device: int = 0) -> Any:
    return pb.JID(User=user, Server=server, Device=device, RawAgent=0, Integrator=0, IsEmpty=False)


NOBODY = pb.JID(User="", Server="", Device=0, RawAgent=0, Integrator=0, IsEmpty=True)


def source(**values: Any) -> Any:
    """Where and by whom: from Bob by number, his hidden identity beside it, unless told otherwise."""
    filled = {
        "Chat": jid(),
        "Sender": jid(),
        "SenderAlt": jid(BOB_LID, LID),
        "RecipientAlt": NOBODY,
        "IsFromMe": False,
        "IsGroup": False,
        **values,
    }
    return pb.MessageSource(**filled)


def info(where: Any = None, **values: Any) -> Any:
    filled = {"ID": "3EB0AB", "Pushname": "Bob", "Timestamp": AT * 1000, "Type": "text", "Category": "", **values}
    return pb.MessageInfo(MessageSource=where or source(), **filled)


def message(content: Any = None, where: Any = None, *, edit: bool = False, **values: Any) -> bytes:
    content = content or e2e.Message(conversation="Hello")
    return bytes(pb.Message(Info=info(where, **values), Message=content, IsEdit=edit).SerializePartialToString())


def undecryptable(where: Any = None, **values: Any) -> bytes:
    return bytes(pb.UndecryptableMessage(Info=info(where, **values)).SerializePartialToString())


def receipt(*ids: str, kind: int = 1, where: Any = None) -> bytes:
    event = pb.Receipt(MessageSource=where or source(), MessageIDs=ids, Timestamp=AT, Type=kind)
    return bytes(event.SerializePartialToString())


def group(user: str = "1203630000", **values: Any) -> Any:
    return source(Chat=jid(user, GROUP), IsGroup=True, **values)


def received(payload: bytes) -> port.MessageReceived:
    event = translate(MESSAGE, payload)
    assert isinstance(event, port.MessageReceived), event
    return event


def unreadable(payload: bytes) -> port.MessageUnreadable:
    event = translate(UNDECRYPTABLE, payload)
    assert isinstance(event, port.MessageUnreadable), event
    return event


def receipt_of(payload: bytes) -> port.ReceiptReceived:
    event = translate(RECEIPT, payload)
    assert isinstance(event, port.ReceiptReceived), event
    return event
