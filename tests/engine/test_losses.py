"""What a host that was killed took with it is found in the device store, and told by the next one."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.protocol.protos import e2e
from sandbox.thread import SandboxThread
from sandbox.world import post
from tests.engine import events
from tests.engine.test_contract import Listened, RealRig, birth, host_of, linked
from tests.engine.test_device_store import in_store
from whatsapp.engine import device_store, losses, port
from whatsapp.engine.journal import Journal
from whatsapp.engine.ledger import Heard, Ignored, Ledger, Mark
from whatsapp.engine.process import ProcessEngine

#: Bob's, as the store has them.
CHAT = f"{events.BOB_LID}@lid"
BOB = port.Person(pn=events.BOB, lid=events.BOB_LID)
OURS = "81000000000001"
BURST, KILLS = 400, 10


class Shelf:
    """A session's folder between two hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder / device_store.JOURNAL_FILE)
        self.ledger = Ledger(self.journal)
        in_store(
            folder,
            "CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT)",
            "CREATE TABLE whatsmeow_message_secrets (chat_jid TEXT, sender_jid TEXT, message_id TEXT, key BLOB)",
            "CREATE TABLE whatsmeow_lid_map (lid TEXT, pn TEXT)",
            "INSERT INTO whatsmeow_device VALUES ('4915550000001:1@s.whatsapp.net', '81000000000001:1@lid', 'Shop')",
            "INSERT INTO whatsmeow_lid_map VALUES ('99000000000001', '4915550000099')",
        )

    def decrypts(self, wa_id: str, chat: str = CHAT, sender: str = CHAT, key: bytes = b"") -> str:
        """The engine does, and stores the secret; the name of the message."""
        with closing(sqlite3.connect(self.folder / device_store.DEVICE_FILE)) as db, db:
            db.execute("INSERT INTO whatsmeow_message_secrets VALUES (?, ?, ?, ?)", (chat, sender, wa_id, key))
        return device_store.message_name(chat, sender, wa_id)

    def hears(self, name: str, at: float = 0.0) -> None:
        self.ledger.hear([Heard(name, at)])

    def lost(self) -> list[str]:
        return [each.wa_id for each in self.found().lost]

    def found(self) -> losses.Findings:
        return losses.find(self.folder, self.journal, self.ledger)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(device_store.make_folder(tmp_path, "session"))
    shelf.ledger.begin(0)
    yield shelf
    shelf.journal.close()


def test_what_was_decrypted_and_never_heard_of_is_lost(shelf: Shelf) -> None:
    shelf.hears(shelf.decrypts("HEARD"), at=events.AT)
    shelf.decrypts("LOST")
    os.utime(shelf.folder / device_store.DEVICE_FILE, (events.AT + 5, events.AT + 5))

    (lost,) = shelf.found().lost

    assert lost == port.MessageLost("LOST", lost.after, events.AT + 5, "", BOB, BOB)
    assert lost.after <= lost.before


def test_the_time_of_a_loss_lies_after_what_was_heard_before_it(shelf: Shelf) -> None:
    shelf.ledger._move(0, 0)
    with shelf.journal.transaction() as db:
        db.execute("UPDATE mark SET at = ?", (events.AT - 60,))
    shelf.decrypts("FIRST")
    shelf.hears(shelf.decrypts("HEARD"), at=events.AT)
    shelf.decrypts("SECOND")

    first, second = shelf.found().lost

    assert (first.after, second.after) == (events.AT - 60, events.AT)


def test_what_is_in_the_journal_is_not_lost(shelf: Shelf) -> None:
    shelf.decrypts("3EB0AB", f"{events.BOB}@s.whatsapp.net", f"{events.BOB}@s.whatsapp.net")
    shelf.journal.append(events.MESSAGE, events.message(e2e.Message(conversation="hi")))

    assert shelf.lost() == []


def test_a_message_of_ours_that_was_about_to_leave_is_not_lost(shelf: Shelf) -> None:
    shelf.hears(device_store.secret_name(b"ours"))
    shelf.decrypts("SENT", CHAT, f"{OURS}@lid", key=b"ours")

    assert shelf.lost() == []


def test_what_was_written_on_the_own_phone_is_lost_as_ours(shelf: Shelf) -> None:
    shelf.decrypts("WRITTEN", CHAT, f"{OURS}@lid", key=b"phone's")

    (lost,) = shelf.found().lost

    assert (lost.from_me, lost.peer) == (True, BOB)


def test_a_message_to_a_group_is_lost_there(shelf: Shelf) -> None:
    shelf.decrypts("LOST", "120363000000000001@g.us")

    (lost,) = shelf.found().lost

    assert (lost.group, lost.sender) == ("120363000000000001@g.us", BOB)


@pytest.mark.parametrize("chat", ["status@broadcast", "1203630001@newsletter"])
def test_what_belongs_to_no_chat_is_nobodys_loss(shelf: Shelf, chat: str) -> None:
    shelf.decrypts("STATUS", chat)

    assert shelf.lost() == []


def test_nothing_is_said_of_a_time_in_which_the_phone_sent_its_history(shelf: Shelf) -> None:
    notice = e2e.Message()
    notice.protocolMessage.historySyncNotification.chunkOrder = 1
    shelf.journal.append(events.MESSAGE, events.message(notice))
    shelf.decrypts("OLD")

    assert shelf.lost() == []


