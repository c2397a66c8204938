"""Which handler a stanza goes to, for a device that is linked and for one that is not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sandbox.protocol.node import Node
from sandbox.server import acknowledgements, messages, requests
from sandbox.server.connection import Connection
from sandbox.server.pairing import Pairing

log = logging.getLogger(__name__)


def presence(connection: Connection, stanza: Node) -> None:
    connection.watch.presences.append((str(connection.jid), stanza.text("type"), stanza.text("name")))


def chat_state(connection: Connection, stanza: Node) -> None:
    state = stanza.children[0].tag if stanza.children else ""
    connection.watch.presences.append((str(connection.jid), state, stanza.text("to")))


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
