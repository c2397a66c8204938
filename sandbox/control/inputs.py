"""What callers send, checked: every complaint names the field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from sandbox.control.errors import ApiError, bad_input

MAX_TEXT = 65_536
MAX_NAME = 100
MAX_EMOJI = 32
MAX_WAIT = 30.0
MAX_PAGE = 500

Json = Mapping[str, Any]
T = TypeVar("T")


async def body_of(request: Request, *allowed: str) -> Json:
    """A JSON object with no other keys than these."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "malformed_json", "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise bad_input("The body must be a JSON object.")
    for key in body:
        if key not in allowed:
            raise bad_input(f"Unknown field {key[:50]!r}; known are: {', '.join(allowed)}.")
    return body


def text(body: Json, key: str, limit: int = MAX_TEXT) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise bad_input(f"{key!r} must be a text that is not empty.")
    if len(value) > limit:
        raise bad_input(f"{key!r} may have at most {limit} characters.")
    if "\0" in value:
        raise bad_input(f"{key!r} must not hold zero bytes.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise bad_input(f"{key!r} holds half a character.") from error
    return value


def optional_text(body: Json, key: str, limit: int = MAX_NAME) -> str:
    return "" if body.get(key) is None else text(body, key, limit).strip()


def emoji(body: Json, key: str) -> str:
    """One emoji, or nothing; what it may be is for those to say who show it."""
    return "" if body.get(key) == "" else text(body, key, MAX_EMOJI).strip()


def flag(body: Json, key: str) -> bool:
    value = body.get(key)
    if not isinstance(value, bool):
        raise bad_input(f"{key!r} must be true or false.")
    return value


def number(raw: object, key: str = "number") -> str:
    """7 to 15 digits; people may write "+", spaces, dashes and brackets."""
    digits = re.sub(r"[\s+()\-]", "", raw) if isinstance(raw, str) else ""
    if not re.fullmatch(r"[0-9]{7,15}", digits):
        raise bad_input(f"{key!r} must be a phone number of 7 to 15 digits.")
    return digits


def texts(body: Json, key: str) -> list[str]:
    value = body.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise bad_input(f"{key!r} must be a list of texts that is not empty.")
    return list(dict.fromkeys(value))


def integer(raw: object, key: str, low: int, high: int) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
        raise bad_input(f"{key!r} must be a whole number from {low} to {high}.")
    return raw


def choice(body: Json, key: str, known: Mapping[str, T]) -> T | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or value not in known:
        raise bad_input(f"{key!r} must be one of: {', '.join(known)}.")
    return known[value]


def query_number(request: Request, key: str, kind: Callable[[str], float], default: float, high: float) -> float:
    raw = request.query_params.get(key)
    if raw is None:
        return default
    try:
        value = kind(raw)
    except ValueError as error:
        raise bad_input(f"{key!r} must be a number.") from error
    if not 0 <= value <= high:
        raise bad_input(f"{key!r} must be from 0 to {high:g}.")
    return value
