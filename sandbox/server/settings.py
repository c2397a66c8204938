"""The account's settings as its companions read and write them, and where media go."""

from __future__ import annotations

import logging

from sandbox.protocol.node import Node
from sandbox.server.connection import Connection
from sandbox.world.account import announce_app_state

log = logging.getLogger(__name__)

PRIVACY = ("groupadd", "last", "status", "profile", "readreceipts", "calladd", "online")
MEDIA_HOST = "mmg.whatsapp.net"


def sync(connection: Connection, request: Node, body: Node) -> None:
    """App state: hand out the patches a companion lacks, take those it has written."""
    answers = [_collection(connection, part) for part in body.all("collection")]
    connection.reply(request, [Node("sync", {}, answers)])


def _collection(connection: Connection, part: Node) -> Node:
    name, patch = part.text("name"), part.find("patch")
    version, collection = int(part.text("version") or 0), connection.account.app_state.collection(name)
    if patch is not None:
        return _write(connection, name, version, patch.data)
    news = [Node("patch", {}, raw) for raw in collection.patches[version:]]
    content = [Node("patches", {}, news)] if news else None
    return Node("collection", {"name": name, "version": str(collection.version)}, content)


def _write(connection: Connection, name: str, version: int, patch: bytes) -> Node:
    account, world = connection.account, connection.world
    collection = account.app_state.collection(name)
    try:
        if version != collection.version:
            raise ValueError("another device was faster")
        account.app_state.accept(name, patch)
    except ValueError as error:
        log.debug("app state of %s refused: %s", account.number, error)
        conflict = Node("error", {"code": "409", "text": "conflict"})
        return Node("collection", {"name": name, "type": "error"}, [conflict])
    world.keep.app_state_patch(account, name)
    _take_name(connection, name)
    announce_app_state(world, account, name, except_for=connection.companion)
    return Node("collection", {"name": name, "version": str(collection.version)})


def _take_name(connection: Connection, name: str) -> None:
    """A companion may have changed the profile's name."""
    written = connection.account.app_state.read(name).get('["setting_pushName"]')
    if written is not None and written.pushNameSetting.name != connection.account.name:
        connection.account.owner.name = written.pushNameSetting.name
        connection.world.keep.owner(connection.account)
        connection.world.happenings.tell("phone", connection.account.number)


def privacy(connection: Connection, request: Node, _: Node) -> None:
    categories = [Node("category", {"name": name, "value": "all"}) for name in PRIVACY]
    connection.reply(request, [Node("privacy", {}, categories)])


def media_hosts(connection: Connection, request: Node, _: Node) -> None:
    hosts = [Node("host", {"hostname": MEDIA_HOST})]
    attrs = {"auth": "sandbox", "ttl": "3600", "auth_ttl": "3600", "max_buckets": "1"}
    connection.reply(request, [Node("media_conn", dict(attrs), hosts)])
