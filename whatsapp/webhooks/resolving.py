"""Names of receivers, looked up for aiohttp by the rule of `wharf.egress`. Who posts nothing need not load aiohttp."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from wharf.egress import AddressRefused, Rule, look_up

#: A name server that does not answer holds a thread for its time-out: never one that other work needs.
_LOOKUPS: Final = ThreadPoolExecutor(16, thread_name_prefix="names")


class GuardedResolver(AbstractResolver):
    """aiohttp's names: looked up once for a connection, and refused as a whole when any address is against the rule."""

    def __init__(self, rule: Rule, look_up: Callable[[str, int, int], list[Any]] = look_up) -> None:
        self._rule, self._look_up = rule, look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises AddressRefused, OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_LOOKUPS, self._look_up, host, port, family)
        addresses = {str(row[4][0]): row[0] for row in found}
        if not all(map(self._rule, addresses)):
            raise AddressRefused(f"{host} leads to an address that is not allowed")
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=one, port=port, family=kind, proto=0, flags=flags)
            for one, kind in addresses.items()
        ]

    async def close(self) -> None:
        pass
