"""A linked device comes back: it is let in or told why not, and gets what waited for it."""

from __future__ import annotations

from sandbox.protocol.node import Attribute, Node
from sandbox.server.connection import Connection
from sandbox.world import account, queues
from sandbox.world.companion import Companion
from sandbox.world.faults import LoginFailure
from sandbox.world.phone import Phone
from sandbox.world.queues import now


def login(connection: Connection) -> None:
    number = str(connection.payload.username)
    failure = connection.world.faults.login_failures.get(number)
    if failure is not None:
        connection.end(Node("failure", _attributes(failure)))
        return
    phone = connection.world.phones.get(number)
    companion = None if phone is None else phone.companions.get(connection.payload.device)
    if phone is None or companion is None or companion.registration.noise_pub != connection.noise_pub:
        connection.end(Node("failure", {"reason": "401", "location": "lla"}))
    else:
        _let_in(connection, phone, companion)


def _attributes(failure: LoginFailure) -> dict[str, Attribute]:
    return {"reason": failure.reason, "code": failure.code, "expire": failure.expire}


def _let_in(connection: Connection, phone: Phone, companion: Companion) -> None:
    if companion.line is not None:  # the newcomer wins; the older one does not fight back
        companion.line.end(Node("stream:error", {}, [Node("conflict", {"type": "replaced"})]))
    companion.unacked.clear()
    connection.belongs_to(phone, companion)
    attrs: dict[str, Attribute] = {"t": now(), "props": "27", "lid": connection.lid, "location": "lla"}
    connection.send(Node("success", attrs))
    connection.world.happenings.tell("online", phone.number, device=companion.device)


def logout(connection: Connection) -> None:
    """The connection is gone; what it did not acknowledge waits for the next one."""
    if connection.is_logged_in and connection.companion.line is connection:
        connection.companion.line = None
        connection.companion.unacked.clear()
        device = connection.companion.device
        connection.world.happenings.tell("offline", connection.account.number, device=device)


def set_active(connection: Connection, request: Node, active: bool) -> None:
    """A device that has said `active` is given everything that waits, then everything as it comes."""
    connection.is_active = active
    connection.reply(request)
    if active:
        account.share_app_state(connection.world, connection.account, connection.companion)
        connection.companion.unacked.clear()
        queues.send_waiting(connection.companion)
