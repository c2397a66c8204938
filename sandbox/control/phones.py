"""/phones: who there is, and what people do on their phones."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.control import contents, inputs, pictures, shapes
from sandbox.control.errors import ApiError, bad_input
from sandbox.core import Sandbox
from sandbox.protocol.adv import Break, NotALinkingQR, WrongCode
from sandbox.server.pairing import PairingRefused
from sandbox.server.switchboard import NoCodeWanted, QRExpired
from sandbox.world import account, post, reacting, receipts, typing
from sandbox.world.group import Group
from sandbox.world.group_post import send_to_group
from sandbox.world.message import Message
from sandbox.world.phone import Phone

LINK_SECONDS = 10.0
CODE_SIZE = 8
BREAKS: dict[str, Break] = {"hmac": "hmac", "signature": "signature"}


def sandbox_of(request: Request) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


def phone_of(request: Request) -> Phone:
    number = inputs.number(request.path_params["number"])
    found = sandbox_of(request).world.phones.get(number)
    if found is None:
        raise ApiError(404, "unknown_phone", f"There is no phone with the number {number}.")
    return found


def kept(request: Request, body: Any, status: int = 200) -> Response:
    """What was done is in the store before the caller hears of it."""
    sandbox_of(request).world.settle()
    return JSONResponse(body, status)


# -- who there is ---------------------------------------------------------------------------------------------


async def list_phones(request: Request) -> Response:
    return JSONResponse([shapes.phone(phone) for phone in sandbox_of(request).world.phones.values()])


async def create_phone(request: Request) -> Response:
    """Asking twice for the same phone is no mistake."""
    body = await inputs.body_of(request, "number", "name", "business", "platform")
    number, name = inputs.number(body.get("number")), inputs.optional_text(body, "name")
    world = sandbox_of(request).world
    existing = world.phones.get(number)
    if existing is None:
        business, platform = inputs.optional_text(body, "business"), inputs.optional_text(body, "platform")
        phone = world.add_phone(number, name, platform or "android", business)
        return kept(request, shapes.phone(phone), 201)
    if name and name != existing.name:
        raise ApiError(409, "phone_exists", f"{number} exists and is called {existing.name}.")
    return JSONResponse(shapes.phone(existing))


async def show_phone(request: Request) -> Response:
    return JSONResponse(shapes.phone(phone_of(request)))


# -- linking --------------------------------------------------------------------------------------------------


async def scan(request: Request) -> Response:
    phone, body = phone_of(request), await inputs.body_of(request, "qr", "break")
    qr, broken = inputs.text(body, "qr", limit=12 << 20), inputs.choice(body, "break", BREAKS)
    if pictures.is_data_url(qr):
        qr = await asyncio.to_thread(pictures.qr_text, qr)
    try:
        linking = sandbox_of(request).switchboard.scan(phone, qr, broken)
    except NotALinkingQR as error:
        raise ApiError(400, "not_a_qr", "This is not a QR that WhatsApp shows for linking.") from error
    except QRExpired as error:
        raise ApiError(409, "qr_expired", "This QR is no longer valid: ask the device for a new one.") from error
    return await _linked(linking)


async def pair(request: Request) -> Response:
    phone, body = phone_of(request), await inputs.body_of(request, "code")
    code = inputs.text(body, "code", limit=20).replace("-", "").replace(" ", "")
    if len(code) != CODE_SIZE or not code.isalnum() or not code.isascii():
        raise bad_input(f"'code' must have {CODE_SIZE} letters and digits, with or without a dash.")
    try:
        linking = sandbox_of(request).switchboard.type_code(phone, code)
    except NoCodeWanted as error:
        raise ApiError(409, "no_code_wanted", "No device has asked for a code for this number.") from error
    except WrongCode as error:
        raise _wrong_code() from error
    return await _linked(linking)


async def _linked(linking: asyncio.Future[int]) -> Response:
    """Waits for the device to agree, but not for ever; it may still do so later."""
    try:
        async with asyncio.timeout(LINK_SECONDS):
            return JSONResponse({"device": await asyncio.shield(linking)})
    except TimeoutError as error:
        raise ApiError(409, "not_confirmed", "The device has not confirmed the linking so far.") from error
    except PairingRefused as error:
        if error.code == "wrong_code":
            raise _wrong_code() from error
        raise ApiError(409, "pairing_refused", f"The device refused: {error}.") from error


def _wrong_code() -> ApiError:
    return ApiError(409, "wrong_code", "The device shows another code.")


async def unlink(request: Request) -> Response:
    phone, body = phone_of(request), await inputs.body_of(request, "device")
    devices = list(phone.companions)
    if body.get("device") is not None:
        devices = [inputs.integer(body["device"], "device", 1, 1 << 31)]
        if devices[0] not in phone.companions:
            raise ApiError(404, "unknown_device", f"Device {devices[0]} is not linked.")
    for device in devices:
        account.unlink(sandbox_of(request).world, phone, device)
    return kept(request, {"unlinked": devices})


# -- messages -------------------------------------------------------------------------------------------------


async def send(request: Request) -> Response:
    phone, body = phone_of(request), await inputs.body_of(request, "to", "text", *contents.KINDS)
    content = await asyncio.to_thread(contents.read, body)
    to, world = _addressed(request, phone, body.get("to")), sandbox_of(request).world
    proto, kind = content.make(world), content.stanza_type
    if isinstance(to, Group):
        return kept(request, {"id": send_to_group(world, phone, to, proto, stanza_type=kind)})
    return kept(request, {"id": post.send(world, phone, to, proto, stanza_type=kind)})


def _addressed(request: Request, phone: Phone, to: object) -> Phone | Group:
    """A person by number or a group by JID."""
    world = sandbox_of(request).world
    if isinstance(to, str) and to.endswith("@g.us"):
        group = world.groups.get(to)
        if group is None or phone.number not in group.members:
            raise ApiError(404, "unknown_group", "This phone is in no such group.")
        return group
    recipient = world.phones.get(inputs.number(to, "to"))
    if recipient is None or not world.faults.is_on_whatsapp(recipient.number):
        raise ApiError(404, "unknown_number", f"{to} is not on the sandbox: create its phone first.")
    return recipient


async def react(request: Request) -> Response:
    """An empty emoji takes back what was put there."""
    phone, body = phone_of(request), await inputs.body_of(request, "id", "emoji")
    message_id, emoji = inputs.text(body, "id"), inputs.emoji(body, "emoji")
    message = phone.find(message_id)
    if message is None:
        raise ApiError(404, "unknown_message", f"Not on this phone: {message_id[:100]}.")
    return kept(request, {"id": reacting.react(sandbox_of(request).world, phone, message, emoji)})


async def type_(request: Request) -> Response:
    """Somebody has begun to write on the phone, or has stopped."""
    phone, body = phone_of(request), await inputs.body_of(request, "to", "typing")
    is_typing = inputs.flag(body, "typing")
    typing.tell(sandbox_of(request).world, phone, _addressed(request, phone, body.get("to")), is_typing)
    return JSONResponse({"typing": is_typing})


async def inbox(request: Request) -> Response:
    """`after` is the `seq` of the last message known; without it, the newest ones."""
    phone = phone_of(request)
    limit = int(inputs.query_number(request, "limit", int, 100, inputs.MAX_PAGE))
    after = request.query_params.get("after")
    shown = phone.shown
    if after is None:
        shown = shown[-limit:] if limit else []
    else:
        seq = inputs.query_number(request, "after", int, 0, 1 << 53)
        shown = [m for m in shown if m.seq > seq][:limit]
    return JSONResponse({"messages": [shapes.message(phone, m) for m in shown]})


async def acknowledged(request: Request) -> Response:
    """What linked devices have acknowledged after the `seq` that is known, and how much they still have to."""
    phone = phone_of(request)
    limit = int(inputs.query_number(request, "limit", int, inputs.MAX_PAGE, inputs.MAX_PAGE))
    after = inputs.query_number(request, "after", int, 0, 1 << 53)
    found = islice((entry for entry in phone.acknowledged if entry.seq > after), limit)
    return JSONResponse({"acknowledged": [shapes.acknowledged(each) for each in found], "waiting": phone.waiting})


async def read(request: Request) -> Response:
    phone, body = phone_of(request), await inputs.body_of(request, "ids")
    ids = inputs.texts(body, "ids")
    by_id = {message.id: message for message in phone.inbox}
    unknown = [message_id for message_id in ids if message_id not in by_id]
    if unknown:
        raise ApiError(404, "unknown_message", f"Not in this inbox: {', '.join(unknown[:20])[:500]}.")
    unread: list[Message] = [by_id[message_id] for message_id in ids if not by_id[message_id].read]
    receipts.read(sandbox_of(request).world, phone, unread)
    return kept(request, {"read": ids})


async def rename(request: Request) -> Response:
    phone, body = phone_of(request), await inputs.body_of(request, "name")
    account.rename(sandbox_of(request).world, phone, inputs.text(body, "name", inputs.MAX_NAME).strip())
    return kept(request, shapes.phone(phone))
