"""`<iq>`: what a client asks the server, and who answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sandbox.protocol.node import Node
from sandbox.server import group_requests, lookups, settings
from sandbox.server.connection import Connection
from sandbox.server.login import set_active
from sandbox.world import account

log = logging.getLogger(__name__)

Handler = Callable[[Connection, Node, Node], None]


def pong(connection: Connection, request: Node, _: Node) -> None:
    connection.reply(request)


def ignore(_: Connection, __: Node, ___: Node) -> None:
    """The client expects no answer."""


def not_found(connection: Connection, request: Node, _: Node) -> None:
    connection.refuse(request, 404, "item-not-found")


def leave(connection: Connection, request: Node, _: Node) -> None:
    """The device takes itself off the account."""
    connection.reply(request)
    account.unlink(connection.world, connection.account, connection.companion.device, by_the_device=True)


def active(connection: Connection, request: Node, _: Node) -> None:
    set_active(connection, request, True)


def passive(connection: Connection, request: Node, _: Node) -> None:
    set_active(connection, request, False)


# By namespace, type and first child; "" is any child.
HANDLERS: dict[tuple[str, str, str], Handler] = {
    ("w:p", "get", ""): pong,  # keepalive, every 20 to 30 s
    ("w:stats", "set", ""): ignore,
    ("passive", "set", "active"): active,
    ("passive", "set", "passive"): passive,
    ("md", "set", "remove-companion-device"): leave,
    ("encrypt", "get", "count"): lookups.count_prekeys,
    ("encrypt", "set", "registration"): lookups.store_prekeys,
    ("encrypt", "get", "key"): lookups.give_prekeys,
    ("encrypt", "get", "digest"): not_found,
    ("usync", "get", "usync"): lookups.usync,
    ("w:profile:picture", "get", ""): not_found,
    ("w:sync:app:state", "set", "sync"): settings.sync,
    ("privacy", "get", "privacy"): settings.privacy,
    ("privacy", "set", "tokens"): pong,
    ("w:m", "set", "media_conn"): settings.media_hosts,
    ("w:g2", "get", "query"): group_requests.query,
    ("w:g2", "get", "participating"): group_requests.participating,
    ("w:g2", "set", "create"): group_requests.create,
}


def answer(connection: Connection, request: Node) -> None:
    child = request.children[0] if request.children else Node("")
    key = request.text("xmlns"), request.text("type"), child.tag
    connection.watch.requests[key] += 1
    forced = connection.world.faults.iq_errors.get(key)
    handler = HANDLERS.get(key) or HANDLERS.get((key[0], key[1], ""))
    if forced is not None:
        connection.refuse(request, *forced)
    elif handler is None:
        log.debug("unknown request %s", key)
        connection.refuse(request, 501, "feature-not-implemented")
    else:
        handler(connection, request, child)
