"""What is kept, and when."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox import record
from sandbox.protocol.curve import KeyPair
from sandbox.protocol.protos import e2e
from sandbox.protocol.signal_device import SessionRecord, SignalDevice
from sandbox.store import FILE_NAME, StateUnusable, Store
from sandbox.world import conversation
from sandbox.world.phone import MAX_MESSAGES
from sandbox.world.world import World


@dataclass
class Thing:
    name: str
    key: KeyPair
    parts: dict[int, bytes] = field(default_factory=dict)
    other: KeyPair | None = None
    seen: list[bytes] = field(default_factory=list)


def test_a_record_comes_back_equal() -> None:
    thing = Thing("ü", KeyPair(), {7: b"\0\xff"}, KeyPair(), [b"a"])

    assert record.load(Thing, record.dump(thing)) == thing


def test_a_signal_session_goes_on_from_its_record() -> None:
    a, b = SignalDevice(), SignalDevice()
    a.start("b", b.bundle())
    b.decrypt("a", *a.encrypt("b", b"first"))
    late = a.encrypt("b", b"late")
    b.decrypt("a", *a.encrypt("b", b"second"))

    b.sessions["a"] = record.load(SessionRecord, record.dump(b.sessions["a"]))

    assert b.decrypt("a", *late) == b"late"
    assert a.decrypt("b", *b.encrypt("a", b"answer")) == b"answer"


def test_only_what_was_committed_is_there_after_a_crash(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("kind", "owner", "kept", lambda: b"1")
    store.commit()
    store.put("kind", "owner", "lost", lambda: b"2")
    store._db.close()  # as the end of the process would

    again = Store(tmp_path)

    assert [(row.key, row.body) for row in again.rows("kind")] == [("kept", b"1")]
    again.close()


def test_a_row_put_often_is_asked_once_and_as_it_is_then(tmp_path: Path) -> None:
    store, asked = Store(tmp_path), []

    def body() -> bytes:
        asked.append("asked")
        return b"%d" % turn

    for turn in range(5):  # noqa: B007  the body looks at it
        store.put("kind", "owner", "key", body)
    store.commit()

    assert asked == ["asked"]
    assert store.get("kind", "owner", "key") == b"4"
    store.close()


def test_dropping_an_owner_takes_its_rows_and_no_others() -> None:
    store = Store()
    for owner in ("a", "b"):
        store.put("kind", owner, "old", lambda: b"")
    store.commit()
    store.put("kind", "a", "waiting", lambda: b"")
    store.drop("kind", "a")
    store.put("kind", "a", "new", lambda: b"")
    store.commit()

    assert [(row.owner, row.key) for row in store.rows("kind")] == [("a", "new"), ("b", "old")]
    store.close()


def test_nobody_else_can_read_the_state(tmp_path: Path) -> None:
    Store(tmp_path / "state").close()

    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / FILE_NAME).stat().st_mode) == 0o600


def test_two_sandboxes_cannot_share_a_folder(tmp_path: Path) -> None:
    first = Store(tmp_path)
    first.put("kind", "owner", "key", lambda: b"")
    first.commit()

    with pytest.raises(StateUnusable):
        Store(tmp_path)
    first.close()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateUnusable, match="cannot be used"):
        Store(tmp_path / "file" / "state")


def test_lids_and_groups_stay_unique_over_restarts(tmp_path: Path) -> None:
    lids: list[str] = []
    for i in range(3):
        store = Store(tmp_path)
        world = World(store)
        phone = world.add_phone(f"551190000000{i}")
        world.add_group(f"Group {i}", [phone])
        lids.append(phone.owner.lid)
        store.close()

    store = Store(tmp_path)
    world = World(store)
    assert len(set(lids)) == 3
    assert set(world.by_lid) == set(lids)
    assert [group.subject for group in world.groups.values()] == ["Group 0", "Group 1", "Group 2"]
    store.close()


def test_a_full_inbox_forgets_its_oldest_message() -> None:
    world = World(Store())
    alice, bob = world.add_phone("5511900000001"), world.add_phone("5511900000002")
    for i in range(MAX_MESSAGES + 2):
        conversation.record_received(world, alice, bob, e2e.Message(conversation=str(i)), f"ID{i}")
    world.store.commit()

    assert [m.text for m in alice.inbox[:1]] == ["2"]
    assert (bob.number, "ID0") not in alice.received
    assert sum(1 for _ in world.store.rows("message")) == MAX_MESSAGES
    world.store.close()
