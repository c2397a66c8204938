"""The safe monitor: what it takes for trouble, its one gentle reconnect, and what it tells, how often, and to whom."""

import http.server
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone, translation
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet.models import Network, Placement, Trouble, Worker
from fleet.reasons import Reason
from fleet.states import State, Wanted
from fleet.tasks import forget_old_troubles
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.dock import Dock
from wharf.alerts import Alert, Alerts, Tone
from whatsapp.engine import device_store
from whatsapp.models import Session
from whatsapp.services import backups, monitoring, sessions
from whatsapp.worker import run

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    settings.STATE_DIR, settings.BACKUP_DIR = tmp_path / "state", tmp_path / "backups"
    settings.STATE_DIR.mkdir()
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    with Dock.made(live_companies[0], settings.STATE_DIR) as dock:
        yield dock


class Watch:
    """A monitor that looks every minute of a clock of its own; `told` is what arrived."""

    def __init__(self) -> None:
        self.now: datetime = timezone.now()
        self.told: list[Alert] = []
        self.arrives = True

    def looks(self, times: int = 1) -> list[Alert]:
        """What the last of these looks had to tell."""
        alerts: list[Alert] = []
        for _ in range(times):
            with translation.override("en"):
                alerts = monitoring.look(self._send, now=self.now)
            self.now += timedelta(minutes=1)
        return alerts

    def _send(self, alert: Alert) -> bool:
        self.told += [alert] if self.arrives else []
        return self.arrives

    @property
    def titles(self) -> list[str]:
        return [alert.title for alert in self.told]


@pytest.fixture
def watch() -> Watch:
    return Watch()


DOWN = "⚠️ WhatsApp is disconnected!"
STILL = "🚨 WhatsApp is still disconnected"
BACK = "✅ WhatsApp is back"
BROKEN = "⚠️ Wharf does not work as it should"
MENDED = "✅ Wharf works again"
WARNING = "⚠️ A warning from Wharf"


def numbers(dock: Dock, count: int = 1) -> list[str]:
    """Linked and wanted, each with a backup, owned by a worker that lives and that does nothing."""
    ids = dock.linked_before(count)
    for session_id in ids:
        dock.run(backups.create, company=dock.company, session_id=session_id, by=SYSTEM)
    worker = Worker.objects.create(
        name="quiet", pid=1, capacity=99, store_id="x", lease_until=timezone.now() + timedelta(hours=9)
    )
    Placement.objects.filter(pk__in=ids).update(owner=worker)
    for session_id in ids:
        comes_online(session_id)
    return ids


def goes_offline(session_id: str, reason: Reason = Reason.CONNECTION_LOST) -> None:
    later = timezone.now() + timedelta(minutes=5)
    Placement.objects.filter(pk=session_id).update(state=State.CONNECTING, reason=reason, next_retry_at=later)


def comes_online(session_id: str) -> None:
    Placement.objects.filter(pk=session_id).update(
        state=State.CONNECTED, reason="", next_retry_at=None, evidence_at=timezone.now() + timedelta(hours=5)
    )


# -- what is trouble ---------------------------------------------------------------------------------------------------
def test_a_trouble_is_one_after_three_looks_in_a_row(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)

    watch.looks(2)
    assert watch.titles == []
    watch.looks()

    assert watch.titles == [DOWN]
    assert "The connection was lost" in watch.told[0].body


def test_a_connection_that_is_back_at_the_third_look_was_no_trouble(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)

    for _ in range(3):
        goes_offline(session_id)
        watch.looks(2)
        comes_online(session_id)
        watch.looks()

    assert watch.titles == []
    assert not Trouble.objects.exists()


def test_all_being_well_nothing_is_told(dock: Dock, watch: Watch) -> None:
    numbers(dock, 2)

    watch.looks(5)

    assert watch.titles == []


@pytest.mark.parametrize("verb", [sessions.pause, sessions.unlink])
def test_what_people_do_themselves_is_no_trouble(dock: Dock, watch: Watch, verb: Callable[..., Session]) -> None:
    (session_id,) = numbers(dock)
    dock.do(verb, session_id)
    Placement.objects.filter(pk=session_id).update(state=State.STOPPED, reason=Reason.PAUSED)

    watch.looks(6)

    assert watch.titles == []