def test_what_came_again_and_was_not_judged_before_the_host_died_is_lost(shelf: Shelf) -> None:
    """Decrypted by the host before it, which died before it had stored a secret."""
    shelf.hears(device_store.message_name(CHAT, CHAT, "HEARD"))
    for wa_id in ("HEARD", "UNHEARD"):
        shelf.ledger.doubt(Ignored(wa_id, CHAT, CHAT))

    (lost,) = shelf.found().lost

    assert (lost.wa_id, lost.peer.lid) == ("UNHEARD", events.BOB_LID)
    assert lost.after <= lost.before


def test_what_came_again_and_left_a_secret_is_lost_once(shelf: Shelf) -> None:
    shelf.decrypts("LOST")
    shelf.ledger.doubt(Ignored("LOST", CHAT, CHAT))

    assert shelf.lost() == ["LOST"]


def test_a_host_that_left_in_good_order_lost_nothing(shelf: Shelf) -> None:
    shelf.decrypts("SHOWN OF HISTORY")
    shelf.ledger.leave()

    assert shelf.found() == losses.Findings((), 1)


def test_without_a_ledger_nothing_is_known(tmp_path: Path) -> None:
    shelf = Shelf(device_store.make_folder(tmp_path, "from before"))
    shelf.decrypts("OLD")

    with closing(shelf.journal):
        assert shelf.found() == losses.Findings((), 1)


def test_a_store_that_was_put_back_starts_anew(shelf: Shelf) -> None:
    shelf.ledger.begin(700)
    shelf.decrypts("OLD")

    found = shelf.found()
    shelf.ledger.begin(found.place)
    shelf.decrypts("LOST")

    assert found == losses.Findings((), 1)
    assert shelf.lost() == ["LOST"]


def test_what_was_stored_at_one_look_is_in_no_doubt_after_the_next(shelf: Shelf) -> None:
    shelf.hears(shelf.decrypts("A"))
    shelf.ledger.look(1)
    shelf.hears(shelf.decrypts("B"))
    first = shelf.ledger.mark()
    shelf.ledger.look(2)
    second = shelf.ledger.mark()

    assert isinstance(first, Mark)
    assert isinstance(second, Mark)
    assert (first.place, second.place) == (0, 1)
    assert shelf.lost() == []


async def test_a_planned_end_loses_nothing_and_says_so(on_sandbox: SandboxThread, tmp_path: Path) -> None:
    rig = RealRig(ProcessEngine(tmp_path, warm=0), on_sandbox)
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.writes("s1", "Good morning")
        await host.hears(port.MessageReceived)
        await host.host.end(grace=20)

    with closing(Journal(birth(tmp_path).folder / device_store.JOURNAL_FILE)) as journal:
        mark = Ledger(journal).mark()
    assert mark is not None
    assert mark.is_clean


class Tally:
    """What was sent to a session, and what its hosts told of it."""

    def __init__(self, rig: RealRig, start: Path) -> None:
        self._rig, self._state_dir = rig, start
        self.sent: set[str] = set()
        self.received: set[str] = set()
        self.lost: set[str] = set()

    async def burst_and_kill(self) -> None:
        """A host that is killed while it is told of a burst."""
        async with host_of(self._rig, birth(self._state_dir)) as host:
            await host.hears(port.Connected)
            self.sent |= await asyncio.to_thread(self._burst)
            await host.hears(port.MessageReceived)
            os.kill(host.host.pid, signal.SIGKILL)
            await host.until(lambda: host.has_ended)
        # The sandbox may find out a moment later that it talks to nobody.
        self._take(host)

    def _burst(self) -> set[str]:
        """All at once: the server has said everything before the device has opened the first."""
        wa, (phone, contact) = self._rig.wa, (self._rig.phone, self._rig.contact)
        assert phone is not None
        assert contact is not None

        def write() -> set[str]:
            texts = [e2e.Message(conversation=f"{number}") for number in range(BURST)]
            return {post.send(wa.world, contact, phone, text) for text in texts}

        return wa.call(write)

    async def settle(self) -> None:
        """The next host tells what was left, WhatsApp sends again what nobody had acknowledged, and all is stored."""
        async with host_of(self._rig, birth(self._state_dir)) as host:
            await host.hears(port.Connected)
            await self._rig.writes("s1", "The last one")
            await host.hears(port.MessageReceived, text="The last one")
            await host.host.acknowledge("s1", host.last_seq)
            await host.host.end(grace=20)
            await host.until(lambda: host.has_ended)
        self._take(host)

    def _take(self, host: Listened) -> None:
        events = [report.event for report in host.told]
        self.received |= {event.wa_id for event in events if isinstance(event, port.MessageReceived)}
        self.lost |= {event.wa_id for event in events if isinstance(event, port.MessageLost)}

    @property
    def missing(self) -> set[str]:
        return self.sent - self.received


async def test_each_message_that_a_killed_host_took_with_it_is_told(on_sandbox: SandboxThread, tmp_path: Path) -> None:
    """Killed in the middle of bursts, until it was the wrong moment."""
    rig = RealRig(ProcessEngine(tmp_path, warm=0), on_sandbox)
    async with host_of(rig, birth(tmp_path)) as host:
        await linked(rig, host)
        await rig.writes("s1", "The first one")
        await host.hears(port.MessageReceived)
        await host.host.acknowledge("s1", host.last_seq)
        await host.host.end(grace=20)
    tally = Tally(rig, tmp_path)
    for _ in range(KILLS):
        await tally.burst_and_kill()
        await tally.settle()
        assert tally.lost == tally.missing
        if tally.lost:
            return
    pytest.skip(f"of {len(tally.sent)} messages in {KILLS} kills none was lost")
