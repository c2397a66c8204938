"""Where the request that is being answered comes from, for whatever it makes happen."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_address: ContextVar[str] = ContextVar("client_address", default="")


def client_address() -> str:
    """As the server sees it; empty outside of requests, as in workers, jobs and commands."""
    return _address.get()


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)
