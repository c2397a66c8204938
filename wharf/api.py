"""One shape for every answer of the API: `ok` for successes, `on_error` for all that can go wrong.

A failure is always `{"success": false, "code", "message"}`: the code is for programs, the message for people, in their
language. What we did not expect is written to the log and told to nobody outside.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, DataError, InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext
from rest_framework import exceptions, status
from rest_framework.response import Response

from wharf import errors
from wharf.errors import WharfError, sentence
from wharf.meanings import body, meaning

logger = logging.getLogger(__name__)

Fields = dict[str, list[str]]

#: What HTTP itself can refuse, by the exception that says so; the first that fits counts.
_REFUSALS: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (RequestDataTooBig, 413, "too_large", sentence("The request is too large")),
    (exceptions.ParseError, 400, "malformed", sentence("The request's body is not valid JSON")),
    (exceptions.MethodNotAllowed, 405, "method_not_allowed", sentence("This method is not allowed here")),
    (exceptions.NotAcceptable, 406, "not_acceptable", sentence("Only JSON can be had here")),
    (exceptions.UnsupportedMediaType, 415, "unsupported_media_type", sentence("Only JSON can be sent here")),
    (exceptions.Throttled, 429, "too_many_requests", sentence("Too many requests, try again later")),
    (exceptions.NotAuthenticated, 401, errors.NotAuthenticated.code, errors.NotAuthenticated.text),
    (exceptions.AuthenticationFailed, 401, errors.NotAuthenticated.code, errors.NotAuthenticated.text),
    (exceptions.PermissionDenied, 403, errors.PermissionDenied.code, errors.PermissionDenied.text),
    (PermissionDenied, 403, errors.PermissionDenied.code, errors.PermissionDenied.text),
    (exceptions.NotFound, 404, errors.NotFound.code, errors.NotFound.text),
    (Http404, 404, errors.NotFound.code, errors.NotFound.text),
    (SuspiciousOperation, 400, "bad_request", sentence("The request cannot be understood")),
    # A text or number that no column can hold, and that no check of ours has caught.
    (DataError, 400, "bad_request", sentence("The request cannot be understood")),
    (OperationalError, 503, "unavailable", sentence("The service is not available for the moment, try again")),
    (InterfaceError, 503, "unavailable", sentence("The service is not available for the moment, try again")),
)


def ok(data: object = None, *, message: str | None = None, status: int = 200) -> Response:
    """A success in the older systems' envelope; what is None is left out."""
    envelope: dict[str, object] = {"success": True}
    if data is not None:
        envelope["data"] = data
    if message is not None:
        envelope["message"] = message
    return Response(envelope, status=status)


def failure(code: str, message: str, status: int, **more: object) -> Response:
    return Response({"success": False, "code": code, "message": message, **more}, status=status)


def on_error(error: Exception, context: Mapping[str, Any] | None = None) -> Response:
    """DRF's exception handler: any exception becomes an answer."""
    response = _answer(error)
    for name, value in _headers(error, response.status_code):
        response[name] = value
    return response


def _answer(error: Exception) -> Response:
    if isinstance(error, WharfError):
        return Response(body(error), status=meaning(error).http_status)
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    for refusal, http_status, code, text in _REFUSALS:
        if isinstance(error, refusal):
            if isinstance(error, DatabaseError | InterfaceError):
                logger.error("the database refused", exc_info=error)
            return failure(code, gettext(text), http_status)
    logger.error("the API failed", exc_info=error)
    return failure("internal_error", gettext(WharfError.text), status.HTTP_500_INTERNAL_SERVER_ERROR)


def _invalid(error: exceptions.ValidationError) -> Response:
    fields: Fields = {}
    for name, problem in _problems(error.detail):
        fields.setdefault(_sayable(name), []).append(_sayable(problem))
    message = gettext("Check what you sent: %(fields)s") % {"fields": ", ".join(sorted(fields))}
    return failure(errors.Invalid.code, message, status.HTTP_400_BAD_REQUEST, fields=fields)


def _sayable(text: str) -> str:
    """Some problems repeat what was sent, and JSON can hold half a surrogate pair, which no answer can."""
    return text.encode(errors="replace").decode()


def _problems(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each problem with the dotted name of the field that has it; `body` when it is the whole that is wrong."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _problems(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            yield from _problems(inner, f"{path}.{number}" if isinstance(inner, Mapping) else path)
    else:
        yield path or "body", str(detail)


def _headers(error: Exception, http_status: int) -> Iterator[tuple[str, str]]:
    if http_status == status.HTTP_401_UNAUTHORIZED:
        yield "WWW-Authenticate", 'Bearer realm="api"'
    seconds = getattr(error, "retry_after", None) or getattr(error, "wait", None)
    if seconds is not None:
        yield "Retry-After", str(int(seconds))
