"""Telling operators of trouble, wherever they want to hear of it: Telegram, e-mail and what else Apprise knows.

Addresses hold passwords and tokens: they come from the environment, and are never printed or logged.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import apprise

log = logging.getLogger("wharf.alerts")

# It names addresses, and quotes what servers answer.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class Tone(StrEnum):
    """Apprise's own words."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True)
class Alert:
    tone: Tone
    title: str
    body: str


#: Nothing is written to disk, and addresses are shortened wherever it would print one.
_ASSET: Final = apprise.AppriseAsset(
    storage_mode=apprise.PersistentStoreMode.MEMORY, app_id="Wharf", secure_logging=True, timezone="UTC"
)


def _add(target: apprise.Apprise, url: str) -> bool:
    """Apprise imports all its services at the first address, among them modules that Python 3.13 has dropped."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return target.add(url)


class Alerts:
    """The configured addresses; without any, nothing is sent and `send` says so."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._targets: list[tuple[str, apprise.Apprise]] = []
        for number, url in enumerate(urls, start=1):
            target = apprise.Apprise(asset=_ASSET)
            name = f"{number} ({url.partition(':')[0]})"
            if _add(target, url):
                self._targets.append((name, target))
            else:
                log.error("alert address %s is not one that Apprise understands", name)

    def __len__(self) -> int:
        return len(self._targets)

    def send(self, alert: Alert) -> bool:
        """Tell it everywhere; whether it arrived somewhere. Takes as long as the slowest address. Never raises."""
        arrived = [self._send_to(name, target, alert) for name, target in self._targets]
        return any(arrived)

    def _send_to(self, name: str, target: apprise.Apprise, alert: Alert) -> bool:
        try:
            is_sent = bool(target.notify(body=alert.body, title=alert.title, notify_type=alert.tone.value))
        except Exception as error:
            # Its text may quote the address.
            log.error("alert address %s failed: %s", name, type(error).__name__)
            return False
        if not is_sent:
            log.error("alert address %s did not take an alert", name)
        return is_sent
