"""The worker's end of real hosts: starts them as processes, keeps one warm, and reads what they report."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from whatsapp.engine import port, wire
from whatsapp.engine.evidence import Evidence

log = logging.getLogger("whatsapp.engine")

#: Lines of a host that say nothing, and those that say why a Go program died.
_NOISE: Final = ("Press Ctrl+C", "\x1b")
_LAST_WORDS: Final = ("fatal error:", "panic:", "SIG")

LAST_LINES_SECONDS: Final = 2.0
#: What a host told meanwhile is read in one go, up to so many bytes.
READ_BYTES: Final = 256 * 1024

_ROOT: Final = Path(__file__).resolve().parent.parent.parent


class HostProcess:
    """One host process (a `port.Host`)."""

    def __init__(self, process: asyncio.subprocess.Process, connection: socket.socket, ca_file: Path | None) -> None:
        self._process = process
        self._connection = connection
        self._ca_file = ca_file
        self._sessions: frozenset[str] = frozenset()
        self._evidence = Evidence(())
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
        self._listener: asyncio.Task[None] | None = None
        self._presence: asyncio.Task[None] | None = None
        self._last_words = ""

    @property
    def sessions(self) -> frozenset[str]:
        return self._sessions

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    @property
    def exit_reason(self) -> str:
        code = self._process.returncode
        if code is None:
            return ""
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{how}: {self._last_words}" if self._last_words else how

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._connection)
        self._listener = asyncio.create_task(self._listen_to_errors())

    async def _listen_to_errors(self) -> None:
        """Its lines into our log. When Go aborts, the first of them says why."""
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            if line.startswith(_NOISE):
                continue
            if line.startswith(_LAST_WORDS) and not self._last_words:
                self._last_words = line
            log.warning("host %d: %s", self.pid, line)

    async def be_born(self, births: Sequence[port.SessionBirth], root_key: str) -> None:
        self._sessions = frozenset(birth.session_id for birth in births)
        self._evidence = Evidence(births)
        await self._write(wire.Birth(tuple(births), root_key=root_key))
        self._presence = asyncio.create_task(self._be_present())

    async def _be_present(self) -> None:
        """Whatever else goes on here, and whether the database answers or not: while we run, its sessions have us."""
        assert self._writer is not None
        while not self._writer.is_closing():
            # One that does not read is not to be filled up with it.
            if not self._writer.transport.get_write_buffer_size():
                self._writer.write(wire.encode(wire.Present()))
            await asyncio.sleep(wire.PRESENCE_SECONDS)

    async def reports(self) -> AsyncIterator[port.Report]:
        async for frame in self._frames():
            if isinstance(frame, port.Report):
                for report in await self._completed(frame):
                    yield report
        await self._process.wait()
        await self._close()

    async def _completed(self, report: port.Report) -> list[port.Report]:
        if not self._evidence.is_needed(report):
            return [report]
        completed = await asyncio.to_thread(self._evidence.complete, report)
        if (place := await asyncio.to_thread(self._evidence.place, report)) is not None:
            await self._write(wire.Look(report.session_id, place))
        return completed

    async def command(self, session_id: str, *commands: port.Command) -> None:
        await self._write(*(wire.Order(session_id, command) for command in commands))

    async def acknowledge(self, session_id: str, seq: int) -> None:
        await self._write(wire.Acknowledge(session_id, seq))

    async def keep_on(self, *, until: float) -> None:
        await self._write(wire.KeepOn(until))

    async def end(self, *, grace: float) -> None:
        try:
            async with asyncio.timeout(grace):
                # A host that hangs does not even read.
                await self._write(wire.End())
                await self._process.wait()
        except TimeoutError:
            log.warning("host %s did not leave within %.0f s", self.pid, grace)
            await self.kill()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._close()

    async def _frames(self) -> AsyncIterator[wire.Frame]:
        """Until its end of the socket is closed."""
        assert self._reader is not None
        unread = wire.Unread()
        try:
            while data := await self._reader.read(READ_BYTES):
                for frame in unread.add(data):
                    yield frame
        except ConnectionError:
            return
        except ValueError as error:
            # It talks nonsense: nothing it says later can be told from it.
            log.error("host %d: %s", self.pid, error)
            self._process.kill()

    async def _write(self, *frames: wire.Frame) -> None:
        assert self._writer is not None
        with contextlib.suppress(ConnectionError):
            # In one go: each call wakes the host.
            self._writer.write(b"".join(map(wire.encode, frames)))
            await self._writer.drain()

    async def _close(self) -> None:
        if self._listener is not None:
            # Something that the host started may live on, and hold its end of the pipe.
            await asyncio.wait([self._listener], timeout=LAST_LINES_SECONDS)
            self._listener.cancel()
        if self._presence is not None:
            self._presence.cancel()
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        if self._ca_file is not None:
            self._ca_file.unlink(missing_ok=True)


class ProcessEngine:
    """Hosts as processes (a `port.Engine`). `folder` holds the CA files of networks that need one."""

    def __init__(self, folder: Path, *, warm: int) -> None:
        self._folder = folder
        self._warm_wanted = warm
        self._warm: dict[port.NetworkAccess | None, list[HostProcess]] = {}
        self._warming = asyncio.Lock()

    async def start(self, births: Sequence[port.SessionBirth], network: port.NetworkAccess | None) -> HostProcess:
        host = self._take_warm(network) or await self._spawn(network)
        await host.be_born(births, network.root_key if network else "")
        return host

    def _take_warm(self, network: port.NetworkAccess | None) -> HostProcess | None:
        ready = self._warm.get(network, [])
        while ready:
            if (host := ready.pop()).is_running:
                return host
        return None

    async def warm(self, network: port.NetworkAccess | None) -> None:
        async with self._warming:
            ready = self._warm.setdefault(network, [])
            ready[:] = [host for host in ready if host.is_running]
            while len(ready) < self._warm_wanted:
                ready.append(await self._spawn(network))

    async def close(self) -> None:
        for host in [host for hosts in self._warm.values() for host in hosts]:
            await host.kill()
        self._warm.clear()

    async def _spawn(self, network: port.NetworkAccess | None) -> HostProcess:
        ours, theirs = socket.socketpair()
        ca_file = self._write_ca(network, theirs.fileno()) if network else None
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "whatsapp.engine.host", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
                env=_environment(network, ca_file),
                stdin=asyncio.subprocess.DEVNULL,
                # neonize prints to it: login states, failed sends.
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise port.EngineError(f"no host process: {error}") from error
        finally:
            theirs.close()
        host = HostProcess(process, ours, ca_file)
        await host.open()
        return host

    def _write_ca(self, network: port.NetworkAccess, number: int) -> Path:
        path = self._folder / f"ca-{os.getpid()}-{number}-{os.urandom(4).hex()}.pem"
        path.write_text(network.ca)
        return path


def _environment(network: port.NetworkAccess | None, ca_file: Path | None) -> dict[str, str]:
    """What a host may know. Set before exec: a Go library reads the block that the process was started with."""
    secrets = ("WHARF_",)
    env = {name: value for name, value in os.environ.items() if not name.startswith(secrets)}
    if network and ca_file:
        env |= {"HTTPS_PROXY": network.proxy, "https_proxy": network.proxy, "SSL_CERT_FILE": str(ca_file)}
        env |= {"NO_PROXY": "", "no_proxy": ""}
    return env
