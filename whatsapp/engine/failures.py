"""What the words of a failed send prove. Pure; the host and the worker's end of it read them alike.

whatsmeow asks WhatsApp for what a message needs, writes it, and waits for the answer. Its words begin with the step
that failed, but for one case: when the connection breaks while it waits, it writes the same frame once more as soon as
there is another, and words about that second try stand alone. The first may have arrived (its request.go, send.go).
"""

import re
from typing import Final

from whatsapp.engine.port import SendOutcome

#: Steps before the first byte of the message.
_PREPARING: Final = re.compile(
    r"failed to get (device list|user info for|LID for|group members|broadcast list members)\b"
)

#: The first try, of which a part at most was written: no socket, or an error of the write itself (coder/websocket says
#: that of a frame which did not leave whole; RFC 6455 knows no half of one).
_NOT_WRITTEN: Final = re.compile(
    r"failed to send message node: (websocket not connected|frame socket is closed|failed to write msg: )"
)

#: It was written: "timed out waiting for message send response", "websocket disconnected before message send …".
_WAITING: Final = "message send"

#: For want of a connection, and not because the engine or WhatsApp would not have it.
_NO_CONNECTION: Final = re.compile(
    r"not connected|not logged in|websocket|frame socket is closed|failed to write msg|info query timed out"
)


def outcome_of(detail: str) -> SendOutcome:
    """UNCONFIRMED where words alone cannot tell; the device store may know more (`engine.evidence`)."""
    if "server returned error" in detail or "no LID found" in detail:
        return SendOutcome.REFUSED
    if _NOT_WRITTEN.match(detail):
        return SendOutcome.NOT_SENT
    return outcome_before_leaving(detail) if _PREPARING.match(detail) else SendOutcome.UNCONFIRMED


def outcome_without_a_trace(detail: str) -> SendOutcome:
    """Of a message whose secret is not in the store, where it is put just before the message leaves.

    The engine goes on when it cannot put it there, so what it says of an answer counts for more.
    """
    return SendOutcome.UNCONFIRMED if _WAITING in detail else outcome_before_leaving(detail)


def outcome_before_leaving(detail: str) -> SendOutcome:
    """Of a message that is known not to have left."""
    return SendOutcome.NOT_SENT if _NO_CONNECTION.search(detail) else SendOutcome.REFUSED
