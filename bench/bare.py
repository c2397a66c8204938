"""Neonize clients with nothing around them: the floor that Wharf's figures are compared with.

`python -m bench.bare FOLDER [COUNT]` keeps that many clients, started one after another as neonize wants it, prints a
JSON line for whatever happens, and takes orders as JSON lines.
"""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from neonize.client import NewClient
from neonize.events import ConnectedEv, MessageEv
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.utils import build_jid

from sandbox.trust import trust_root


def tell(kind: str, **more: object) -> None:
    # In one piece: clients tell from threads of their own, and `print` ends its line with a second one.
    sys.stderr.write(json.dumps({"kind": kind, "at": time.time(), **more}) + "\n")
    sys.stderr.flush()


def start(folder: str, number: int) -> Any:
    """Returns when it is connected."""
    client = NewClient(f"{folder}/bare-{number}.db?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&z=")
    is_connected = threading.Event()

    @client.qr  # type: ignore[untyped-decorator]  # ships no types
    def _qr(_client: Any, data: bytes) -> None:
        tell("qr", text=data.decode(), number=number)

    @client.event(ConnectedEv)  # type: ignore[untyped-decorator]  # ships no types
    def _connected(_client: Any, _event: Any) -> None:
        tell("connected", number=number)
        is_connected.set()

    @client.event(MessageEv)  # type: ignore[untyped-decorator]  # ships no types
    def _message(_client: Any, event: Any) -> None:
        if event.Message.conversation:
            tell("message", text=event.Message.conversation)

    threading.Thread(target=client.connect, daemon=True).start()
    is_connected.wait()
    return client


def send(client: Any, order: dict[str, Any]) -> None:
    for number in range(order["send"]):
        client.send_message(build_jid(order["to"]), Message(conversation=f"bare {number}"))


def main() -> None:
    trust_root(bytes.fromhex(os.environ["BENCH_ROOT_KEY"]))
    folder, count = sys.argv[1], int(sys.argv[2])
    clients = [start(folder, number) for number in range(count)]
    for line in sys.stdin:
        order = json.loads(line)
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda client: send(client, order), clients))  # noqa: B023  # done before the next
        tell("sent")
    os._exit(0)


if __name__ == "__main__":
    main()