def test_a_device_that_was_unlinked_on_the_phone_is_told_once_with_what_to_do(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    Placement.objects.filter(pk=session_id).update(
        state=State.UNPAIRED, reason=Reason.LOGGED_OUT_ON_PHONE, wanted=Wanted.STOPPED, device_jid=""
    )

    watch.looks(20)

    assert watch.titles == [DOWN]
    assert "session_pair" in watch.told[0].body
    assert Trouble.objects.get().nudged_at is None


def test_one_dead_worker_is_one_alert_and_not_one_for_each_number(dock: Dock, watch: Watch) -> None:
    numbers(dock, 4)
    Worker.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    watch.looks(4)
    assert watch.titles == [BROKEN]
    assert "Worker quiet is silent" in watch.told[0].body
    Worker.objects.update(lease_until=timezone.now() + timedelta(hours=1))
    watch.looks(3)

    assert watch.titles == [BROKEN, MENDED]


def test_a_network_that_is_away_is_one_alert(dock: Dock, watch: Watch) -> None:
    ids = numbers(dock, 3)
    for session_id in ids:
        goes_offline(session_id, Reason.SERVER_UNREACHABLE)

    watch.looks(5)
    for session_id in ids:
        comes_online(session_id)
    watch.looks(3)

    assert watch.titles == [DOWN, BACK]
    assert "All 3 numbers are offline at once" in watch.told[0].body


def test_numbers_that_go_offline_together_share_an_alert(dock: Dock, watch: Watch) -> None:
    ids = numbers(dock, 4)
    for session_id in ids[:2]:
        goes_offline(session_id)

    watch.looks(3)

    assert watch.titles == [DOWN]
    assert all(session_id in watch.told[0].body for session_id in ids[:2])


# -- the gentle reconnect ----------------------------------------------------------------------------------------------
def test_an_outage_gets_exactly_one_reconnect_and_then_advice(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    before = dock.placement(session_id).work

    watch.looks(2)
    assert dock.placement(session_id).next_retry_at is not None
    watch.looks()
    assert dock.placement(session_id).next_retry_at is None
    goes_offline(session_id)
    watch.looks(10)

    assert dock.placement(session_id).work == before + 1
    assert dock.placement(session_id).next_retry_at is not None
    assert watch.titles == [DOWN, STILL]
    assert "It is being connected again now." in watch.told[0].body
    assert "docs/reconnection.md" in watch.told[1].body


def test_the_reconnect_brings_a_number_back_that_waits_for_its_next_try(dock: Dock, watch: Watch) -> None:
    session_id = dock.linked_before(1)[0]
    dock.run(backups.create, company=dock.company, session_id=session_id, by=SYSTEM)
    dock.engine.cannot_start = True
    dock.work()
    dock.shows(session_id, State.CONNECTING, Reason.SPAWN_FAILED)
    far = timezone.now() + timedelta(hours=1)
    Placement.objects.filter(pk=session_id).update(next_retry_at=far)
    dock.engine.cannot_start = False

    watch.looks(3)

    dock.shows(session_id, State.CONNECTED)
    watch.looks(3)
    assert watch.titles == [DOWN, BACK]


def test_the_next_outage_gets_its_own_reconnect(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    for _ in range(2):
        goes_offline(session_id)
        watch.looks(3)
        comes_online(session_id)
        watch.looks(10)

    assert Trouble.objects.exclude(nudged_at=None).count() == 2
    assert watch.titles == [DOWN, BACK] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"wanted": Wanted.STOPPED},
        {"wanted": Wanted.UNLINKED},
        {"state": State.CONNECTED},
        {"device_jid": ""},
    ],
)
def test_a_nudge_never_goes_against_what_people_want(dock: Dock, changes: dict[str, str]) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    Placement.objects.filter(pk=session_id).update(**changes)
    before = dock.placement(session_id)

    assert not dock.run(sessions.nudge, session_id=session_id)

    after = dock.placement(session_id)
    assert (after.work, after.next_retry_at, after.wanted) == (before.work, before.next_retry_at, before.wanted)


def test_watching_harms_no_credentials(dock: Dock, watch: Watch) -> None:
    ids = numbers(dock, 3)
    stores = [device_store.folder_of(dock.state_dir, one) / device_store.DEVICE_FILE for one in ids]
    before = [path.read_bytes() for path in stores]
    goes_offline(ids[0])
    goes_offline(ids[1], Reason.SERVER_UNREACHABLE)
    Placement.objects.filter(pk=ids[2]).update(
        state=State.REFUSED, reason=Reason.STREAM_REPLACED, wanted=Wanted.STOPPED
    )

    watch.looks(12)

    assert [path.read_bytes() for path in stores] == before
    assert all(dock.placement(one).device_jid for one in ids)


