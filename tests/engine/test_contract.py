"""What every engine promises, asked of the fake one and of the real one on the sandbox alike."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tests.waiting import eventually
from tests.whatsapp.harbour import _numbers
from whatsapp.engine import device_store, port
from whatsapp.engine.clock import since_boot
from whatsapp.engine.fake import FakeEngine
from whatsapp.engine.process import ProcessEngine

E = TypeVar("E")
PATIENCE = 30.0


class Rig(Protocol):
    """An engine, and what the world around it does."""

    @property
    def engine(self) -> port.Engine: ...

    @property
    def network(self) -> port.NetworkAccess | None: ...

    async def scans(self, session_id: str, qr: str) -> str:
        """A new phone agrees; its number."""

    async def writes(self, session_id: str, text: str) -> None:
        """A contact of the last phone's."""

    async def types(self, session_id: str) -> None:
        """The last contact writes something, and has not sent it."""

    async def sees(self) -> tuple[list[str], bool]:
        """What is on the last contact's message, and whether they see that the phone's owner types."""

    async def is_present(self) -> bool:
        """The device counts as online."""

    async def unlinks(self, session_id: str) -> None:
        """On the phone."""

    def somebody(self) -> str:
        """The number of a phone with WhatsApp."""


@dataclass
class FakeRig:
    engine: FakeEngine = field(default_factory=FakeEngine)
    network: port.NetworkAccess | None = None
    contact: str = ""

    async def scans(self, session_id: str, qr: str) -> str:
        number = str(next(_numbers))
        self.engine.phone_scans(session_id, number)
        return number

    async def writes(self, session_id: str, text: str) -> None:
        self.contact = self.somebody()
        self.engine.contact_writes(session_id, self.contact, text)

    async def types(self, session_id: str) -> None:
        self.engine.contact_types(session_id, self.contact)

    async def sees(self) -> tuple[list[str], bool]:
        put = [order.emoji for order in self.engine.reactions[-1:] if order.emoji]
        return put, bool(self.engine.typed and self.engine.typed[-1].is_typing)

    async def is_present(self) -> bool:
        return self.engine.presences > 0

    async def unlinks(self, session_id: str) -> None:
        self.engine.phone_unlinks(session_id)

    def somebody(self) -> str:
        return str(next(_numbers))


@dataclass
class RealRig:
    engine: ProcessEngine
    wa: SandboxThread
    phone: Phone | None = None
    contact: Phone | None = None

    @property
    def network(self) -> port.NetworkAccess:
        inside = self.wa.sandbox
        return port.NetworkAccess(inside.proxy, inside.ca, inside.root_key)

    async def scans(self, session_id: str, qr: str) -> str:
        self.phone = self.wa.phone(str(next(_numbers)), "Shop")
        await asyncio.to_thread(self.wa.scan, self.phone, qr)
        return self.phone.number

    async def writes(self, session_id: str, text: str) -> None:
        assert self.phone is not None
        self.contact = self.wa.phone(str(next(_numbers)), "Contact")
        await asyncio.to_thread(self.wa.send_text, self.contact, self.phone, text)

    async def types(self, session_id: str) -> None:
        assert self.phone is not None
        assert self.contact is not None
        await asyncio.to_thread(self.wa.type, self.contact, self.phone)

    async def sees(self) -> tuple[list[str], bool]:
        assert self.contact is not None
        message = self.contact.shown[-1]
        return list(self.contact.reactions_to(message).values()), bool(self.contact.typing)

    async def is_present(self) -> bool:
        assert self.phone is not None
        return self.phone.companions[1].is_present

    async def unlinks(self, session_id: str) -> None:
        assert self.phone is not None
        await asyncio.to_thread(self.wa.unlink, self.phone, 1)

    def somebody(self) -> str:
        return self.wa.phone(str(next(_numbers)), "Somebody").number


@dataclass
class Listened:
    """A host and all that it has told so far."""

    host: port.Host
    told: list[port.Report] = field(default_factory=list)
    has_ended: bool = False
    #: Of what was heard last.
    last_seq: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for report in self.host.reports():
            self.told.append(report)
            self._news.set()
        self.has_ended = True
        self._news.set()

    async def until(self, look: Callable[[], E | None]) -> E:
        async with asyncio.timeout(PATIENCE):
            while not (seen := look()):
                await self._news.wait()
                self._news.clear()
        return seen

    async def hears(self, wanted: type[E], **values: Any) -> E:
        """The first event of this type with these values; it is forgotten, so that the next one is another."""

        def look() -> port.Report | None:
            for report in self.told:
                if isinstance(report.event, wanted) and all(getattr(report.event, k) == v for k, v in values.items()):
                    return report
            return None

        report = await self.until(look)
        self.told.remove(report)
        assert isinstance(report.event, wanted)
        self.last_seq = report.seq
        return report.event


