"""What a client looks up before it can write: who has which devices, and their keys; and it leaves its own."""

from __future__ import annotations

from sandbox.protocol.node import JID, Node
from sandbox.server.connection import Connection
from sandbox.world import queues
from sandbox.world.phone import Phone
from sandbox.world.retries import bundle_nodes


def count_prekeys(connection: Connection, request: Node, _: Node) -> None:
    connection.reply(request, [Node("count", {"value": str(len(connection.companion.prekeys))})])


def store_prekeys(connection: Connection, request: Node, _: Node) -> None:
    companion, account, keep = connection.companion, connection.account, connection.world.keep
    for key in request.need("list").children:
        number = int.from_bytes(key.need("id").data, "big")
        companion.prekeys[number] = key.need("value").data
        keep.companion_prekey(account, companion, number)
    signed = request.need("skey")
    companion.registration.signed_id = int.from_bytes(signed.need("id").data, "big")
    companion.registration.signed_pub = signed.need("value").data
    companion.registration.signature = signed.need("signature").data
    keep.companion(account, companion)
    connection.reply(request)


def give_prekeys(connection: Connection, request: Node, wanted: Node) -> None:
    users = [_keys_of(connection, user.jid("jid")) for user in wanted.all("user")]
    connection.reply(request, [Node("list", {}, users)])


def _keys_of(connection: Connection, jid: JID | None) -> Node:
    bundle = None if jid is None else connection.world.bundle_for(jid)
    if jid is None or bundle is None:
        return Node("user", {"jid": jid}, [Node("error", {"code": "404", "text": "item-not-found"})])
    phone = connection.world.find(jid)
    if phone is not None and jid.device in phone.companions:
        queues.ask_for_prekeys(connection.world, phone, phone.companions[jid.device])
    return Node("user", {"jid": jid}, bundle_nodes(bundle))


def usync(connection: Connection, request: Node, query: Node) -> None:
    """Facts about people: are they here, their LID, their devices, their about text."""
    wanted = {part.tag for part in query.need("query").children}
    users = [_facts(connection, user, wanted) for user in query.need("list").children]
    connection.reply(request, [Node("usync", {}, [Node("result"), Node("list", {}, users)])])


def _facts(connection: Connection, user: Node, wanted: set[str]) -> Node:
    contact = user.find("contact")
    if contact is not None:
        return _is_on_whatsapp(connection, contact.data)
    phone = connection.world.reachable(user.jid("jid"))
    facts = [] if phone is None else _facts_of(phone, wanted)
    return Node("user", {"jid": user.jid("jid")}, facts or None)


def _is_on_whatsapp(connection: Connection, asked: bytes) -> Node:
    number = asked.decode().split("@")[0].lstrip("+")
    phone = connection.world.reachable(JID(number))
    if phone is None:
        return Node("user", {"jid": JID(number)}, [Node("contact", {"type": "out"}, asked)])
    return Node("user", {"jid": phone.lid, "pn_jid": phone.jid}, [Node("contact", {"type": "in"}, asked)])


def _facts_of(phone: Phone, wanted: set[str]) -> list[Node]:
    facts = []
    if "devices" in wanted:
        devices = [Node("device", {"id": "0"})]
        devices += [Node("device", {"id": str(i), "key-index": str(i)}) for i in phone.companions]
        facts.append(Node("devices", {}, [Node("device-list", {}, devices)]))
    if "lid" in wanted:
        facts.append(Node("lid", {"val": phone.lid}))
    if "status" in wanted:
        facts.append(Node("status", {}, b"Hey there!"))
    return facts
