"""What a host says of a connection that it does not hear: asked once, not waited for, not vouched for meanwhile."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.protocol.protos import e2e
from tests.engine import events  # before the host, whose import of neonize it tidies up after
from tests.waiting import eventually
from whatsapp.engine import device_store, host, port
from whatsapp.engine.host import Kept
from whatsapp.engine.journal import Journal
from whatsapp.engine.ledger import Ignored


class Silent:
    """A device's part that needs a connection: it answers when it is let."""

    def __init__(self, folder: Path) -> None:
        self.session_id, self.folder = "s1", folder
        self.journal = Journal(folder / device_store.JOURNAL_FILE)
        self.heard_at = time.monotonic()
        self.is_doubtful = False
        self.probes = 0
        self.noted: list[port.EngineEvent] = []
        self.answers = threading.Event()

    def probe(self) -> None:
        self.probes += 1
        self.answers.wait()
        self.heard_at, self.is_doubtful = time.monotonic(), False

    def doubt(self) -> None:
        self.is_doubtful = True

    def note(self, event: port.EngineEvent) -> None:
        self.noted.append(event)


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    monkeypatch.setattr(host, "QUIET_FOR_SECONDS", 60.0)
    monkeypatch.setattr(host, "PROBE_SECONDS", 0.05)
    device = Silent(device_store.make_folder(tmp_path, "s1"))
    yield device
    device.answers.set()
    device.journal.close()


@pytest.fixture
def kept(device: Silent) -> Kept:
    return Kept(device)  # type: ignore[arg-type]  # all of a device that this needs


def test_what_was_heard_lately_is_not_asked(kept: Kept, device: Silent) -> None:
    assert kept.vouch()
    assert device.probes == 0


def test_what_was_not_heard_for_long_is_asked_once_and_doubted_when_it_does_not_answer(
    kept: Kept, device: Silent
) -> None:
    device.heard_at -= 61

    assert kept.vouch()
    eventually(lambda: not kept.vouch(), what="the doubt")
    assert device.probes == 1

    device.answers.set()
    eventually(kept.vouch, what="the answer counts")


def test_a_doubt_of_the_engines_own_is_asked_about_until_there_is_an_answer(kept: Kept, device: Silent) -> None:
    device.doubt()

    assert not kept.vouch()
    eventually(lambda: device.probes, what="the question")
    device.answers.set()

    eventually(kept.vouch, what="the answer counts")


def test_what_came_again_before_its_first_news_is_not_taken_for_lost(kept: Kept, device: Silent) -> None:
    chat = f"{events.BOB}@s.whatsapp.net"
    for wa_id in ("3EB0AB", "UNHEARD"):
        kept._note_again(Ignored(wa_id, chat, chat))

    kept.judge(patience=60.0)
    assert [each.wa_id for each in kept.ledger.doubted()] == ["3EB0AB", "UNHEARD"], "the next host knows of them"
    device.journal.append(events.MESSAGE, events.message(e2e.Message(conversation="hi")))
    kept.judge(patience=0.0)

    assert [each.wa_id for each in device.noted if isinstance(each, port.MessageLost)] == ["UNHEARD"]
    assert kept.ledger.doubted() == []
