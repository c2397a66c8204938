"""Which handler a stanza goes to, for a device that is linked and for one that is not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sandbox.protocol.node import Node
from sandbox.server import acknowledgements, messages, requests
from sandbox.server.connection import Connection
from sandbox.server.pairing import Pairing
from sandbox.world import typing

log = logging.getLogger(__name__)


def presence(connection: Connection, stanza: Node) -> None:
    """A device says whether it counts as online."""
    connection.watch.presences.append((str(connection.jid), stanza.text("type"), stanza.text("name")))
    if stanza.text("type") in ("available", "unavailable"):
        connection.companion.is_present = stanza.text("type") == "available"


def chat_state(connection: Connection, stanza: Node) -> None:
    """Somebody types on a device, or has stopped; one that does not count as online has no say."""
    state = stanza.children[0].tag if stanza.children else ""
    connection.watch.presences.append((str(connection.jid), state, stanza.text("to")))
    to = connection.world.groups.get(stanza.text("to")) or connection.world.find(stanza.jid("to"))
    if to is not None and connection.companion.is_present and state in ("composing", "paused"):
        typing.tell(connection.world, connection.account, to, state == "composing")


def request(connection: Connection, stanza: Node) -> None:
    if stanza.text("type") not in ("result", "error"):
        requests.answer(connection, stanza)


LINKED: dict[str, Callable[[Connection, Node], None]] = {
    "iq": request,
    "message": messages.take,
    "receipt": acknowledgements.receipt_in,
    "ack": acknowledgements.ack,
    "presence": presence,
    "chatstate": chat_state,
}


def handle(connection: Connection, stanza: Node) -> None:
    """From a linked device."""
    handler = LINKED.get(stanza.tag)
    if handler is None:
        log.debug("unhandled <%s>", stanza.tag)
    else:
        handler(connection, stanza)


def handle_while_pairing(pairing: Pairing, stanza: Node) -> None:
    """From a device that has no account yet; it may ask for a code, answer, and say that it is alive."""
    if stanza.tag != "iq":
        return
    if stanza.text("type") in ("result", "error"):
        pairing.answered(stanza)
        return
    step, key = stanza.find("link_code_companion_reg"), (stanza.text("xmlns"), stanza.text("type"))
    forced = pairing.world.faults.iq_errors.get((*key, "link_code_companion_reg"))
    if step is None:
        pairing.connection.reply(stanza)
    elif forced is not None:
        pairing.connection.refuse(stanza, *forced)
    else:
        pairing.hear(stanza, step)
