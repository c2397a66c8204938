"""The control API and the page as one ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from sandbox.control import errors, page, phones, rest
from sandbox.control.guard import Guard
from sandbox.core import Sandbox

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(sandbox: Sandbox) -> Starlette:
    app = Starlette(
        routes=[*(_route(path, methods) for path, methods in ENDPOINTS.items()), STATIC],
        middleware=[Middleware(Guard)],
        exception_handlers={
            errors.ApiError: errors.on_api_error,
            HTTPException: errors.on_http_error,
            Exception: errors.on_crash,
        },
    )
    app.state.sandbox = sandbox
    return app


def _route(path: str, methods: dict[str, Endpoint]) -> Route:
    """One route a path, so that a wrong method is answered with every right one."""

    async def dispatch(request: Request) -> Response:
        return await methods["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=list(methods))


STATIC = Mount("/static", page.Static(directory=page.FOLDER), name="static")
ENDPOINTS: dict[str, dict[str, Endpoint]] = {
    "/": {"GET": page.shell},
    "/health": {"GET": rest.health},
    "/network": {"GET": rest.network},
    "/events": {"GET": rest.events},
    "/faults": {"GET": rest.show_faults, "POST": rest.turn_faults, "DELETE": rest.reset_faults},
    "/groups": {"GET": rest.list_groups, "POST": rest.create_group},
    "/phones": {"GET": phones.list_phones, "POST": phones.create_phone},
    "/phones/{number}": {"GET": phones.show_phone},
    "/phones/{number}/scan": {"POST": phones.scan},
    "/phones/{number}/pair": {"POST": phones.pair},
    "/phones/{number}/send": {"POST": phones.send},
    "/phones/{number}/react": {"POST": phones.react},
    "/phones/{number}/typing": {"POST": phones.type_},
    "/phones/{number}/inbox": {"GET": phones.inbox},
    "/phones/{number}/acknowledged": {"GET": phones.acknowledged},
    "/phones/{number}/read": {"POST": phones.read},
    "/phones/{number}/rename": {"POST": phones.rename},
    "/phones/{number}/unlink": {"POST": phones.unlink},
}
