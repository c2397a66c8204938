"""`manage.py session_pair --company X`: link a phone from a terminal, by pairing code or by QR code.

It asks for the link through the same services as pages and the API; the worker makes it. No second connection.
"""

import io
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import segno
from django.core.management.base import CommandError, CommandParser

from accounts.permissions import SYSTEM
from fleet.models import Network
from tenants.companies import find_company
from tenants.context import run_in
from tenants.models import Company
from wharf.commands import WharfCommand
from wharf.tables import table
from wharf.terminal import over_the_last
from whatsapp import phones
from whatsapp.models import MessageStatus, Session
from whatsapp.services import outbound, pairing, sessions
from whatsapp.services.naming import find_meant
from whatsapp.services.pairing import Outcome, Step

_POLL_SECONDS: Final = 0.5
_EXPIRED, _REFUSED, _INTERRUPTED = 75, 1, 130
_TEST_TEXT: Final = "Wharf is connected."
#: How long a test message may take to reach WhatsApp.
_TEST_POLLS: Final = 60


class Command(WharfCommand):
    help = "Link a phone to a session: shows the pairing code or the QR code, and waits for the end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--company", required=True, help="The company's slug or id.")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--session", default="", help="The session's id or name; asked for without it.")
        which.add_argument("--new", metavar="NAME", help="Make a session of that name.")
        parser.add_argument("--network", choices=Network.values, default=Network.WHATSAPP, help="Of a new session.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--phone", default="", help="Link by pairing code for this number; asked for without it.")
        how.add_argument("--qr", action="store_true", help="Link by QR code.")
        parser.add_argument("--test-message-to", default="", metavar="NUMBER", help="Then send a test message there.")

    def handle(self, *args: Any, **options: Any) -> None:
        company = find_company(options["company"])
        _check(options)
        session_id = self._session(company, options)
        phone = "" if options["qr"] else options["phone"] or _ask("Phone number (empty for a QR code): ")
        pairing.begin(company=company, session_id=session_id, by=SYSTEM, phone=phone)
        self.stdout.write(_HOW_BY_CODE if phone else _HOW_BY_QR)
        last = self._wait(company, session_id, with_code=bool(phone))
        self._conclude(company, session_id, last)
        self._test(company, session_id, options["test_message_to"])

    # -- which session -------------------------------------------------------------------------------------------------
    def _session(self, company: Company, options: dict[str, Any]) -> str:
        if options["new"] is not None:
            wanted: dict[str, Any] = {"company": company, "name": options["new"], "network": options["network"]}
            return str(run_in(company, sessions.create, by=SYSTEM, start=False, **wanted).pk)
        if options["session"]:
            return find_meant(options["session"], company.slug)[1]
        return self._chosen(run_in(company, pairing.unlinked_sessions, SYSTEM))

    def _chosen(self, candidates: list[Session]) -> str:
        if not candidates:
            raise CommandError("No session of this company waits for a phone; make one with --new NAME.")
        if len(candidates) == 1:
            return str(candidates[0].pk)
        rows = [[number, one.name or "-", one.pk] for number, one in enumerate(candidates, start=1)]
        self.stdout.write("\n".join(table(["", "name", "session"], rows)))
        answer = _ask("Which one? ")
        if not answer.isdecimal() or not 0 < int(answer) <= len(candidates):
            raise CommandError("Say which session with --session.", returncode=64)
        return str(candidates[int(answer) - 1].pk)

    # -- waiting -------------------------------------------------------------------------------------------------------
    def _wait(self, company: Company, session_id: str, *, with_code: bool) -> Step:
        show, last = _Shown(self), Step()
        with _until_interrupted() as stop:
            steps = pairing.follow(
                company=company,
                session_id=session_id,
                by=SYSTEM,
                with_code=with_code,
                pause=lambda: show.again(stop.wait(_POLL_SECONDS)),
            )
            for last in steps:
                show.step(last)
                if last.code_refused:
                    break
        show.end()
        return last

    def _conclude(self, company: Company, session_id: str, last: Step) -> None:
        if last.outcome == Outcome.CONNECTED:
            self.stdout.write(f"Connected: {phones.masked(last.number)}.")
            return
        # Whatever is in the making is given up in good order; a phone that has agreed meanwhile stays linked.
        run_in(company, sessions.cancel_link, company=company, session_id=session_id, by=SYSTEM)
        if last.code_refused:
            hint = " WhatsApp asks for a pause of 30 to 60 minutes then." if "rate" in last.code_refused else ""
            sentence = f"WhatsApp gave no code ({last.code_refused}).{hint} --qr is the other way."
            raise CommandError(sentence, returncode=_REFUSED)
        if last.outcome is None:
            raise CommandError("Interrupted; nothing was linked.", returncode=_INTERRUPTED)
        is_late = last.outcome == Outcome.EXPIRED
        raise CommandError(f"Not linked. {last.reason}", returncode=_EXPIRED if is_late else _REFUSED)

    # -- a test message ------------------------------------------------------------------------------------------------
    def _test(self, company: Company, session_id: str, phone: str) -> None:
        phone = phone or _ask("Send a test message to (empty for none): ")
        if not phone:
            return
        options: dict[str, Any] = {"company": company, "session_id": session_id, "phone": phone}
        message = run_in(company, outbound.queue_text, by=SYSTEM, text=_TEST_TEXT, **options)
        with _until_interrupted() as stop:
            for _ in range(_TEST_POLLS):
                row = run_in(company, outbound.find_message, message.pk, session_id=session_id, by=SYSTEM)
                status = row.status
                if status not in (MessageStatus.QUEUED, MessageStatus.SENT) or stop.wait(_POLL_SECONDS):
                    break
        if status not in (MessageStatus.SERVER_ACK, MessageStatus.DELIVERED, MessageStatus.READ):
            raise CommandError(f"The test message is {status}.", returncode=_REFUSED)
        self.stdout.write("WhatsApp has taken the test message.")


