"""What the control API says when it cannot do what it was asked: a status, a stable code, a sentence."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    """Anything the caller can do something about."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def bad_input(message: str) -> ApiError:
    return ApiError(400, "bad_input", message)


def respond(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"success": False, "code": code, "message": message}, status)


async def on_api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return respond(error.status, error.code, error.message)


NAMES = {404: ("not_found", "There is nothing at this path."), 405: ("method_not_allowed", "Not with this method.")}


async def on_http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code, message = NAMES.get(error.status_code, ("refused", error.detail))
    response = respond(error.status_code, code, message)
    response.headers.update(error.headers or {})
    return response


async def on_crash(_: Request, __: Exception) -> Response:
    return respond(500, "internal", "The sandbox made a mistake; its log has the details.")
