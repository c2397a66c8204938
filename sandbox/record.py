"""Dataclasses to JSON text and back: what one row of the store holds."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Converter = Callable[[Any], Any]


def dump(record: Any) -> bytes:
    return json.dumps(_plain(record), separators=(",", ":"), ensure_ascii=False).encode()


def load(kind: type[T], body: bytes) -> T:
    """`body` as `dump` wrote it; fields that it lacks take their defaults."""
    hint: Any = kind
    loaded: T = _reader(hint)(json.loads(body))
    return loaded


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {name: _plain(getattr(value, name)) for name in _names(value)}


def _names(record: Any) -> tuple[str, ...]:
    kind: Any = type(record)
    return _field_names(kind)


@lru_cache(maxsize=64)
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@lru_cache(maxsize=256)
def _reader(hint: Any) -> Converter:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        inner = _reader(next(arg for arg in args if arg is not NoneType))
        return lambda value: None if value is None else inner(value)
    if origin is list:
        item = _reader(args[0])
        return lambda value: [item(v) for v in value]
    if origin is dict:
        key, item = _reader(args[0]), _reader(args[1])
        return lambda value: {key(k): item(v) for k, v in value.items()}
    if hint is bytes:
        return base64.b64decode
    if is_dataclass(hint):
        return _dataclass_reader(hint)
    return hint if callable(hint) else lambda value: value


def _dataclass_reader(kind: Any) -> Converter:
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}
    return lambda value: kind(**{name: readers[name](v) for name, v in value.items() if name in readers})
