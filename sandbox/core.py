"""The sandbox as one object: a world, the door clients come in by, and what a person does to the phones."""

from __future__ import annotations

from pathlib import Path

from sandbox.server.door import LOOPBACK, Door
from sandbox.server.switchboard import Switchboard
from sandbox.server.watch import Watch
from sandbox.store import Store
from sandbox.world import restoring
from sandbox.world.world import World

CA_FILE = "ca.pem"
PROXY_PORT = "proxy_port"


class Sandbox:
    """Make it, `start` it, `stop` it, all in one event loop.

    `state` is the folder that outlives it; None keeps everything in memory.  It listens on 127.0.0.1 alone.
    """

    def __init__(self, state: Path | None = None, *, host: str = LOOPBACK, keep_log: bool = False) -> None:
        self.state = state
        self.store = Store(state)
        self.world = World(self.store)
        self.watch = Watch(keep_log=keep_log)
        self.switchboard = Switchboard(self.world, self.watch)
        self._door = Door(self.world, self.switchboard.serve, host)

    async def start(self) -> None:
        """The port of the last run if it is free."""
        known = restoring.setting(self.store, PROXY_PORT, int) or 0
        await self._door.open(known)
        if self._door.port != known:
            self.world.keep.setting(PROXY_PORT, self._door.port)
        self.store.commit()
        if self.state is not None:
            (self.state / CA_FILE).write_text(self.ca)

    async def stop(self) -> None:
        self.world.happenings.wake()
        await self._door.close()
        self.world.settle()
        self.store.close()

    # -- what a program needs to link here --------------------------------------------------------------------

    @property
    def proxy(self) -> str:
        """For HTTPS_PROXY."""
        return f"http://{LOOPBACK}:{self._door.port}"

    @property
    def ca(self) -> str:
        """PEM; the file that SSL_CERT_FILE names must hold it."""
        return self.world.tls.certificate.decode()

    @property
    def root_key(self) -> str:
        """Hex; for `sandbox.trust.trust_root`."""
        return self.world.authority.root.pub.hex()
