"""What people read of the event log: what each kind is called, and in a few words what an event says."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext

from fleet.reasons import SENTENCES
from wharf.errors import sentence
from whatsapp.catalogue import KINDS
from whatsapp.models import Event, Session
from whatsapp.pages import media
from whatsapp.pages.words import mark_of, reason_text
from whatsapp.services import batches
from whatsapp.services.webhooks import TEST_KIND

TITLES: Final[dict[str, str]] = {
    "session.created": sentence("A number was added"),
    "session.changed": sentence("A number changed"),
    "message.new": sentence("New message"),
    "message.status": sentence("A message's status"),
    "message.lost": sentence("A message was lost"),
    "message.reaction": sentence("Reaction"),
    "chat.changed": sentence("A chat changed"),
    "access.changed": sentence("Access changed"),
    "webhook.disabled": sentence("A webhook was switched off"),
    batches.KIND: sentence("Messages of one chat"),
    TEST_KIND: sentence("Trial event"),
}
_GROUPS: Final[dict[str, str]] = {
    "message": sentence("Messages"),
    "chat": sentence("Chats"),
    "session": sentence("Numbers"),
    "access": sentence("People"),
    "webhook": sentence("Webhooks"),
}


@dataclass(frozen=True)
class KindChoice:
    name: str
    title: str


@dataclass(frozen=True)
class KindGroup:
    title: str
    kinds: list[KindChoice]


def title_of(kind: str) -> str:
    title = TITLES.get(kind)
    return gettext(title) if title else kind


def kind_groups() -> list[KindGroup]:
    """The catalogue as people choose from it."""
    return [
        KindGroup(gettext(title), [KindChoice(name, title_of(name)) for name in KINDS if name.startswith(f"{prefix}.")])
        for prefix, title in _GROUPS.items()
    ]


def labels_of(session_ids: Iterable[str]) -> dict[str, str]:
    """What these sessions are called, also those in the archive."""
    rows = Session.objects.filter(pk__in={*session_ids} - {""}).select_related("account")
    return {row.pk: row.label or gettext("New number") for row in rows}


def as_text(body: Mapping[str, Any]) -> str:
    """JSON for reading."""
    return json.dumps(body, ensure_ascii=False, indent=2)


# -- one event ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class EventRow:
    """An event as a list shows it; `about` in a few words."""

    row: Event
    title: str
    number: str
    about: str


def rows_of(events: list[Event]) -> list[EventRow]:
    labels = labels_of(row.session_id for row in events)
    return [EventRow(row, title_of(row.kind), labels.get(row.session_id, ""), about(row)) for row in events]


#: Characters of what an event is about.
_SHORT: Final = 120


def about(row: Event) -> str:
    """Empty for what says nothing that people could read."""
    data: dict[str, Any] = row.data
    match row.kind:
        case "message.new":
            words = _of_message(data)
        case "message.status":
            words = mark_of(str(data.get("status", "")))[1] or str(data.get("status", ""))
        case "message.reaction":
            words = " ".join(str(each["emoji"]) for each in data.get("reactions", ()))
        case "chat.changed":
            words = str(data.get("chatName", ""))
        case "session.created" | "session.changed":
            words = reason_text(data["reason"]) if data.get("reason") in SENTENCES else str(data.get("state", ""))
        case "webhook.disabled":
            words = str(data.get("description") or data.get("reason", ""))
        case _:
            words = ""
    return words[:_SHORT]


def _of_message(data: dict[str, Any]) -> str:
    chat, message = data.get("chat") or {}, data.get("message") or {}
    arrow = "→" if message.get("fromMe") else "←"
    body, kind = message.get("body") or "", message.get("messageType") or ""
    words = media.in_a_list(kind, body, None)[1] if kind in media.KINDS else body or kind
    return f"{arrow} {chat.get('chatName', '')}: {words}"
