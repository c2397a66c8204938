"""The one place that says what a kind of error means outside: HTTP status, socket close code, exit code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext

from wharf.errors import Invalid, Kind, Sentence, WharfError


@dataclass(frozen=True)
class Meaning:
    http_status: int
    ws_close: int
    exit_code: int


MEANINGS: Final[dict[Kind, Meaning]] = {
    Kind.INVALID: Meaning(http_status=400, ws_close=4400, exit_code=64),
    Kind.UNAUTHENTICATED: Meaning(http_status=401, ws_close=4401, exit_code=77),
    Kind.FORBIDDEN: Meaning(http_status=403, ws_close=4403, exit_code=77),
    Kind.NOT_FOUND: Meaning(http_status=404, ws_close=4404, exit_code=66),
    Kind.CONFLICT: Meaning(http_status=409, ws_close=4409, exit_code=65),
    Kind.GONE: Meaning(http_status=410, ws_close=4410, exit_code=66),
    Kind.UNPROCESSABLE: Meaning(http_status=422, ws_close=4422, exit_code=65),
    Kind.TOO_MANY: Meaning(http_status=429, ws_close=4429, exit_code=75),
    Kind.UNAVAILABLE: Meaning(http_status=503, ws_close=4503, exit_code=69),
    Kind.BROKEN: Meaning(http_status=500, ws_close=4500, exit_code=70),
}


def meaning(error: WharfError) -> Meaning:
    return MEANINGS[error.kind]


def say(error: WharfError) -> str:
    """The error's sentence in the reader's language (whichever is active)."""
    translated = gettext(error.text)
    return translated % _said(error.params) if error.params else translated


def body(error: WharfError) -> dict[str, object]:
    """The one JSON shape of every failure: `{"success": false, "code", "message"}`, with `fields` for bad input.

    What an error has `told` stands beside them.
    """
    shape: dict[str, object] = {"success": False, "code": error.code, "message": say(error)}
    shape |= {name: error.params[name] for name in error.told}
    if isinstance(error, Invalid):
        params = _said(error.params)
        shape["fields"] = {str(params["field"]): [params["problem"]]}
    return shape


def _said(params: Mapping[str, object]) -> dict[str, object]:
    return {name: gettext(value) if isinstance(value, Sentence) else value for name, value in params.items()}
