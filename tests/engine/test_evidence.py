"""The worker's end of a host completes what the host reports with what the device store proves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from whatsapp.engine import device_store, port
from whatsapp.engine.evidence import Evidence
from whatsapp.engine.port import SendOutcome

SECRET = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = device_store.make_folder(tmp_path, "s1")
    _write(
        folder,
        "CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT)",
        "CREATE TABLE whatsmeow_message_secrets (message_id TEXT, key BLOB)",
        "INSERT INTO whatsmeow_device VALUES ('4915:2@s.whatsapp.net', '99:2@lid', '')",
    )
    return folder


@pytest.fixture
def evidence(folder: Path) -> Evidence:
    return Evidence([port.SessionBirth("s1", folder)])


def _write(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / device_store.DEVICE_FILE)) as db, db:
        for statement in statements:
            db.execute(statement)


def _is_named(folder: Path, name: str) -> None:
    _write(folder, f"UPDATE whatsmeow_device SET push_name = '{name}'")  # noqa: S608


def _cannot_be_read(folder: Path) -> None:
    (folder / device_store.DEVICE_FILE).write_bytes(b"no database at all, and longer than a header" * 99)


def _told(evidence: Evidence, event: port.EngineEvent, seq: int = 0) -> list[port.EngineEvent]:
    report = port.Report("s1", event, seq=seq)
    assert evidence.is_needed(report)
    completed = evidence.complete(report)
    assert {(told.session_id, told.seq) for told in completed} == {("s1", seq)}
    return [told.event for told in completed]


def _failed(detail: str, outcome: SendOutcome = SendOutcome.UNCONFIRMED) -> port.SendFinished:
    return port.SendFinished("m1", outcome, detail=detail, secret=SECRET.hex())


def test_who_is_connected_is_read_from_the_store(evidence: Evidence, folder: Path) -> None:
    _is_named(folder, "Front desk")

    assert _told(evidence, port.Connected(""), seq=7) == [
        port.Connected("4915:2@s.whatsapp.net", lid="99", push_name="Front desk")
    ]


def test_being_connected_is_news_even_when_the_store_cannot_be_read(evidence: Evidence, folder: Path) -> None:
    _cannot_be_read(folder)

    assert _told(evidence, port.Connected("")) == [port.Connected("")]


def test_a_profile_is_told_when_its_name_comes_and_when_it_changes(evidence: Evidence, folder: Path) -> None:
    _told(evidence, port.Connected(""))
    names = []
    for name in ("", "Front desk", "Front desk", "Back office"):
        _is_named(folder, name)
        names.append(
            [event.push_name for event in _told(evidence, port.Alive()) if isinstance(event, port.ProfileSeen)]
        )

    assert names == [[], ["Front desk"], [], ["Back office"]]


def test_a_sign_of_life_stays_one(evidence: Evidence, folder: Path) -> None:
    _cannot_be_read(folder)

    assert _told(evidence, port.Alive()) == [port.Alive()]


@pytest.mark.parametrize("detail", ["connection timed out", "websocket: close 1006"])
def test_a_failed_send_whose_secret_is_in_the_store_may_have_left(
    evidence: Evidence, folder: Path, detail: str
) -> None:
    _write(folder, f"INSERT INTO whatsmeow_message_secrets VALUES ('3EB0AB', x'{SECRET.hex()}')")  # noqa: S608

    assert _told(evidence, _failed(detail), seq=3) == [
        port.SendFinished("m1", SendOutcome.UNCONFIRMED, wa_id="3EB0AB", detail=detail)
    ]


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ("websocket disconnected before info query returned response", SendOutcome.NOT_SENT),
        ("the store doesn't contain a device JID: not logged in", SendOutcome.NOT_SENT),
        ("no LID for this user", SendOutcome.REFUSED),
    ],
)
def test_a_failed_send_without_a_trace_in_the_store_did_not_leave(
    evidence: Evidence, detail: str, outcome: SendOutcome
) -> None:
    assert _told(evidence, _failed(detail)) == [port.SendFinished("m1", outcome, detail=detail)]


def test_what_the_engine_is_sure_of_stands(evidence: Evidence) -> None:
    refused = _failed("server returned error 463", SendOutcome.REFUSED)

    assert _told(evidence, refused) == [port.SendFinished("m1", SendOutcome.REFUSED, detail=refused.detail)]


def test_a_failed_send_is_unconfirmed_while_the_store_cannot_be_read(evidence: Evidence, folder: Path) -> None:
    _cannot_be_read(folder)

    assert _told(evidence, _failed("not connected")) == [
        port.SendFinished("m1", SendOutcome.UNCONFIRMED, detail="not connected")
    ]


def test_nothing_is_read_for_what_says_all_itself(evidence: Evidence) -> None:
    answered = port.SendFinished("m1", SendOutcome.ACKNOWLEDGED, wa_id="3EB0")
    reports = [
        port.Report("s1", answered, seq=1),
        port.Report("s1", port.Alive(), seq=2),
        port.Report("somebody else's", port.Connected("")),
    ]

    assert not any(evidence.is_needed(report) for report in reports)
