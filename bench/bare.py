"""A neonize client with nothing around it: the floor that Wharf's figures are compared with.

`python -m bench.bare FOLDER` prints a JSON line for whatever happens and takes orders as JSON lines.
"""

import json
import os
import sys
import threading
import time
from typing import Any

from neonize.client import NewClient
from neonize.events import ConnectedEv, MessageEv
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils import build_jid

from sandbox.trust import trust_root


def tell(kind: str, **more: object) -> None:
    print(json.dumps({"kind": kind, "at": time.time(), **more}), file=sys.stderr, flush=True)


def main() -> None:
    trust_root(bytes.fromhex(os.environ["BENCH_ROOT_KEY"]))
    client = NewClient(f"{sys.argv[1]}/bare.db?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&z=")

    @client.qr  # type: ignore[untyped-decorator]  # ships no types
    def _qr(_client: Any, data: bytes) -> None:
        tell("qr", text=data.decode())

    @client.event(ConnectedEv)  # type: ignore[untyped-decorator]  # ships no types
    def _connected(_client: Any, _event: Any) -> None:
        tell("connected")

    @client.event(MessageEv)  # type: ignore[untyped-decorator]  # ships no types
    def _message(_client: Any, event: Any) -> None:
        if event.Message.conversation:
            tell("message", text=event.Message.conversation)

    threading.Thread(target=client.connect, daemon=True).start()
    for line in sys.stdin:
        order = json.loads(line)
        for number in range(order["send"]):
            client.send_message(build_jid(order["to"]), Message(conversation=f"bare {number}"))
        tell("sent")
    os._exit(0)


if __name__ == "__main__":
    main()
