"""What people read of a webhook endpoint: how it is doing, and what became of a delivery."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext, ngettext

from wharf.errors import sentence
from whatsapp.models import DeadLetter, Delivery, WebhookEndpoint
from whatsapp.models.webhook import DisabledReason
from whatsapp.pages.event_words import labels_of, title_of


@dataclass(frozen=True)
class Health:
    """`tone` is the colour of its dot; `since` when that began, `next_at` when the next try is due."""

    tone: str
    title: str
    detail: str = ""
    since: datetime | None = None
    next_at: datetime | None = None


_OFF: Final[dict[str, str]] = {
    DisabledReason.BY_PERSON: sentence("Somebody switched it off. Switched on again, it goes on where it stopped."),
    DisabledReason.GONE: sentence(
        "The receiver answered 410: it wants nothing any more. Correct the address and switch it on again."
    ),
    DisabledReason.UNREACHABLE: sentence(
        "The receiver took nothing for three days. Nothing is lost: once it works, switch the endpoint on again."
    ),
    DisabledReason.SECRET_UNREADABLE: sentence(
        "Its secret cannot be read any more. Make a new secret, give its headers again, and switch it on."
    ),
}


def health_of(row: WebhookEndpoint) -> Health:
    """Needs `lanes` prefetched."""
    if not row.is_active:
        tone = "idle" if row.disabled_reason in ("", DisabledReason.BY_PERSON) else "bad"
        return Health(tone, gettext("Switched off"), off_because(row), row.disabled_at)
    if row.failing_since:
        return _failing(row)
    stuck = len({lane.session_id for lane in row.lanes.all() if not lane.is_replay and lane.attempts})
    if stuck:
        return Health("wait", gettext("Refuses some events"), _stuck(stuck))
    replays = sum(lane.is_replay for lane in row.lanes.all())
    return Health("good", gettext("Working"), _replays(replays) if replays else "")


def off_because(row: WebhookEndpoint) -> str:
    """Why it is switched off, and what to do."""
    text = _OFF.get(row.disabled_reason)
    return gettext(text) if text else ""


def _failing(row: WebhookEndpoint) -> Health:
    open_until = row.open_until if row.open_until and row.open_until > timezone.now() else None
    words = ngettext("%(count)s failure in a row.", "%(count)s failures in a row.", row.failures)
    detail = words % {"count": row.failures}
    if row.open_until:
        detail += " " + gettext("The receiver is spared: one request at a time, until one is taken.")
    return Health("bad", gettext("Failing"), detail, row.failing_since, open_until)


def _stuck(count: int) -> str:
    words = ngettext(
        "%(count)s number waits for its next event to be taken; others go on.",
        "%(count)s numbers wait for their next event to be taken; others go on.",
        count,
    )
    return words % {"count": count}


def _replays(count: int) -> str:
    words = ngettext("%(count)s replay is under way.", "%(count)s replays are under way.", count)
    return words % {"count": count}


# -- deliveries --------------------------------------------------------------------------------------------------------
_ERRORS: Final[dict[str, str]] = {
    "timeout": sentence("No answer in time"),
    "name": sentence("The host was not found"),
    "address": sentence("The host leads to an address that is not allowed"),
    "tls": sentence("No secure connection: look at the receiver's certificate"),
    "connection": sentence("No connection"),
    "protocol": sentence("The answer was no HTTP"),
}


def outcome_of(status: int | None, error: str) -> str:
    """HTTP's status, or what went wrong before there was one."""
    if status is not None:
        return f"HTTP {status}"
    words = _ERRORS.get(error)
    return gettext(words) if words else error


@dataclass(frozen=True)
class Try:
    """A line of the delivery log, or of what was given up."""

    row: Delivery | DeadLetter
    title: str
    number: str
    outcome: str


def tries_of(rows: Sequence[Delivery | DeadLetter]) -> list[Try]:
    labels = labels_of(row.session_id for row in rows)
    return [
        Try(row, title_of(row.event_kind), labels.get(row.session_id, ""), outcome_of(row.status, row.error))
        for row in rows
    ]