# -- what is told ------------------------------------------------------------------------------------------------------
def test_an_outage_is_told_once_and_its_end_once(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    watch.looks(60)
    comes_online(session_id)
    watch.looks(60)

    assert watch.titles == [DOWN, STILL, BACK]
    assert "It lasted about" in watch.told[-1].body


def test_a_connection_that_comes_and_goes_is_one_outage(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    for _ in range(10):
        goes_offline(session_id)
        watch.looks(3)
        comes_online(session_id)
        watch.looks()

    assert watch.titles.count(DOWN) == 1
    assert BACK not in watch.titles


def test_the_same_trouble_is_not_told_again_within_five_minutes(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    watch.looks(3)
    comes_online(session_id)
    watch.now -= timedelta(minutes=2)
    watch.looks(2)
    goes_offline(session_id)
    watch.now -= timedelta(minutes=2)
    watch.looks(3)

    assert watch.titles == [DOWN, BACK]
    watch.looks(4)
    assert watch.titles == [DOWN, BACK, DOWN, STILL][: len(watch.titles)]
    assert watch.titles.count(DOWN) == 2


def test_a_pause_in_the_middle_of_an_outage_is_not_called_a_recovery(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    watch.looks(3)
    Placement.objects.filter(pk=session_id).update(state=State.STOPPED, reason=Reason.PAUSED, wanted=Wanted.STOPPED)
    watch.looks(5)

    assert watch.titles == [DOWN]


def test_a_monitor_that_starts_again_repeats_nothing(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    watch.looks(3)
    another = Watch()
    another.now = watch.now

    another.looks(1)

    assert another.titles == []


def test_what_arrived_nowhere_is_told_again(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    watch.arrives = False
    watch.looks(4)
    watch.arrives = True
    watch.looks(1)

    assert watch.titles == [DOWN]


def test_warnings_come_together_and_once_an_hour_at_most(dock: Dock, watch: Watch) -> None:
    ids = numbers(dock, 2)
    Placement.objects.update(since=timezone.now() - timedelta(hours=1))
    for path in (dock.state_dir.parent / "backups").rglob("*.wharf-backup"):
        path.unlink()

    watch.looks(3)
    assert watch.titles == [WARNING]
    assert all(session_id in watch.told[0].body for session_id in ids)
    watch.looks(58)
    assert watch.titles == [WARNING]
    watch.looks(3)
    assert watch.titles == [WARNING] * 2


def test_a_long_list_is_cut(dock: Dock, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "MOST_IN_ONE", 1)
    ids = numbers(dock, 4)
    for session_id in ids[:3]:
        goes_offline(session_id)

    watch.looks(3)

    assert "And 2 more" in watch.told[0].body


def test_alerts_hold_no_whole_numbers_and_no_names_that_people_gave(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    number = dock.placement(session_id).device_jid.partition(":")[0]
    dock.do(sessions.change, session_id, name=f"Call +{number}")
    goes_offline(session_id)

    watch.looks(6)

    everything = "".join(f"{alert.title}{alert.body}" for alert in watch.told)
    assert number not in everything
    assert f"+{number[:3]}" in everything
    assert session_id in everything


def test_the_older_systems_words_come_in_russian(dock: Dock, watch: Watch) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    told: list[Alert] = []

    with translation.override("ru"):
        for minute in range(3):
            told += monitoring.look(lambda alert: True, now=timezone.now() + timedelta(minutes=minute))
        comes_online(session_id)
        for minute in range(3):
            told += monitoring.look(lambda alert: True, now=timezone.now() + timedelta(minutes=3 + minute))

    assert [alert.title for alert in told] == ["⚠️ WhatsApp отключен!", "✅ WhatsApp восстановлен"]


def test_sandbox_numbers_are_watched_too(dock: Dock, watch: Watch) -> None:
    session_id = dock.linked_before(1, Network.SANDBOX)[0]
    dock.run(backups.create, company=dock.company, session_id=session_id, by=SYSTEM)
    worker = Worker.objects.create(
        name="quiet", pid=1, capacity=9, store_id="x", lease_until=timezone.now() + timedelta(hours=1)
    )
    Placement.objects.filter(pk=session_id).update(owner=worker)
    goes_offline(session_id, Reason.NETWORK_MISSING)

    watch.looks(3)

    assert watch.titles == [DOWN]


def test_not_seeing_is_not_taken_for_numbers_that_are_away() -> None:
    blindness = monitoring.Blindness()

    with translation.override("en"):
        first, second, third = [blindness.cannot_see() for _ in range(3)]
        assert (first, second) == (None, None)
        assert third is not None
        assert "knows nothing of any number" in third.body
        blindness.was_told(third)
        assert blindness.cannot_see() is None
        back = blindness.sees()
        assert back is not None
        blindness.was_told(back)
        assert blindness.sees() is None


def test_old_troubles_are_forgotten_and_open_ones_are_not(db: None) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    Trouble.objects.create(subject="a", cause="offline", began_at=long_ago, ended_at=long_ago)
    Trouble.objects.create(subject="b", cause="offline", began_at=long_ago)

    forget_old_troubles(timestamp=0)

    assert [row.subject for row in Trouble.objects.all()] == ["b"]


# -- where it is told --------------------------------------------------------------------------------------------------
class Receiver(http.server.HTTPServer):
    """Somebody's alert service, on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.received: list[dict[str, Any]] = []
        self.status = 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://user:s3cr3t@127.0.0.1:{self.server_port}/alerts"


class _Taker(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.received.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that anybody logs, at any level."""
    lines: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, keeper = logging.getLogger(), Keeper()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(keeper)
    root.setLevel(level)


ALERT = Alert(Tone.FAILURE, "⚠️ WhatsApp отключен!", "Acme\nThe connection was lost")


def test_an_alert_arrives_where_it_was_addressed(receiver: Receiver) -> None:
    assert Alerts([receiver.url]).send(ALERT)

    (received,) = receiver.received
    assert (received["title"], received["message"], received["type"]) == (ALERT.title, ALERT.body, "failure")


def test_one_address_that_fails_keeps_no_other_from_hearing(receiver: Receiver, logged: list[str]) -> None:
    refusing = Receiver()
    refusing.status = 500

    assert Alerts([refusing.url, receiver.url]).send(ALERT)
    assert not Alerts([refusing.url]).send(ALERT)

    assert len(receiver.received) == 1
    assert "alert address 1 (json) did not take an alert" in logged
    assert "s3cr3t" not in "".join(logged)
    refusing.shutdown()
    refusing.server_close()


def test_an_address_that_makes_no_sense_is_named_without_its_secrets(logged: list[str]) -> None:
    alerts = Alerts(["nonsense://user:s3cr3t@nowhere"])

    assert len(alerts) == 0
    assert not alerts.send(ALERT)
    assert "s3cr3t" not in "".join(logged)


@pytest.mark.parametrize(
    "url",
    ["tgram://123456789:abcdefghijklmnopqrstuvwxyzabcdefghi/12345", "mailtos://user:pass@smtp.example.org?to=me@x.org"],
)
def test_telegram_and_e_mail_are_among_what_it_understands(url: str) -> None:
    assert len(Alerts([url])) == 1


def test_a_test_alert_can_be_sent(db: None, receiver: Receiver, settings: Settings) -> None:
    settings.ALERT_URLS = [receiver.url]

    call_command("session_monitor", "--test")

    assert len(receiver.received) == 1
    receiver.status = 500
    with pytest.raises(CommandError, match="No address") as failure:
        call_command("session_monitor", "--test")
    assert failure.value.returncode == 69


# -- the command -------------------------------------------------------------------------------------------------------
def start_monitor(dock: Dock, receiver: Receiver) -> subprocess.Popen[str]:
    database = str(connection.settings_dict["NAME"])
    backup_dir = str(dock.state_dir.parent / "backups")
    return subprocess.Popen(
        [sys.executable, "manage.py", "session_monitor", "--every", "0.1", "--language", "en"],
        cwd=ROOT,
        env={
            **os.environ,
            "WHARF_DATABASE_URL": os.environ["WHARF_DATABASE_URL"].rsplit("/", 1)[0] + f"/{database}",
            "WHARF_STATE_DIR": str(dock.state_dir),
            "WHARF_BACKUP_DIR": backup_dir,
            "WHARF_ALERT_URLS": receiver.url,
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_command_watches_until_it_is_told_to_end(dock: Dock, receiver: Receiver) -> None:
    (session_id,) = numbers(dock)
    goes_offline(session_id)
    monitor = start_monitor(dock, receiver)

    eventually(lambda: receiver.received, what="the alert arrives")
    comes_online(session_id)
    eventually(lambda: len(receiver.received) > 1 and receiver.received[-1]["title"] == BACK, what="the recovery")
    monitor.send_signal(signal.SIGTERM)
    printed, _ = monitor.communicate(timeout=30)

    assert monitor.returncode == 0
    assert [one["title"] for one in receiver.received if one["title"] != STILL] == [DOWN, BACK]
    assert "s3cr3t" not in printed


def test_of_two_monitors_one_watches_and_the_other_takes_over(dock: Dock, receiver: Receiver) -> None:
    (session_id,) = numbers(dock)
    first = start_monitor(dock, receiver)
    assert first.stdout is not None
    assert "Watching" in first.stdout.readline()
    goes_offline(session_id)
    eventually(lambda: receiver.received, what="the first watches")
    second = start_monitor(dock, receiver)
    assert second.stdout is not None
    assert "Watching" in second.stdout.readline()
    assert "Another monitor is watching" in second.stdout.readline()

    first.kill()
    first.communicate(timeout=30)
    comes_online(session_id)

    eventually(lambda: any(one["title"] == BACK for one in receiver.received), what="the second takes over")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=30)
    assert [one["title"] for one in receiver.received].count(DOWN) == 1
