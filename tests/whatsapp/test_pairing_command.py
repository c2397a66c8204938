"""`session_pair`: a phone linked from a terminal through the same services, and every way it can end."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from accounts.permissions import SYSTEM
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import State, Wanted
from tenants.models import Company
from tests.waiting import eventually
from tests.whatsapp.dock import Dock
from tests.whatsapp.harbour import Harbour
from whatsapp.management.commands import session_pair
from whatsapp.models import Message, Session
from whatsapp.services import sessions
from whatsapp.worker import run

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}")


@pytest.fixture
def dock(
    live_companies: tuple[Company, Company], tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dock]:
    settings.SANDBOX_URL = ""
    monkeypatch.setattr(run, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(session_pair, "_POLL_SECONDS", 0.02)
    with Dock.made(live_companies[0], tmp_path) as dock:
        yield dock


class Meanwhile:
    """What somebody does with a phone while the command waits."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._do, args=(work,), daemon=True)

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as failure:
            self._failure = failure
        finally:
            connection.close()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._thread.join(60)
        if self._failure is not None:
            raise self._failure


def pair(*arguments: str, screen: StringIO | None = None) -> str:
    output = screen or StringIO()
    call_command("session_pair", "--company", "acme", *arguments, stdout=output)
    return output.getvalue()


