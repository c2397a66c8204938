"""What a host cannot say itself: it stands in the device store, and only another process may read that.

The engine brings a SQLite of its own, and closing a file in one copy of SQLite drops the other copy's locks in the same
process: the store's shared memory is then cut under the engine, and the host dies of SIGBUS. So the worker's end of a
host looks, and completes what the host reported.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from whatsapp.engine import device_store, port
from whatsapp.engine.bounds import MAX_NAME, clean
from whatsapp.engine.failures import outcome_without_a_trace

#: How far a store has come is looked at so often. What stood there at one look has been told by the next.
LOOK_SECONDS: Final = 60.0


class Evidence:
    """Completes the reports of one host. Reading blocks for a moment: call it in a thread."""

    def __init__(self, births: Sequence[port.SessionBirth]) -> None:
        self._folders: dict[str, Path] = {birth.session_id: birth.folder for birth in births}
        self._push_names: dict[str, str] = {}
        self._looked_at: dict[str, float] = {}

    def is_needed(self, report: port.Report) -> bool:
        if report.session_id not in self._folders:
            return False
        match report.event:
            case port.Connected():
                return True
            case port.SendFinished(secret=secret):
                return bool(secret)
            case port.Alive():
                return report.seq == 0
        return False

    def complete(self, report: port.Report) -> list[port.Report]:
        """The report with what the store adds to it; a store that cannot be read now costs no report."""
        return [replace(report, event=event) for event in self._completed(report.session_id, report.event)]

    def place(self, report: port.Report) -> int | None:
        """How far the session's store has come, when it is time to look again and the host has just shown life."""
        now, last = time.monotonic(), self._looked_at.get(report.session_id)
        is_due = last is None or now - last >= LOOK_SECONDS
        if not (is_due and isinstance(report.event, port.Alive)):
            return None
        self._looked_at[report.session_id] = now
        try:
            return device_store.last_place(self._folders[report.session_id])
        except sqlite3.Error:
            return None

    def _completed(self, session_id: str, event: port.EngineEvent) -> Iterator[port.EngineEvent]:
        match event:
            case port.Connected():
                yield self._connected(session_id)
            case port.SendFinished():
                yield _finished(event, self._sent_id(session_id, event))
            case _:
                yield from self._profile(session_id)
                yield event

    def _connected(self, session_id: str) -> port.Connected:
        stored = self._stored(session_id) or device_store.StoredDevice(jid="")
        push_name = clean(stored.push_name, MAX_NAME)
        self._push_names[session_id] = push_name
        return port.Connected(stored.jid, lid=stored.lid, push_name=push_name)

    def _profile(self, session_id: str) -> Iterator[port.ProfileSeen]:
        """The engine has no event for the profile's name, which comes a moment after the link."""
        stored = self._stored(session_id)
        push_name = clean(stored.push_name, MAX_NAME) if stored else ""
        if push_name not in ("", self._push_names.get(session_id)):
            self._push_names[session_id] = push_name
            yield port.ProfileSeen(push_name)

    def _stored(self, session_id: str) -> device_store.StoredDevice | None:
        try:
            return device_store.stored_device(self._folders[session_id])
        except sqlite3.Error:
            return None

    def _sent_id(self, session_id: str, event: port.SendFinished) -> str | None:
        """None when the store cannot tell now."""
        try:
            return device_store.sent_id(self._folders[session_id], bytes.fromhex(event.secret))
        except sqlite3.Error:
            return None


def _finished(event: port.SendFinished, sent_id: str | None) -> port.SendFinished:
    """An outcome that the engine left open ends as what the store proves; it stays open when nothing does."""
    outcome = event.outcome
    if sent_id == "" and outcome == port.SendOutcome.UNCONFIRMED:
        outcome = outcome_without_a_trace(event.detail)
    return replace(event, outcome=outcome, wa_id=sent_id or "", secret="")