_HOW_BY_CODE: Final = """On the phone: WhatsApp, Settings, Linked devices, Link a device, Link with phone number.
Ctrl-C gives up."""
_HOW_BY_QR: Final = """On the phone: WhatsApp, Settings, Linked devices, Link a device; then scan.
Ctrl-C gives up."""


def _check(options: dict[str, Any]) -> None:
    """All that can be refused before a session is made for it. Raises BadPhoneNumber, NoWorker."""
    for number in (options["phone"], options["test_message_to"]):
        if number:
            phones.normalise(number)
    pairing.require_worker()


class _Shown:
    """What stands on the screen: the code with its seconds, or the newest QR code."""

    def __init__(self, command: Command) -> None:
        self._out = command.stdout
        self._is_terminal = self._out.isatty()
        self._step = Step()

    def step(self, step: Step) -> None:
        if step.qr and step.qr != self._step.qr:
            picture = _blocks(step.qr)
            self._write(over_the_last(f"{_HOW_BY_QR}\n{picture}") if self._is_terminal else picture)
        elif step.code and step.code != self._step.code and not self._is_terminal:
            self._write(f"{step.code} ({step.seconds_left} s left)\n")
        self._step = step
        self._count_down()

    def again(self, is_interrupted: bool) -> bool:
        """Between two looks at the rows; says whether to go on."""
        self._count_down()
        return not is_interrupted

    def _count_down(self) -> None:
        if self._is_terminal and self._step.code:
            self._write(f"\r  {self._step.code}   {self._step.seconds_left:3} s left ")

    def end(self) -> None:
        if self._is_terminal and self._step.code:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text, ending="")
        self._out.flush()


def _blocks(text: str) -> str:
    drawn = io.StringIO()
    segno.make(text, micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()


def _ask(question: str) -> str:
    """What the person at the terminal types; nobody is asked where there is none."""
    return input(question).strip() if sys.stdin.isatty() else ""


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Ctrl-C sets an event, so that nothing is cut off in the middle of a query."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