def fails(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as failure:
        pair(*arguments)
    return failure.value


# -- with the real engine ----------------------------------------------------------------------------------------------
def test_a_phone_is_linked_by_code_and_a_test_message_leaves(harbour: Harbour) -> None:
    shop, bob = harbour.phone("Shop"), harbour.phone("Bob")
    session_id = harbour.new_session("Front desk")

    screen = StringIO()

    def types_what_it_shows() -> None:
        code = eventually(lambda: CODE.search(screen.getvalue()), what="the code is shown")
        harbour.wa.type_code(shop, code[0])

    with Meanwhile(types_what_it_shows):
        numbers = ("--phone", f"+{shop.number}", "--test-message-to", f"+{bob.number}")
        said = pair("--session", "Front desk", *numbers, screen=screen)

    assert harbour.session(session_id).account is not None
    assert "Connected: +491" in said
    assert shop.number not in said
    assert said.endswith("WhatsApp has taken the test message.\n")
    eventually(lambda: [message.text for message in bob.inbox] == ["Wharf is connected."], what="it arrives")
    harbour.shows(session_id, State.CONNECTED)


def test_a_phone_is_linked_by_the_qr_code_that_the_terminal_shows(harbour: Harbour) -> None:
    shop = harbour.phone("Shop")
    session_id = harbour.new_session("Front desk")

    screen = StringIO()

    def scans_what_it_shows() -> None:
        eventually(lambda: "█" in screen.getvalue(), what="the code is drawn")
        harbour.wa.scan(shop, harbour.qr(session_id))

    with Meanwhile(scans_what_it_shows):
        said = pair("--session", session_id, "--qr", screen=screen)

    assert "\x1b" not in said
    assert "Connected: " in said


# -- every other end ---------------------------------------------------------------------------------------------------
def on_show(dock: Dock, session_id: str) -> None:
    dock.shows(session_id, State.PAIRING)


def paired_meanwhile(dock: Dock, session_id: str, end: Callable[[str], object]) -> Meanwhile:
    def work() -> None:
        on_show(dock, session_id)
        end(session_id)

    return Meanwhile(work)


def test_nobody_who_scans_in_time_is_an_end_of_its_own(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()

    with paired_meanwhile(dock, session_id, dock.engine.codes_run_out):
        failure = fails("--session", session_id, "--qr")

    assert failure.returncode == 75
    assert "Nobody scanned in time" in str(failure)
    assert dock.placement(session_id).wanted == Wanted.STOPPED


def test_a_refused_link_says_so(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()

    with paired_meanwhile(dock, session_id, dock.engine.link_is_refused):
        failure = fails("--session", session_id, "--qr")

    assert failure.returncode == 1
    assert "WhatsApp did not complete the link" in str(failure)


def test_a_code_that_whatsapp_does_not_give_ends_it_in_good_order(dock: Dock) -> None:
    dock.engine.refuses_codes = True
    dock.work()
    session_id = dock.fresh()
    on_show(dock, session_id)

    failure = fails("--session", session_id, "--phone", "+4915550000001")

    assert failure.returncode == 1
    assert "WhatsApp gave no code" in str(failure)
    assert dock.placement(session_id).wanted == Wanted.STOPPED


def test_a_code_that_nobody_typed_is_not_waited_for_for_ever(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()
    expired = "2001-01-01T00:00Z"

    def expires() -> None:
        dock.code(session_id)
        eventually(lambda: dock.run(Session.objects.filter(pk=session_id).update, pairing_code_expires_at=expired))

    with Meanwhile(expires):
        said_by = fails("--session", session_id, "--phone", "+4915550000001")

    assert said_by.returncode == 75
    # Given up by us, and not only when WhatsApp's own codes had run out.
    dock.shows(session_id, State.UNPAIRED, Reason.PAIRING_CANCELLED)


def test_without_a_worker_nobody_is_kept_waiting(dock: Dock) -> None:
    session_id = dock.fresh()
    dock.do(sessions.pause, session_id)

    failure = fails("--session", session_id, "--qr")

    assert failure.returncode == 69
    assert dock.placement(session_id).wanted == Wanted.STOPPED


@pytest.mark.parametrize("number", ["123", "not a number"])
def test_a_wrong_number_is_refused_before_anything_is_asked_for(dock: Dock, number: str) -> None:
    dock.work()
    session_id = dock.fresh()

    failure = fails("--session", session_id, "--phone", number)

    assert failure.returncode == 64
    assert dock.session(session_id).pairing_phone == ""


@pytest.mark.parametrize("numbers", [["--phone", "12"], ["--qr", "--test-message-to", "12"]])
def test_no_session_is_made_for_a_wrong_number(dock: Dock, numbers: list[str]) -> None:
    dock.work()

    assert fails("--new", "Back office", *numbers).returncode == 64
    assert not dock.run(Session.objects.exists)


def test_no_session_is_made_while_nobody_could_link_it(dock: Dock) -> None:
    assert fails("--new", "Back office", "--qr").returncode == 69
    assert not dock.run(Session.objects.exists)


def test_a_linked_session_is_not_linked_a_second_time(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    jid = dock.placement(session_id).device_jid

    failure = fails("--session", session_id, "--phone", "+4915550000001")

    assert "already linked" in str(failure)
    assert dock.placement(session_id).device_jid == jid


def test_a_session_of_another_company_is_not_found(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()

    with pytest.raises(CommandError, match="not found"):
        call_command("session_pair", "--company", "globex", "--session", session_id, "--qr")


def test_the_only_session_that_waits_for_a_phone_need_not_be_named(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()

    with paired_meanwhile(dock, session_id, lambda one: dock.engine.phone_scans(one, "4915550000001")):
        said = pair("--qr")

    assert "Connected" in said


def test_of_several_one_must_be_named_where_nobody_can_be_asked(dock: Dock) -> None:
    dock.work()
    dock.fresh("One")
    dock.fresh("Two")

    failure = fails("--qr")

    assert failure.returncode == 64


def test_a_new_session_can_be_made_for_it(dock: Dock) -> None:
    dock.work()

    def scans() -> None:
        made = eventually(lambda: dock.run(Session.objects.filter(name="Back office").first), what="it is made")
        on_show(dock, made.pk)
        dock.engine.phone_scans(made.pk, "4915550000001")

    with Meanwhile(scans):
        said = pair("--new", "Back office", "--qr")

    assert "Connected" in said
    assert not dock.run(Message.objects.exists)


# -- at a terminal -----------------------------------------------------------------------------------------------------
class Terminal:
    """The command on a terminal of its own, as a person sees it."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        database = str(connection.settings_dict["NAME"])
        url = os.environ["WHARF_DATABASE_URL"].rsplit("/", 1)[0] + f"/{database}"
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "session_pair", "--company", "acme", *arguments],
            cwd=ROOT,
            env={**os.environ, "WHARF_DATABASE_URL": url, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 4096)
            except OSError:
                return
            self.seen += piece.decode(errors="replace")

    def shows(self, words: str) -> None:
        eventually(lambda: words in self.seen, what=f"{words!r} on the terminal; seen: {self.seen[-500:]}")

    def types(self, text: str) -> None:
        os.write(self._ours, f"{text}\n".encode())

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(30)

    def ends(self) -> int:
        return self._process.wait(30)


def test_a_person_is_asked_and_sees_the_seconds_run(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh("One")
    dock.fresh("Two")
    terminal = Terminal()

    terminal.shows("Which one?")
    terminal.types("2")
    terminal.shows("Phone number")
    terminal.types("+49 1555 0000001")
    terminal.shows("s left")
    assert CODE.search(terminal.seen)
    dock.engine.phone_scans(session_id, "4915550000001")
    terminal.shows("Send a test message")
    terminal.types("")

    assert terminal.ends() == 0
    assert "Connected" in terminal.seen


def test_ctrl_c_gives_up_and_leaves_nothing_under_way(dock: Dock) -> None:
    dock.work()
    session_id = dock.fresh()
    terminal = Terminal("--session", session_id, "--qr")
    terminal.shows("█")

    code = terminal.interrupt()

    assert code == 130
    terminal.shows("nothing was linked")
    dock.shows(session_id, State.UNPAIRED, Reason.PAIRING_CANCELLED)
    assert Placement.objects.get(pk=session_id).wanted == Wanted.STOPPED


def test_giving_up_leaves_a_phone_linked_that_has_just_agreed(dock: Dock) -> None:
    dock.work()
    session_id = dock.connected()
    options: dict[str, Any] = {"company": dock.company, "session_id": session_id, "by": SYSTEM}

    assert not dock.run(sessions.cancel_link, **options)

    dock.shows(session_id, State.CONNECTED)
