"""Frames on the wire: those of a client are checked before anything believes them, and the older protocol is spoken.

Two generations are about. Engine.IO 4 with Socket.IO protocol 5 (clients 3 and 4) is what the server speaks; Engine.IO
3 with Socket.IO protocol 4 (clients 1 and 2) is translated here, frame by frame (their differences are listed in
https://socket.io/docs/v4/engine-io-protocol/ and .../socket-io-protocol/, "History"):

    3                                       4
    client pings, server answers            server pings, client answers
    payload `5:40abc`, lengths in UTF-16    frames separated by U+001E
    `/` is connected unasked                clients connect to it
    `40/whatsapp?token=x`                   `40/whatsapp,{"token":"x"}`
    `40/whatsapp`                           `40/whatsapp,{"sid":"…"}`
    `44/whatsapp,"why"`                     `44/whatsapp,{"message":"why"}`

No event of ours has bytes in it. A client's binary events arrive with their placeholders, and are answered as the
wrong input that they are; the bytes go nowhere.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

Frame = str | bytes

SEPARATOR: Final = "\x1e"
PING, PONG, NOOP = "2", "3", "6"
#: What a client may send that is no message: it closes, probes and upgrades a transport, answers a ping.
_SIGNALS: Final = re.compile(r"1|2probe|3.{0,64}|5", re.DOTALL)
_MESSAGE: Final = re.compile(
    r"4(?P<kind>[0-6])(?:[0-9]{1,4}-)?(?P<namespace>/[^,]*)?,?(?P<id>[0-9]{0,15})(?P<data>.*)", re.DOTALL
)
CONNECT, DISCONNECT, EVENT, ACK, ERROR, BINARY_EVENT, BINARY_ACK = "0123456"
#: Names by which the server finds handlers of its own; from outside they would be calls of those.
RESERVED: Final = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "*"})


class Rubbish(Exception):
    """No frame of either protocol."""


# -- in ------------------------------------------------------------------------------------------------------------
def checked(frame: Frame) -> str | None:
    """A client's frame of version 4 as the server may have it; None for one that it need not see. Raises Rubbish."""
    if isinstance(frame, bytes):
        return None
    if _SIGNALS.fullmatch(frame):
        return frame
    found = _MESSAGE.fullmatch(frame)
    if found is None:
        raise Rubbish
    return _checked_message(found["kind"], found["namespace"] or "", found["id"], _data(found["data"]))


def _data(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise Rubbish from error


def _checked_message(kind: str, namespace: str, number: str, data: Any) -> str | None:
    match kind:
        case "0":
            return _message(CONNECT, namespace, data=data if isinstance(data, dict) else None)
        case "1":
            return _message(DISCONNECT, namespace)
        case "2" | "5" if _is_event(data):
            return _message(EVENT, namespace, number, data)
        case "3" | "6":
            # We ask for no acknowledgements.
            return None
    raise Rubbish


def _is_event(data: Any) -> bool:
    return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in RESERVED


def _message(kind: str, namespace: str = "", number: str = "", data: Any = None) -> str:
    place = f"{namespace}," if namespace not in ("", "/") else ""
    return f"4{kind}{place}{number}{'' if data is None else json.dumps(data, separators=(',', ':'))}"


_NUMBERED: Final = re.compile(r"4(?P<kind>[23])(?P<namespace>/[^,]*,)?(?P<id>[0-9]+)(?P<data>\[.*)", re.DOTALL)


def numbered(frame: str, kind: str) -> tuple[str, str, str] | None:
    """(namespace, number, data) of an event that wants an answer, or of an answer; None for all else."""
    found = _NUMBERED.fullmatch(frame)
    return (found["namespace"] or "", found["id"], found["data"]) if found and found["kind"] == kind else None


def answer_frame(namespace: str, number: str, data: str) -> str:
    return f"4{ACK}{namespace}{number}{data}"


def from_3(frame: Frame) -> Frame | None:
    """A client's frame of version 3 in version 4, not checked yet."""
    if isinstance(frame, bytes):
        return frame
    found = re.fullmatch(r"40(?P<namespace>/[^,?]*)?(?:\?(?P<query>[^,]*))?,?", frame)
    if found is None:
        return frame
    if found["namespace"] in (None, "", "/"):
        # Connected already, unasked.
        return None
    query = dict(parse_qsl(found["query"])) if found["query"] else None
    return _message(CONNECT, found["namespace"], data=query)


# -- out -----------------------------------------------------------------------------------------------------------
def to_3(frame: str) -> str | None:
    """The server's frame of version 4 in version 3; None for one that has no equal there."""
    if frame == PING:
        return None
    found = re.fullmatch(r"4(?P<kind>[04])(?P<namespace>/[^,]*,)?(?P<data>\{.*\})", frame, re.DOTALL)
    if found is None:
        return frame
    if found["kind"] == CONNECT:
        return f"40{(found['namespace'] or '').rstrip(',')}"
    why = json.loads(found["data"]).get("message", "")
    return f"44{found['namespace'] or ''}{json.dumps(why)}"


# -- payloads: many frames in one HTTP body --------------------------------------------------------------------------
def unpacked(body: bytes, version: int) -> list[Frame]:
    """The frames of a request's body, in order; bytes stand for binary ones. Raises Rubbish."""
    try:
        if version == 4:
            return [b"" if frame[:1] == "b" else frame for frame in body.decode().split(SEPARATOR)]
        if body[:1] in (b"\x00", b"\x01"):
            return list(_unpacked_binary(body))
        return [b"" if frame[:1] == "b" else frame for frame in _unpacked_3(body.decode())]
    except (ValueError, IndexError) as error:
        raise Rubbish from error


def _unpacked_3(text: str) -> Iterator[str]:
    """`5:40abc2:2x`. Lengths count UTF-16 units, as JavaScript does."""
    units = text.encode("utf-16-le")
    at = 0
    while at < len(units):
        colon = units.index(":".encode("utf-16-le"), at)
        length = _length(units[at:colon].decode("utf-16-le"))
        at = colon + 2 + 2 * length
        if at > len(units):
            raise Rubbish
        yield units[colon + 2 : at].decode("utf-16-le")


def _length(digits: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", digits):
        raise Rubbish
    return int(digits)


def _unpacked_binary(body: bytes) -> Iterator[Frame]:
    """A byte 0 (text) or 1 (bytes), the length's digits a byte each, 255, and the frame."""
    at = 0
    while at < len(body):
        end = body.index(b"\xff", at)
        length = _length("".join(map(str, body[at + 1 : end])))
        frame = body[end + 1 : end + 1 + length]
        if len(frame) < length:
            raise Rubbish
        yield b"" if body[at] else frame.decode()
        at = end + 1 + length


def packed(frames: list[str], version: int) -> bytes:
    """Frames as the body of an answer; one that would be empty has a frame that says nothing."""
    frames = frames or [NOOP]
    if version == 4:
        return SEPARATOR.join(frames).encode()
    return "".join(f"{len(frame.encode('utf-16-le')) // 2}:{frame}" for frame in frames).encode()
