"""How worker and host talk: length-prefixed JSON frames, each a tagged dataclass of `engine.port` or of this file."""

import base64
import dataclasses
import inspect
import json
import typing
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from whatsapp.engine import port

#: A frame is a message at most; larger than anything WhatsApp carries as text.
MAX_FRAME: Final = 4 * 1024 * 1024
HEADER: Final = 4


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
class End:
    """Leave in good order."""


Frame = Birth | Order | Acknowledge | Look | End | port.Report

_TYPES: Final[dict[str, type]] = {
    cls.__name__: cls
    for cls in (Birth, Order, Acknowledge, Look, End, *vars(port).values())
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
}


def encode(frame: Frame) -> bytes:
    body = json.dumps(_plain(frame), ensure_ascii=False, separators=(",", ":")).encode()
    return len(body).to_bytes(HEADER, "big") + body


def decode(body: bytes) -> Frame:
    """The frame in `body` (without its length). Raises ValueError for anything that is not one."""
    try:
        value = _typed(json.loads(body))
    except (TypeError, LookupError, RecursionError) as error:
        raise ValueError("not a frame") from error
    if not isinstance(value, Frame):
        raise ValueError("not a frame")
    return value


def body_length(header: bytes) -> int:
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME:
        raise ValueError(f"a frame of {length} bytes")
    return length


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"@": type(value).__name__, **fields}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _typed(raw: Any) -> Any:
    if not isinstance(raw, dict) or raw.get("@") not in _TYPES:
        raise ValueError("unknown kind of frame")
    cls = _TYPES[raw["@"]]
    hints = _hints(cls)
    return cls(**{name: _field(hints[name], value) for name, value in raw.items() if name != "@"})


@lru_cache(maxsize=64)
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _field(hint: Any, raw: Any) -> Any:
    if isinstance(raw, dict):
        return _typed(raw)
    if isinstance(raw, list):
        item = typing.get_args(hint)[0]
        return tuple(_field(item, element) for element in raw)
    if hint is bytes:
        return base64.b64decode(raw)
    if inspect.isclass(hint) and issubclass(hint, Enum | Path):
        return hint(raw)
    if hint in (str, int, bool) and type(raw) is not hint:
        raise ValueError(f"not {hint.__name__}")
    return raw
