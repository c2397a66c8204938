"""A number's queue: what waits to leave and why, stopping it, taking texts back, and how fast it goes."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import PageRequest
from accounts.permissions import Permission
from wharf.errors import sentence
from whatsapp.models import Message
from whatsapp.pages.base import do, number, page, show
from whatsapp.pages.cards import card_of
from whatsapp.pages.errors import BadPace
from whatsapp.services import access, pacing, queue
from whatsapp.services.pacing import Rules, Wait
from whatsapp.services.queue import Waiting

#: Texts on one page.
ROWS: Final = 50
#: As the API has them.
_LONGEST_GAP: Final = 3600.0
_MOST_A_DAY: Final = 1_000_000


@dataclass(frozen=True)
class Held:
    """Why something waits, and until when if anybody can tell."""

    why: str
    until: datetime | None


@dataclass(frozen=True)
class QueueRow:
    """`held` is None of what is about to leave; `others` wait for the same chat on this page."""

    position: int
    message: Message
    held: Held | None
    others: int
    may_cancel: bool


def held_by(wait: Wait | None) -> Held | None:
    return Held(gettext(pacing.WHY[wait.reason]), wait.until) if wait else None


@require_safe
@page
def overview(request: PageRequest, session_id: str) -> HttpResponse:
    caller, at = request.caller, number(request, "page", most=100_000)
    found, rows, whole = queue.look(
        company=caller.company, session_id=session_id, by=caller.actor, number=at, limit=ROWS
    )
    may = access.permissions_on(session_id, caller.actor)
    context: dict[str, Any] = {
        "card": card_of(found.session, may),
        "queue": found,
        "held": held_by(found.wait),
        "held_new": held_by(found.new_wait),
        "rows": _rows(request, rows, may),
        "at": at,
        "older": at + 1 if at < whole.pages else 0,
        "newer": at - 1,
        "may_pace": Permission.SESSION_CONTROL in may,
    }
    parts = {"state": "pages/parts/queue_state.html", "rows": "pages/parts/queue_rows.html"}
    return show(request, "pages/queue.html", context, parts=parts)


def _rows(request: PageRequest, rows: list[Waiting], may: frozenset[Permission]) -> list[QueueRow]:
    """Buttons for what their reader may take back: their own, or everybody's."""
    user_id, all_of_them = request.caller.actor.user_id, Permission.CHAT_MANAGE in may
    chats = [row.message.chat_id for row in rows]
    return [
        QueueRow(
            position=row.position,
            message=row.message,
            held=held_by(row.wait),
            others=chats.count(row.message.chat_id) - 1,
            may_cancel=all_of_them or (Permission.CHAT_WRITE in may and row.message.sent_by_id == user_id),
        )
        for row in rows
    ]


# -- taking back -------------------------------------------------------------------------------------------------------
@require_POST
@page
def cancel(request: PageRequest, session_id: str, message_id: str) -> HttpResponse:
    caller, here = request.caller, reverse("queue", args=[session_id])
    return do(
        request,
        lambda: queue.cancel(company=caller.company, session_id=session_id, message_id=message_id, by=caller.actor),
        to=here,
        done=sentence("The message is taken back."),
        back=here,
    )


@require_POST
@page
def cancel_chat(request: PageRequest, session_id: str, chat_id: str) -> HttpResponse:
    caller, here = request.caller, reverse("queue", args=[session_id])
    return do(
        request,
        lambda: queue.cancel_chat(company=caller.company, session_id=session_id, chat_id=chat_id, by=caller.actor),
        to=here,
        done=_taken_back,
        back=here,
    )


def _taken_back(count: int) -> str:
    words = ngettext("%(count)s message is taken back.", "%(count)s messages are taken back.", count)
    return words % {"count": count}


# -- the pace ----------------------------------------------------------------------------------------------------------
@require_POST
@page
def pace(request: PageRequest, session_id: str) -> HttpResponse:
    caller, here = request.caller, reverse("queue", args=[session_id])
    return do(
        request,
        lambda: queue.set_pace(company=caller.company, session_id=session_id, rules=_rules(request), by=caller.actor),
        to=here,
        done=sentence("Saved."),
        back=here,
    )


def _rules(request: PageRequest) -> Rules:
    """Raises BadPace."""
    said = request.POST
    return Rules(
        min_gap=_seconds(said.get("min_gap", "")),
        max_gap=_seconds(said.get("max_gap", "")),
        daily_limit=_count(said.get("daily_limit", "")),
        new_chat_limit=_count(said.get("new_chat_limit", "")),
    )


def _seconds(text: str) -> float:
    try:
        value = float(text.strip().replace(",", ".") or 0)
    except ValueError as error:
        raise BadPace from error
    if not (math.isfinite(value) and 0 <= value <= _LONGEST_GAP):
        raise BadPace
    return value


def _count(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= _MOST_A_DAY):
        raise BadPace
    return int(text)
