"""The companies' own server, which checks what it gets, and is down, slow or broken for a while.

One server for all of them; each company's address is a path of its own, named after it.
"""

import json
import threading
import time
from typing import Final

from standardwebhooks import Webhook

from faults.ledger import Came
from tests.whatsapp.receiver import OK, Heard, ReceiverServer, Reply, status

SLOW_SECONDS: Final = 0.5


class Receiver:
    """Started; `secrets` tells each company's, before its endpoint is made known to anybody."""

    def __init__(self) -> None:
        self._secrets: dict[str, Webhook] = {}
        self._server = ReceiverServer(self._answer).start()
        self._changing = threading.Lock()
        self._is_slow = self._fails = False
        self._is_up = True
        #: Requests that nobody of ours can have signed.
        self.unsigned: list[str] = []

    def url_of(self, company: str) -> str:
        return f"http://127.0.0.1:{self._server.port}/{company}"

    def learn(self, company: str, secret: str) -> None:
        self._secrets[company] = Webhook(secret)

    # -- spells ------------------------------------------------------------------------------------------------------
    def go_down(self) -> None:
        with self._changing:
            if self._is_up:
                self._is_up = False
                self._server.stop()

    def be_slow(self) -> None:
        self._is_slow = True

    def fail(self) -> None:
        self._fails = True

    def recover(self) -> None:
        with self._changing:
            self._is_slow = self._fails = False
            if not self._is_up:
                self._is_up = True
                self._server.start()

    def stop(self) -> None:
        self.recover()
        self._server.stop()

    # -- answering ---------------------------------------------------------------------------------------------------
    def _answer(self, request: Heard) -> Reply:
        company = request.path.strip("/")
        try:
            self._secrets[company].verify(request.raw, request.headers)
        except Exception:
            self.unsigned.append(f"{company}: {request.headers.get('webhook-id', 'no id')}")
            return status(400)
        if self._is_slow:
            time.sleep(SLOW_SECONDS)
        return status(500) if self._fails else OK

    # -- what came ---------------------------------------------------------------------------------------------------
    @property
    def count(self) -> int:
        return len(self._server.taken)

    def came(self) -> list[Came]:
        """Everything that was taken, in order."""
        return [_came(request) for request in list(self._server.taken)]


def _came(request: Heard) -> Came:
    event = json.loads(request.raw)
    # The header's id, for the receiver knows events by that; it must be the body's too.
    event_id = request.id if request.id == event["id"] else f"{request.id} over {event['id']}"
    return Came(request.path.strip("/"), int(event["cursor"]), event["seq"], event_id, event["sessionId"] or "")