@pytest.fixture(params=["fake", "real"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig: Rig = FakeRig()
    if request.param == "real":
        rig = RealRig(ProcessEngine(tmp_path, warm=0), request.getfixturevalue("on_sandbox"))
    yield rig
    await rig.engine.close()


@asynccontextmanager
async def host_of(rig: Rig, *births: port.SessionBirth) -> AsyncIterator[Listened]:
    listened = Listened(await rig.engine.start(births, rig.network))
    task = asyncio.create_task(listened.listen())
    try:
        yield listened
    finally:
        await listened.host.kill()
        await task


def birth(tmp_path: Path, session_id: str = "s1") -> port.SessionBirth:
    """With whatever the store says of a linked device, as the worker does it."""
    folder = device_store.make_folder(tmp_path, session_id)
    stored = device_store.stored_device(folder)
    return port.SessionBirth(session_id, folder, device_jid=stored.jid if stored else "")


async def linked(rig: Rig, host: Listened, session_id: str = "s1") -> str:
    """The number that was linked."""
    challenge = await host.hears(port.ChallengeIssued, kind="qr")
    number = await rig.scans(session_id, challenge.text)
    await host.hears(port.Connected)
    return number


def text_to(number: str, message_id: str = "m1") -> port.SendText:
    return port.SendText(message_id, f"{number}@s.whatsapp.net", "Hello", secret=message_id.encode().ljust(32, b"."))


async def test_a_link_is_made_and_found_in_the_store(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        assert host.host.sessions == {"s1"}
        challenge = await host.hears(port.ChallengeIssued, kind="qr")
        assert challenge.seconds > 0
        number = await rig.scans("s1", challenge.text)

        paired = await host.hears(port.Paired)
        assert host.last_seq > 0
        connected = await host.hears(port.Connected)

    stored = device_store.stored_device(birth(tmp_path).folder)
    assert stored is not None
    assert stored.phone == number
    assert paired.device_jid == connected.device_jid == stored.jid == birth(tmp_path).device_jid


async def test_what_was_not_acknowledged_is_told_again_and_what_was_is_not(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        for words in ("Stored", "Not stored"):
            await rig.writes("s1", words)
            await host.hears(port.MessageReceived, text=words)
            if words == "Stored":
                stored = host.last_seq
                await host.host.acknowledge("s1", stored)
        # Answered in order, so the acknowledgement has come through.
        await host.host.command("s1", text_to(rig.somebody()))
        await host.hears(port.SendFinished)
        before = host.last_seq

    async with host_of(rig, birth(tmp_path)) as again:
        await again.hears(port.Connected)
        numbers = [report.seq for report in again.told if report.seq]
        told = [report.event for report in again.told if isinstance(report.event, port.MessageReceived)]
        answers = [report.event for report in again.told if isinstance(report.event, port.SendFinished)]

    assert [event.text for event in told] == ["Not stored"]
    assert [event.message_id for event in answers] == ["m1"]
    assert numbers == sorted(numbers)
    assert stored < min(numbers) <= before


async def test_a_text_is_answered_once_with_its_id_and_leaves_its_secret(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        contact = rig.somebody()
        order = text_to(contact)
        await host.host.command("s1", order)

        answer = await host.hears(port.SendFinished)

    assert (answer.message_id, answer.outcome) == ("m1", port.SendOutcome.ACKNOWLEDGED)
    assert host.last_seq > 0
    assert answer.wa_id == device_store.sent_id(birth(tmp_path).folder, order.secret) != ""
    assert answer.peer.pn == contact


async def test_texts_that_are_ordered_together_leave_in_their_order(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await host.host.command("s1", *(text_to(rig.somebody(), f"m{number}") for number in range(5)))
        last = await host.hears(port.SendFinished, message_id="m4")

    before = [report.event for report in host.told if isinstance(report.event, port.SendFinished)]
    assert [answer.message_id for answer in before] == ["m0", "m1", "m2", "m3"]
    assert {answer.outcome for answer in (*before, last)} == {port.SendOutcome.ACKNOWLEDGED}


async def test_a_reaction_is_answered_replaced_and_taken_back(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.writes("s1", "Hello")
        message = await host.hears(port.MessageReceived, text="Hello")
        to = f"{message.peer.pn}@s.whatsapp.net"
        for number, emoji in enumerate(("👍", "🎉", "")):
            order = port.SendReaction(f"r{number}", to, message.wa_id, from_me=False, sender="", emoji=emoji)
            await host.host.command("s1", order)
            answer = await host.hears(port.ReactionFinished)

            assert (answer.reaction_id, answer.outcome) == (f"r{number}", port.SendOutcome.ACKNOWLEDGED)
            assert host.last_seq > 0
            assert (await rig.sees())[0] == ([emoji] if emoji else [])


async def test_who_types_is_told_both_ways_to_who_is_present(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.writes("s1", "Hello")
        message = await host.hears(port.MessageReceived, text="Hello")
        assert not await rig.is_present()
        # Not before WhatsApp has told the profile's name.
        await until_true(lambda: host.host.command("s1", port.BePresent()), rig.is_present)

        await rig.types("s1")
        seen = await host.hears(port.TypingSeen)
        assert (seen.is_typing, seen.group, host.last_seq) == (True, "", 0)
        assert {seen.peer.pn, seen.peer.lid} & ({message.peer.pn, message.peer.lid} - {""})

        for is_typing in (True, False):
            await host.host.command("s1", port.SendTyping(f"{message.peer.pn}@s.whatsapp.net", is_typing))
            await until_true(None, partial(sees_typing, rig, is_typing))


async def sees_typing(rig: Rig, expected: bool) -> bool:
    return (await rig.sees())[1] == expected


async def until_true(act: Callable[[], Any] | None, look: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await look():
            if act:
                await act()
            await asyncio.sleep(0.05)


async def test_a_pairing_code_is_given_when_it_is_asked_for(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await host.hears(port.ChallengeIssued, kind="qr")
        await host.host.command("s1", port.RequestCode(rig.somebody()))

        code = await host.hears(port.ChallengeIssued, kind="code")

    assert len(code.text.replace("-", "")) == 8


async def test_a_disconnected_session_keeps_its_link_and_comes_back_in_another_host(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path), birth(tmp_path, "s2")) as host:
        await linked(rig, host)
        await host.host.command("s1", port.Disconnect())
        lost = await host.hears(port.ConnectionLost, retrying=False)
        assert (lost.detail, host.has_ended) == ("disconnected on request", False)

        async with host_of(rig, birth(tmp_path)) as another:
            connected = await another.hears(port.Connected)
            assert connected.device_jid == birth(tmp_path).device_jid
        assert not host.has_ended


async def test_a_logged_out_device_is_gone_from_the_store(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await host.host.command("s1", port.Logout())

        await host.hears(port.Ended, ending=port.Ending.LOGGED_OUT)
        await asyncio.to_thread(_wait_until_gone, birth(tmp_path).folder)


def _wait_until_gone(folder: Path) -> None:
    eventually(lambda: device_store.stored_device(folder) is None, what="no device in the store")


async def test_an_unlink_on_the_phone_is_told(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.unlinks("s1")

        await host.hears(port.Ended, ending=port.Ending.LOGGED_OUT)


async def test_a_link_whose_store_is_missing_has_ended(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
    promised = birth(tmp_path)
    device_store.erase(promised.folder)

    async with host_of(rig, promised) as host:
        await host.hears(port.Ended, ending=port.Ending.STORE_MISSING)


@pytest.mark.parametrize(("way", "reason"), [("end", "exit code 0"), ("kill", "SIGKILL")])
async def test_a_host_that_ended_says_why_and_loses_commands_quietly(
    rig: Rig, tmp_path: Path, way: str, reason: str
) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await host.hears(port.ChallengeIssued)
        assert host.host.exit_reason == ""
        await (host.host.end(grace=PATIENCE) if way == "end" else host.host.kill())

        await host.until(lambda: host.has_ended)
        await host.host.command("s1", port.Disconnect())
        await host.host.acknowledge("s1", 1)

    assert host.host.exit_reason == reason


async def test_a_host_that_ends_in_good_order_tells_all_it_had(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.writes("s1", "Last words")
        await host.hears(port.MessageReceived, text="Last words")
        await host.host.end(grace=PATIENCE)
        await host.until(lambda: host.has_ended)

    async with host_of(rig, birth(tmp_path)) as again:
        await again.hears(port.MessageReceived, text="Last words")


async def test_a_host_that_is_not_told_to_keep_on_leaves_by_itself_with_all_it_had(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await host.host.keep_on(until=since_boot() + 3600)
        await linked(rig, host)
        await rig.writes("s1", "Just in time")
        await host.hears(port.MessageReceived, text="Just in time")
        assert not host.has_ended
        await host.host.keep_on(until=since_boot())
        await host.until(lambda: host.has_ended)

    assert host.host.exit_reason.startswith("exit code 0")
    async with host_of(rig, birth(tmp_path)) as again:
        await again.hears(port.MessageReceived, text="Just in time")


async def test_a_bequest_is_told_and_never_connected(rig: Rig, tmp_path: Path) -> None:
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.writes("s1", "Left behind")
        await host.hears(port.MessageReceived, text="Left behind")

    async with host_of(rig, replace(birth(tmp_path), is_bequest=True)) as again:
        await again.hears(port.MessageReceived, text="Left behind")
        left = await again.hears(port.ConnectionLost, retrying=False)

    assert left.detail == "told what was left here"
    assert not [report for report in again.told if isinstance(report.event, port.Connected | port.ChallengeIssued)]
