"""The sandbox in a thread of its own, for tests: every method may be called from any thread.

with SandboxThread() as wa:
    program = subprocess.Popen(command, env={**os.environ, **wa.env})
    shop, bob = wa.phone("5511999990001", "Loja"), wa.phone("5511988880002", "Bob")
    wa.scan(shop, qr_text)
    wa.send_text(bob, shop, "oi")
    bob.inbox, bob.receipts
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from sandbox.control import contents
from sandbox.control.serving import ControlServer
from sandbox.core import CA_FILE, Sandbox
from sandbox.protocol import adv, media
from sandbox.protocol.node import Node
from sandbox.protocol.protos import e2e
from sandbox.server.media import find, image_message
from sandbox.server.watch import Watch
from sandbox.world import account, post, reacting, receipts, typing
from sandbox.world.faults import Faults
from sandbox.world.group import Group
from sandbox.world.group_post import send_to_group
from sandbox.world.phone import Phone
from sandbox.world.thumbnails import look_at
from sandbox.world.world import World

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30


class SandboxThread:
    """`state=None` keeps everything in memory; `control=True` serves the control API and the page, at `url`."""

    def __init__(self, state: Path | None = None, *, control: bool = False, keep_log: bool = True) -> None:
        self._state, self._with_control, self._keep_log = state, control, keep_log
        self._folder = Path(tempfile.mkdtemp(prefix="wharf-sandbox-"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self.sandbox: Sandbox
        self._control: ControlServer | None = None

    # -- lifecycle --------------------------------------------------------------------------------------------

    def __enter__(self) -> SandboxThread:
        self._thread.start()
        self.wait_for(self._start)
        (self._folder / CA_FILE).write_text(self.sandbox.ca)
        return self

    async def _start(self) -> None:
        self.sandbox = Sandbox(self._state, keep_log=self._keep_log)
        await self.sandbox.start()
        if self._with_control:
            self._control = ControlServer(self.sandbox, port=0)
            await self._control.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait_for(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _stop(self) -> None:
        if self._control is not None:
            await self._control.stop()
        await self.sandbox.stop()

    def wait_for(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine in the sandbox's loop."""

        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in the sandbox's loop; what it changed is kept when this returns."""

        async def run() -> T:
            result = work(*args, **kwargs)
            self.world.settle()
            return result

        return self.wait_for(run)

    # -- what a program under test needs ----------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        """Must be in the program's environment before it starts: its Go library reads no later change."""
        proxy = self.sandbox.proxy
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "",
            "no_proxy": "",
            "SSL_CERT_FILE": str(self._folder / CA_FILE),
            "WHARF_SANDBOX_ROOT_KEY": self.sandbox.root_key,
        }

    @property
    def url(self) -> str:
        """Where the control API is."""
        if self._control is None:
            raise RuntimeError("this sandbox was started without control=True")
        return self._control.url

    @property
    def world(self) -> World:
        return self.sandbox.world

    @property
    def faults(self) -> Faults:
        return self.world.faults

    @property
    def watch(self) -> Watch:
        return self.sandbox.watch

    # -- what people do ---------------------------------------------------------------------------------------

    def phone(self, number: str, name: str = "", *, platform: str = "android", business: str = "") -> Phone:
        return self.call(self.world.add_phone, number, name, platform, business)

    def scan(self, phone: Phone, qr: str, broken: adv.Break | None = None) -> int:
        """The device number, once the companion has agreed.  Raises PairingRefused, QRExpired, NotALinkingQR."""
        return self.wait_for(lambda: self.sandbox.switchboard.scan(phone, qr, broken))

    def type_code(self, phone: Phone, code: str) -> int:
        """As `scan`.  Raises PairingRefused with code "wrong_code", NoCodeWanted."""
        return self.wait_for(lambda: self.sandbox.switchboard.type_code(phone, code))

    def send_text(self, sender: Phone, recipient: Phone, text: str, **options: Any) -> str:
        return self.send_message(sender, recipient, e2e.Message(conversation=text), **options)

    def send_message(self, sender: Phone, recipient: Phone, message: Any, **options: Any) -> str:
        """Any e2e.Message; options as in `post.send`."""
        return self.call(post.send, self.world, sender, recipient, message, **options)

    def send_image(
        self, sender: Phone, recipient: Phone, image: bytes, caption: str = "", mimetype: str = "image/jpeg"
    ) -> str:
        message = self.call(image_message, self.world, image, caption, mimetype, look_at(image))
        return self.send_message(sender, recipient, message, stanza_type="media")

    def send_thing(self, sender: Phone, recipient: Phone, **body: Any) -> str:
        """Said as to the control API: `document={"name": "bill.pdf"}, text="Due"`. Raises ApiError."""
        content = contents.read(body)
        message = self.call(content.make, self.world)
        return self.send_message(sender, recipient, message, stanza_type=content.stanza_type)

    def open_image(self, message: Any) -> bytes:
        """The picture out of an e2e.Message."""
        image = message.imageMessage
        blob = self.call(find, self.world, image.directPath)
        if blob is None:
            raise LookupError("the blob was never uploaded")
        return media.unseal(blob, image.mediaKey, "Image")

    def react(self, phone: Phone, message_id: str, emoji: str) -> str:
        """On a message of one of the phone's conversations; an empty emoji takes back. Raises LookupError."""
        message = phone.find(message_id)
        if message is None:
            raise LookupError(message_id)
        return self.call(reacting.react, self.world, phone, message, emoji)

    def type(self, phone: Phone, to: Phone | Group, is_typing: bool = True) -> None:
        """Somebody has begun to write on the phone, or has stopped."""
        self.call(typing.tell, self.world, phone, to, is_typing)

    def read(self, reader: Phone, ids: list[str], kind: str = "read") -> None:
        """Open messages that `reader` received."""
        messages = [message for message in reader.inbox if message.id in ids]
        self.call(receipts.read, self.world, reader, messages, kind)

    def group(self, subject: str, *members: Phone) -> Group:
        return self.call(self.world.add_group, subject, list(members))

    def send_group_text(self, sender: Phone, group: Group, text: str, **options: Any) -> str:
        message = e2e.Message(conversation=text)
        return self.call(send_to_group, self.world, sender, group, message, **options)

    def rename(self, phone: Phone, name: str) -> None:
        self.call(account.rename, self.world, phone, name)

    def unlink(self, phone: Phone, device: int) -> None:
        self.call(account.unlink, self.world, phone, device)

    def drop(self, phone: Phone) -> None:
        """Cut its connections without a word."""
        self.call(self.sandbox.switchboard.drop, phone)

    def hang(self, phone: Phone) -> None:
        """Its connections stay open and go silent, both ways."""
        self.call(self.sandbox.switchboard.hang, phone)

    def stream_error(self, phone: Phone, node: Node) -> None:
        self.call(self.sandbox.switchboard.stream_error, phone, node)

    def stanza(self, phone: Phone, node: Node) -> None:
        """Anything at all, as if the server said it."""
        self.call(self.sandbox.switchboard.stanza, phone, node)
