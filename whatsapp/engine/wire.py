"""How worker and host talk: length-prefixed MessagePack frames, dataclasses of `engine.port` and of this file.

A body is a list: the kind of frame, its fields, and where these hold one of several kinds (an order's command, a
report's event) its kind and its fields after that. msgspec checks every field against its type.
"""

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from whatsapp.engine import port

#: A frame is a message at most; larger than anything WhatsApp carries as text.
MAX_FRAME: Final = 4 * 1024 * 1024
HEADER: Final = 4

#: How often a worker tells its hosts that it is there.
PRESENCE_SECONDS: Final = 2.0
#: After so many looks without a word of it, a host takes its worker for gone: before the lease is over
#: (`fleet.leases`), so that whoever takes the sessions then finds them free. Looks and not seconds: we may be the one
#: that was asleep.
SILENT_LOOKS: Final = 6
LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Birth:
    """The first frame to a host: what it is to keep, and how to reach its network."""

    sessions: tuple[port.SessionBirth, ...]
    root_key: str = ""


@dataclass(frozen=True)
class Order:
    """A command for one session."""

    session_id: str
    command: port.Command


@dataclass(frozen=True)
class Acknowledge:
    session_id: str
    seq: int


@dataclass(frozen=True)
class Look:
    """How far the session's device store has come, which a host cannot read (`engine.ledger`)."""

    session_id: str
    place: int


@dataclass(frozen=True)
class KeepOn:
    """Leave in good order at that time (`engine.clock`), if no later one is told before."""

    until: float


@dataclass(frozen=True)
class Present:
    """The worker runs, and reads what it is told; said every few seconds."""


@dataclass(frozen=True)
class End:
    """Leave in good order."""


Frame = Birth | Order | Acknowledge | Look | KeepOn | Present | End | port.Report

_COMMANDS: Final[dict[str, type]] = {cls.__name__: cls for cls in typing.get_args(port.Command)}
_EVENTS: Final[dict[str, type]] = {cls.__name__: cls for cls in typing.get_args(port.EngineEvent)}
_PLAIN: Final[dict[str, type]] = {cls.__name__: cls for cls in (Birth, Acknowledge, Look, KeepOn, Present, End)}


# -- out -----------------------------------------------------------------------------------------------------------
def encode(frame: Frame) -> bytes:
    body = _encoder.encode(_parts(frame))
    return len(body).to_bytes(HEADER, "big") + body


def _parts(frame: Frame) -> tuple[Any, ...]:
    match frame:
        case Order():
            return ("Order", frame.session_id, 0, type(frame.command).__name__, frame.command)
        case port.Report():
            return ("Report", frame.session_id, frame.seq, type(frame.event).__name__, frame.event)
        case _:
            return ("", "", 0, type(frame).__name__, frame)


def _from_path(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value).__name__)


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_from_path)


# -- in ------------------------------------------------------------------------------------------------------------
def decode(body: bytes) -> Frame:
    """The frame in `body` (without its length). Raises ValueError for anything that is not one."""
    try:
        kind, session_id, seq, what, raw = _outer.decode(body)
        match kind:
            case "Order":
                return Order(session_id, _inner(_COMMANDS[what]).decode(raw))
            case "Report":
                return port.Report(session_id, _inner(_EVENTS[what]).decode(raw), seq)
            case "":
                frame: Frame = _inner(_PLAIN[what]).decode(raw)
                return frame
    except (msgspec.MsgspecError, LookupError, RecursionError) as error:
        raise ValueError("not a frame") from error
    raise ValueError("not a frame")


_outer: Final = msgspec.msgpack.Decoder(tuple[str, str, int, str, msgspec.Raw])


@lru_cache(maxsize=64)
def _inner(cls: type) -> Any:
    return msgspec.msgpack.Decoder(cls, dec_hook=_to_path)


def _to_path(cls: type, value: Any) -> Any:
    if cls is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"not a {cls.__name__}")


class Unread:
    """What has come of a stream of frames and is no whole frame yet."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with `data`, in order. Raises ValueError at what is not one."""
        self._data += data
        start = 0
        while (body := start + HEADER) <= len(self._data):
            end = body + body_length(self._data[start:body])
            if end > len(self._data):
                break
            yield decode(bytes(self._data[body:end]))
            start = end
        del self._data[:start]


def body_length(header: bytes | bytearray) -> int:
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME:
        raise ValueError(f"a frame of {length} bytes")
    return length
