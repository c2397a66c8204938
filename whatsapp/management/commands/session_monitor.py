"""`manage.py session_monitor`: watch over all numbers, reconnect once and gently, and tell operators once."""

import signal
import threading
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections
from django.utils import translation

from fleet import solo
from wharf.alerts import Alert, Alerts, Tone
from wharf.commands import WharfCommand, seconds
from wharf.errors import Kind
from wharf.meanings import MEANINGS
from whatsapp.services import monitoring
from whatsapp.worker.storing import DATABASE_AWAY

_UNAVAILABLE: Final = MEANINGS[Kind.UNAVAILABLE].exit_code


class Command(WharfCommand):
    help = "Watch over all numbers and tell operators of trouble, once for each cause. Deletes and unlinks nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        languages = [code for code, _ in settings.LANGUAGES]
        parser.add_argument("--every", type=seconds, default=60.0, metavar="SECONDS", help="How often to look (60).")
        parser.add_argument("--language", choices=languages, default=settings.LANGUAGE_CODE, help="Of the alerts.")
        parser.add_argument("--test", action="store_true", help="Send one test alert to every address, and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        alerts = Alerts(settings.ALERT_URLS)
        if options["test"]:
            self._test(alerts)
            return
        self.stdout.write(f"Watching; alerts go to {len(alerts)} addresses and to this output.")
        with translation.override(options["language"]):
            self._watch(alerts, options["every"])

    def _test(self, alerts: Alerts) -> None:
        if not alerts.send(Alert(Tone.INFO, "Wharf", "This is a test: alerts arrive here.")):
            raise CommandError("No address took the alert (WHARF_ALERT_URLS)", returncode=_UNAVAILABLE)
        self.stdout.write("The test alert has arrived at one address at least.")

    def _watch(self, alerts: Alerts, every: float) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        blindness, only_one, was_mine = monitoring.Blindness(), solo.Solo(solo.MONITOR), True
        while not stop.is_set():
            try:
                is_mine = only_one.is_mine()
                if is_mine:
                    self._look(alerts, blindness)
                elif was_mine:
                    self.stdout.write("Another monitor is watching; this one takes over when that one ends.")
                was_mine = is_mine
            except DATABASE_AWAY as error:
                self._say(f"The database cannot be reached ({type(error).__name__}).")
                self._tell_of(blindness.cannot_see(), alerts, blindness)
            finally:
                close_old_connections()
            stop.wait(every)
        only_one.give_back()

    def _look(self, alerts: Alerts, blindness: monitoring.Blindness) -> None:
        self._tell_of(blindness.sees(), alerts, blindness)
        monitoring.look(lambda alert: self._send(alert, alerts))

    def _tell_of(self, alert: Alert | None, alerts: Alerts, blindness: monitoring.Blindness) -> None:
        if alert is not None and self._send(alert, alerts):
            blindness.was_told(alert)

    def _send(self, alert: Alert, alerts: Alerts) -> bool:
        """Without any address this output is where alerts go."""
        self._say(f"{alert.title}\n{alert.body}\n")
        return alerts.send(alert) if len(alerts) else True

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
