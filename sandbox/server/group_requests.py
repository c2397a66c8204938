"""Groups as a client asks for them."""

from __future__ import annotations

from sandbox.protocol.node import Attribute, Node
from sandbox.server.connection import Connection
from sandbox.world.group import Group
from sandbox.world.world import World


def query(connection: Connection, request: Node, _: Node) -> None:
    group = connection.world.groups.get(request.text("to"))
    if group is None:
        connection.refuse(request, 404, "item-not-found")
    elif connection.account.number not in group.members:
        connection.refuse(request, 403, "forbidden")
    else:
        connection.reply(request, [group_node(connection.world, group)])


def participating(connection: Connection, request: Node, _: Node) -> None:
    world, number = connection.world, connection.account.number
    groups = [group_node(world, group) for group in world.groups.values() if number in group.members]
    connection.reply(request, [Node("groups", {}, groups)])


def create(connection: Connection, request: Node, wanted: Node) -> None:
    asked = (connection.world.reachable(part.jid("jid")) for part in wanted.all("participant"))
    members = [connection.account, *(phone for phone in asked if phone is not None)]
    group = connection.world.add_group(wanted.text("subject"), members)
    connection.reply(request, [group_node(connection.world, group)])


def group_node(world: World, group: Group) -> Node:
    owner, created = world.phones[group.owner], str(int(group.created))
    attrs: dict[str, Attribute] = {
        "id": group.address.user,
        "subject": group.subject,
        "creator": owner.lid,
        "creator_pn": owner.jid,
        "creation": created,
        "s_t": created,
        "s_o": owner.lid,
        "addressing_mode": "lid",
        "size": str(len(group.members)),
    }
    announcement = [Node("announcement")] if group.announce else []
    return Node("group", attrs, announcement + [_participant(world, group, n) for n in group.members])


def _participant(world: World, group: Group, number: str) -> Node:
    member = world.phones[number]
    role = "superadmin" if number == group.owner else "admin" if number in group.admins else None
    return Node("participant", {"jid": member.lid, "phone_number": member.jid, "type": role})
