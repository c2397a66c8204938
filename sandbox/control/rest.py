"""/faults, /network, /groups, /events, /health: the sandbox as a whole."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.control import inputs, shapes, switches
from sandbox.control.errors import ApiError, bad_input
from sandbox.control.phones import kept, sandbox_of
from sandbox.core import Sandbox
from sandbox.protocol.node import Node
from sandbox.world.faults import Faults
from sandbox.world.phone import Phone

ACTIONS = ("drop", "hang", "streamError")


async def health(_: Request) -> Response:
    return JSONResponse({"ok": True})


async def network(request: Request) -> Response:
    """What a process needs to link here."""
    sandbox = sandbox_of(request)
    return JSONResponse({"proxy": sandbox.proxy, "ca": sandbox.ca, "rootKey": sandbox.root_key})


async def events(request: Request) -> Response:
    """Answers at once when there is something after `after`, else after at most `wait` seconds."""
    happenings = sandbox_of(request).world.happenings
    after = int(inputs.query_number(request, "after", int, happenings.last, 1 << 53))
    wait = inputs.query_number(request, "wait", float, 0.0, inputs.MAX_WAIT)
    found = await happenings.wait_after(after, wait)
    return JSONResponse({"events": [shapes.happening(h) for h in found], "next": happenings.last})


# -- faults ---------------------------------------------------------------------------------------------------


async def show_faults(request: Request) -> Response:
    return JSONResponse(switches.shown(sandbox_of(request).world.faults))


async def turn_faults(request: Request) -> Response:
    """Part of the switches, and things to do at once; answers with all switches."""
    sandbox, body = sandbox_of(request), await inputs.body_of(request, *switches.READERS, *ACTIONS)
    dropped = _known(sandbox, body["drop"], "drop") if "drop" in body else None
    hung = _known(sandbox, body["hang"], "hang") if "hang" in body else None
    broken = _stream_error(sandbox, body["streamError"]) if "streamError" in body else None
    switches.turn(sandbox.world.faults, {key: body[key] for key in body if key not in ACTIONS})
    if dropped is not None:
        sandbox.switchboard.drop(dropped)
    if hung is not None:
        sandbox.switchboard.hang(hung)
    if broken is not None:
        sandbox.switchboard.stream_error(*broken)
    return kept(request, switches.shown(sandbox.world.faults))


async def reset_faults(request: Request) -> Response:
    sandbox_of(request).world.faults = Faults()
    return await show_faults(request)


def _known(sandbox: Sandbox, raw: object, key: str) -> Phone:
    phone = sandbox.world.phones.get(inputs.number(raw, key))
    if phone is None:
        raise ApiError(404, "unknown_phone", f"There is no phone with the number in {key!r}.")
    return phone


def _stream_error(sandbox: Sandbox, value: object) -> tuple[Phone, Node]:
    if not isinstance(value, dict) or set(value) != {"number", "code"}:
        raise bad_input("'streamError' must be an object with 'number' and 'code'.")
    code = inputs.integer(value["code"], "streamError.code", 1, 9999)
    return _known(sandbox, value["number"], "streamError.number"), Node("stream:error", {"code": str(code)})


# -- groups ---------------------------------------------------------------------------------------------------


async def list_groups(request: Request) -> Response:
    return JSONResponse([shapes.group(group) for group in sandbox_of(request).world.groups.values()])


async def create_group(request: Request) -> Response:
    """The first member owns it."""
    sandbox, body = sandbox_of(request), await inputs.body_of(request, "subject", "members")
    subject = inputs.text(body, "subject", inputs.MAX_NAME).strip()
    members = [_known(sandbox, number, "members") for number in inputs.texts(body, "members")]
    return kept(request, shapes.group(sandbox.world.add_group(subject, members)), 201)
