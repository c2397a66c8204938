"""A program with the real neonize, as a host process is; the tests drive it by JSON lines over a socket.

python -m tests.sandbox.program FILE_DESCRIPTOR
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any

import neonize
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from neonize.client import NewClient
from neonize.events import INT_TO_EVENT
from neonize.utils import build_jid
from neonize.utils.enum import Presence, ReceiptType

from sandbox.trust import trust_root

trust_root(bytes.fromhex(os.environ["WHARF_SANDBOX_ROOT_KEY"]))

channel = socket.socket(fileno=int(sys.argv[1]))
speaking = threading.Lock()
clients: dict[str, Any] = {}


def tell(**words: Any) -> None:
    with speaking:
        try:
            channel.sendall((json.dumps(words, default=str) + "\n").encode())
        except OSError:
            os._exit(0)


def plain(value: Any) -> Any:
    if isinstance(value, Message):
        return MessageToDict(value)
    if isinstance(value, (bool, int, str, type(None))):
        return value
    return [plain(item) for item in value] if isinstance(value, Iterable) else repr(value)


def make(name: str, store: str) -> None:
    client = NewClient(store, uuid=name)
    client.qr(lambda _, data: tell(event="qr", client=name, data=data.decode()))
    for code, kind in INT_TO_EVENT.items():
        if code:
            client.event(kind)(handler(name, kind.DESCRIPTOR.name))
    clients[name] = client


def handler(name: str, kind: str) -> Any:
    def report(_: Any, event: Any) -> None:
        if countdown.left and kind == "Message":
            countdown.step()
        else:
            tell(event=kind, client=name, data=MessageToDict(event))

    return report


class Countdown:
    """For measurements: messages are counted, not reported, until there were so many."""

    left = 0

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            tell(event="counted")


countdown = Countdown()


def connect(name: str) -> None:
    try:
        clients[name].connect()
        tell(event="connect_returned", client=name)
    except Exception as error:
        tell(event="connect_raised", client=name, data=str(error))


def jid(number: str) -> Any:
    user, _, server = number.partition("@")
    return build_jid(user, server or "s.whatsapp.net")


def do(order: dict[str, Any]) -> Any:
    name = order["client"]
    match order["do"]:
        case "new":
            make(name, order["store"])
            threading.Thread(target=connect, args=(name,), daemon=True).start()
        case "send":
            return clients[name].send_message(jid(order["to"]), order["text"])
        case "send_image":
            return clients[name].send_image(jid(order["to"]), bytes.fromhex(order["image"]), order["caption"])
        case "read":
            chat = jid(order["chat"])
            return clients[name].mark_read(*order["ids"], chat=chat, sender=chat, receipt=ReceiptType.READ)
        case "download":
            sent = neonize.proto.waE2E.WAWebProtobufsE2E_pb2.Message.FromString(bytes.fromhex(order["message"]))
            return clients[name].download_any(sent).hex()
        case "count":
            countdown.left = order["messages"]
        case "available":
            clients[name].send_presence(Presence.AVAILABLE)
        case _:
            return getattr(clients[name], order["do"])(*order.get("args", []))
    return None


def answer(order: dict[str, Any]) -> None:
    try:
        tell(event="answer", id=order["id"], data=plain(do(order)))
    except Exception as error:
        tell(event="answer", id=order["id"], error=f"{type(error).__name__}: {error}")


tell(event="ready")
for line in channel.makefile("r"):
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
os._exit(0)
