"""One port, one server: REST, WebSocket and Socket.IO are asked on it, over the network, as their clients ask.

    python -m config.surfaces http://127.0.0.1:3000      says which do not answer; exit code 1 if any does not

`make run` asks when the web process is ready. Behind a proxy, ask its address: one that passes no `Upgrade` on, or
another path than these, shows here.
"""

import http.client
import json
import sys
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 10.0
#: What a WebSocket is opened with; the key is the example of RFC 6455, and stands for any.
_UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

Answer = tuple[int, str]


def _is_rest(answer: Answer) -> bool:
    status, body = answer
    return status == 200 and "correct_frontend_config" in json.loads(body)


def _is_socket(answer: Answer) -> bool:
    return answer[0] == 101


def _is_polling(answer: Answer) -> bool:
    status, body = answer
    return status == 200 and body.startswith('0{"sid":')


SURFACES: Final[Mapping[str, tuple[str, Mapping[str, str], Callable[[Answer], bool]]]] = {
    "REST": ("/api/whatsapp/websocket/test-config", {}, _is_rest),
    "WebSocket": ("/ws/whatsapp/", _UPGRADE, _is_socket),
    "Socket.IO by polling": ("/socket.io/?EIO=4&transport=polling", {}, _is_polling),
    "Socket.IO by WebSocket": ("/socket.io/?EIO=4&transport=websocket", _UPGRADE, _is_socket),
    "Socket.IO for older clients": ("/socket.io/?EIO=3&transport=polling", {}, lambda answer: '0{"sid":' in answer[1]),
}


def silent_surfaces(url: str) -> list[str]:
    """The names of those that do not answer at `url` as they should."""
    return [name for name, (path, headers, is_it) in SURFACES.items() if not _answers(url, path, headers, is_it)]


def _answers(url: str, path: str, headers: Mapping[str, str], is_it: Callable[[Answer], bool]) -> bool:
    try:
        return is_it(_ask(url, path, headers))
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _ask(url: str, path: str, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        # A socket that is open says nothing that is over.
        return answer.status, "" if answer.status == 101 else answer.read().decode()
    finally:
        connection.close()


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    silent = silent_surfaces(sys.argv[1])
    for name in SURFACES:
        print(f"{name}: {'does not answer' if name in silent else 'ok'}")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
