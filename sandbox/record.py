"""Dataclasses to JSON text and back: what one row of the store holds."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def dump(record: Any) -> bytes:
    return msgspec.json.encode(record)


def load(kind: type[T], body: bytes) -> T:
    """`body` as `dump` wrote it; fields that it lacks take their defaults. Raises msgspec.ValidationError."""
    return msgspec.json.decode(body, type=kind)
