"""The root of every error that Wharf raises on purpose: a stable code, a kind, and a sentence for people.

Sentences are written in English here and translated where they are shown (`wharf.meanings`), so that workers,
commands and the API say the same thing.
"""

from enum import StrEnum
from typing import ClassVar


class Sentence(str):
    """A text that is translated where it is shown, also as a param of another one."""

    __slots__ = ()


def sentence(text: str) -> Sentence:
    """Mark `text` for translation without translating it yet."""
    return Sentence(text)


class Kind(StrEnum):
    """What sort of failure it is; `wharf.meanings` says what each kind means to the outside."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    GONE = "gone"
    UNPROCESSABLE = "unprocessable"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"


class WharfError(Exception):
    """Base of all expected failures. `params` fill the sentence's named places and travel with the answer."""

    code: ClassVar[str] = "error"
    kind: ClassVar[Kind] = Kind.BROKEN
    text: ClassVar[str] = sentence("Something went wrong")
    #: Params that stand in the API's answer under their own names too, for clients that read them there.
    told: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **params: object) -> None:
        self.params = params
        super().__init__(self.text % params if params else self.text)


class NotAuthenticated(WharfError):
    code, kind = "not_authenticated", Kind.UNAUTHENTICATED
    text = sentence("Not authorised")


class PermissionDenied(WharfError):
    code, kind = "permission_denied", Kind.FORBIDDEN
    text = sentence("You do not have the right to do this")


class NotFound(WharfError):
    code, kind = "not_found", Kind.NOT_FOUND
    text = sentence("Not found")


class Invalid(WharfError):
    """Bad input. `field` names the input, `problem` (a `sentence`) says what is wrong with it."""

    code, kind = "invalid", Kind.INVALID
    text = sentence("%(field)s: %(problem)s")
