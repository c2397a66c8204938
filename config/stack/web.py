"""Ports and answers: is a port ours to take, does the web server answer by now."""

import http.client
import socket
import time
from collections.abc import Callable, Iterable

from config.stack.errors import StackError
from config.stack.plan import HOST, Port


def check_ports(ports: Iterable[Port]) -> None:
    """Raise one line naming the first port that is taken, and what to change."""
    for port in ports:
        if not _is_free(port.number):
            raise StackError(
                f"Port {port.number} is taken; choose another one: make run {port.variable}={port.number + 1}"
            )


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections of an earlier run that linger closed do not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
    return True


def wait_ready(port: Port, path: str, seconds: float, given_up: Callable[[], bool]) -> bool:
    """Whether the web server says it is ready in time; one without that page is ready when it answers at all."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not given_up():
        status = _status(port, path)
        if status is not None and status < 500:
            return True
        # It answers and is unwell: each further question costs a traceback in the log.
        time.sleep(0.1 if status is None else 2)
    return False


def _status(port: Port, path: str) -> int | None:
    connection = http.client.HTTPConnection(HOST, port.number, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
