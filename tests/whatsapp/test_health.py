"""`session_health`: what is told of workers, sessions, keys and backups, and what is advised; looking harms nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet.models import Placement, Worker
from fleet.reasons import Reason
from fleet.states import Happening, State, Wanted
from tenants.models import Company
from tests.whatsapp.dock import Dock
from wharf.tables import table, words_for_age, words_for_size
from wharf.terminal import over_the_last
from whatsapp.engine import device_store
from whatsapp.models import Message, Transition
from whatsapp.services import backups, findings, health, sessions

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def dock(live_companies: tuple[Company, Company], tmp_path: Path, settings: Settings) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    settings.STATE_DIR, settings.BACKUP_DIR = tmp_path / "state", tmp_path / "backups"
    settings.STATE_DIR.mkdir()
    with Dock.made(live_companies[0], settings.STATE_DIR) as dock:
        yield dock


def look(*arguments: str) -> tuple[str, int]:
    output, code = StringIO(), 0
    try:
        call_command("session_health", *arguments, stdout=output)
    except SystemExit as end:
        code = int(end.code or 0)
    return output.getvalue(), code


def facts(*arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(look("--json", *arguments)[0])
    return told


def the_session(*arguments: str) -> dict[str, Any]:
    (only,) = facts(*arguments)["sessions"]
    return dict(only)


def causes(*arguments: str) -> list[str]:
    return [finding["cause"] for finding in the_session(*arguments)["findings"]]


def change(session_id: str, **values: object) -> None:
    Placement.objects.filter(pk=session_id).update(**values)


def online(dock: Dock) -> str:
    """Connected, with a worker and a backup."""
    dock.work()
    session_id = dock.connected()
    dock.run(backups.create, company=dock.company, session_id=session_id, by=SYSTEM)
    return session_id


def offline(dock: Dock) -> str:
    """Linked, wanted and not there; its worker lives."""
    session_id = online(dock)
    dock.workers[0].stop()
    lives = Worker.objects.create(
        name="lives", pid=1, capacity=5, store_id="x", lease_until=timezone.now() + timedelta(hours=1)
    )
    change(session_id, owner=lives, state=State.CONNECTING, reason=Reason.SERVER_UNREACHABLE)
    return session_id


def test_all_is_well_when_everything_is_online(dock: Dock) -> None:
    session_id = online(dock)
    number = dock.placement(session_id).device_jid.partition(":")[0]

    text, code = look()

    assert code == 0
    assert "1 of 1 linked numbers that are wanted are online: healthy." in text
    assert number not in text
    assert f"+{number[:3]}" in text
    told = the_session()
    assert (told["sessionId"], told["state"], told["store"], told["backups"]) == (session_id, "connected", "good", 1)
    assert told["storeBytes"] > 0
    assert told["findings"] == []


def test_an_offline_number_is_trouble_with_its_reason_and_advice(dock: Dock) -> None:
    offline(dock)

    text, code = look()

    assert code == 1
    assert "!! acme/whatsapp 0: It is wanted online and is not. WhatsApp cannot be reached; trying again." in text
    assert "look at this machine's way to the internet" in text
    assert causes() == ["offline"]


def test_a_connected_session_of_a_silent_worker_is_not_called_connected(dock: Dock) -> None:
    session_id = offline(dock)
    change(session_id, state=State.CONNECTED)
    Worker.objects.update(lease_until=timezone.now())

    told = facts()

    assert [finding["cause"] for finding in told["findings"]] == ["no_worker", "worker_silent"]
    assert told["sessions"][0]["state"] == "connecting"
    assert told["health"] == "trouble"


def test_a_connection_without_a_sign_of_life_is_doubted(dock: Dock) -> None:
    session_id = offline(dock)
    change(session_id, state=State.CONNECTED, evidence_at=timezone.now() - timedelta(minutes=3))

    assert causes() == ["no_sign_of_life"]


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (Reason.LOGGED_OUT_ON_PHONE, "session_pair"),
        (Reason.STREAM_REPLACED, "other program"),
        (Reason.DEVICE_STORE_MISSING, "session_backup restore"),
    ],
)
def test_what_only_a_person_can_mend_says_how(dock: Dock, reason: Reason, advice: str) -> None:
    session_id = offline(dock)
    change(session_id, state=State.UNPAIRED, reason=reason, wanted=Wanted.STOPPED, device_jid="")

    (finding,) = the_session()["findings"]

    assert (finding["cause"], finding["grade"]) == ("needs_a_person", "trouble")
    assert advice in finding["advice"]


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.UNLINKED, Reason.IMPORTED, Reason.CODES_RAN_OUT])
def test_what_people_did_themselves_is_no_trouble(dock: Dock, reason: Reason) -> None:
    session_id = offline(dock)
    change(session_id, state=State.UNPAIRED, reason=reason, wanted=Wanted.STOPPED, device_jid="")

    assert causes() == []


def test_missing_keys_and_ruined_keys_are_told_apart(dock: Dock) -> None:
    session_id = offline(dock)
    store = device_store.folder_of(dock.state_dir, session_id) / device_store.DEVICE_FILE

    store.write_bytes(b"ruined" * 1000)
    assert "store_unreadable" in causes()
    store.unlink()
    assert "store_missing" in causes()
    change(session_id, store_id="another")
    assert (the_session()["store"], causes()) == ("on another disk", ["offline"])


def test_a_number_without_a_fresh_backup_is_a_warning(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    online(dock)
    monkeypatch.setattr(findings, "BACKUP_TOO_OLD", timedelta())

    text, code = look()

    assert (causes(), code) == (["backup_old"], 0)
    assert "warnings" in text


def test_a_number_that_was_linked_just_now_may_be_without_a_backup(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()

    assert causes() == []
    change(session_id, since=timezone.now() - timedelta(hours=1))
    assert causes() == ["no_backup"]


def test_a_connection_that_is_lost_all_the_time_is_a_warning(dock: Dock) -> None:
    session_id = online(dock)
    rows = [
        Transition(session_id=session_id, happening=Happening.CONNECTION_LOST, before="connected", after="connecting")
        for _ in range(20)
    ]
    dock.run(Transition.objects.bulk_create, rows)

    assert causes() == ["many_losses"]


def test_only_what_waits_to_be_sent_is_counted(dock: Dock) -> None:
    session_id = offline(dock)
    dock.texts(session_id, "4915550000099", "one", "two")
    dock.run(lambda: Message.objects.filter(body="one").update(status="delivered"))

    assert the_session()["queued"] == 1


def test_one_companys_health_shows_nothing_of_anothers(dock: Dock) -> None:
    session_id = online(dock)

    text, _ = look("--company", "globex")

    assert session_id not in text
    assert "acme" not in text
    with pytest.raises(CommandError, match="There is no company nowhere"):
        look("--company", "nowhere")


def test_archived_sessions_are_out_of_sight(dock: Dock) -> None:
    session_id = dock.fresh()
    dock.do(sessions.archive, session_id)

    assert facts()["sessions"] == []


def test_looking_changes_no_row_and_no_file(dock: Dock) -> None:
    session_id = offline(dock)

    def everything() -> object:
        files = {path: path.read_bytes() for path in dock.state_dir.rglob("*") if path.is_file()}
        return files, list(Placement.objects.values()), dock.transitions(session_id), dock.run(Message.objects.count)

    before = everything()
    look()
    look("--json")

    assert everything() == before


def test_the_rows_alone_can_be_asked(dock: Dock) -> None:
    online(dock)

    (one,) = health.look(into_stores=False).sessions

    assert (one.store, one.grade) == (findings.Trust.NOT_LOOKED, findings.Grade.FINE)


def test_watching_into_a_pipe_has_no_control_characters_and_ends_on_ctrl_c(live_companies: None) -> None:
    database = connection.settings_dict["NAME"]
    url = os.environ["WHARF_DATABASE_URL"].rsplit("/", 1)[0] + f"/{database}"
    # With hardly a pause: Ctrl-C mostly comes in the middle of a look.
    watching = subprocess.Popen(
        [sys.executable, "manage.py", "session_health", "--watch", "--every", "0.05"],
        cwd=ROOT,
        env={**os.environ, "WHARF_DATABASE_URL": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    lines = (line for line in watching.stdout)
    try:
        seen = [next(line for line in lines if "online" in line) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=30)
    finally:
        watching.kill()
        watching.communicate()

    assert watching.returncode == 0
    assert "\x1b" not in "".join(seen) + rest


@pytest.mark.parametrize("command", ["session_health", "session_monitor"])
@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "1e9", "often"])
def test_how_often_to_look_has_bounds(command: str, every: str) -> None:
    with pytest.raises(CommandError, match="seconds are expected"):
        call_command(command, "--every", every)


def test_one_picture_is_written_over_the_other() -> None:
    assert over_the_last("a\nb") == "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"


def test_tables_sizes_and_ages_read_well() -> None:
    now = timezone.now()

    assert table(["a", "long"], [["wide", 1]]) == ["a     long", "wide  1"]
    assert [words_for_size(count) for count in (0, 999, 1500, 2_500_000)] == ["0 B", "999 B", "1.5 kB", "2.5 MB"]
    ages = [None, now, now - timedelta(seconds=90), now - timedelta(hours=5), now + timedelta(minutes=4)]
    assert [words_for_age(at, now) for at in ages] == ["-", "0 s", "90 s", "5 h", "+4 min"]
