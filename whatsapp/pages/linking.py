"""Linking a number: where it stands, for a page that follows it live."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_POST, require_safe

from accounts.pages import PageRequest
from accounts.permissions import Permission
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import LIVE, State, Wanted
from whatsapp import phones, qr
from whatsapp.models import Session
from whatsapp.pages.base import do, page, show
from whatsapp.pages.cards import Permissions, card_of
from whatsapp.pages.words import reason_text
from whatsapp.services import access, lines, sessions
from whatsapp.services.code_limits import ANSWER

#: The ways to link. The page shows both, or the one it is asked for (seed contract 4.5).
WAYS: Final = ("qr", "code")
#: Nothing has gone wrong: codes just have not been asked for.
_UNTRIED = frozenset({Reason.NONE, Reason.NEVER_LINKED, Reason.IMPORTED, Reason.PAIRING_CANCELLED, Reason.UNLINKED})


@dataclass(frozen=True)
class Challenge:
    """What is on show. `qr_text` is for the sandbox's phones, which have no camera."""

    picture: SafeString | None
    qr_text: str
    qr_expires_at: datetime | None
    code: str
    code_expires_at: datetime | None
    code_phone: str
    code_error: str
    is_code_asked: bool
    #: Until then WhatsApp may take to answer; another request is refused.
    answer_due_at: datetime | None
    is_code_expired: bool
    #: So many QR codes went by that the other way is advised (seed row 38).
    is_better_by_code: bool


def challenge_of(row: Session) -> Challenge:
    text, code = row.current_qr, row.current_code
    asked = bool(row.pairing_phone)
    return Challenge(
        picture=mark_safe(qr.svg(text)) if text else None,  # noqa: S308  # our own drawing
        qr_text=text,
        qr_expires_at=row.qr_expires_at if text else None,
        code=code,
        code_expires_at=row.pairing_code_expires_at if code else None,
        code_phone=phones.shown(row.pairing_phone),
        code_error=row.pairing_error,
        is_code_asked=asked and not (row.pairing_code or row.pairing_error),
        answer_due_at=_answer_due_at(row),
        is_code_expired=asked and bool(row.pairing_code) and not code,
        is_better_by_code=row.is_better_by_code,
    )


def _answer_due_at(row: Session) -> datetime | None:
    due = row.pairing_requested_at + ANSWER if row.pairing_requested_at else None
    return due if due and due > timezone.now() else None


def phase_of(placement: Placement) -> str:
    """Where the link stands: connected, finishing, linked (and offline), leaving, codes, ended or idle."""
    if placement.wanted == Wanted.UNLINKED:
        return "leaving"
    if placement.is_linked:
        return _linked_phase(placement)
    if placement.wanted == Wanted.RUNNING or (placement.state in LIVE and placement.reason == Reason.FINISHING_LINK):
        return "codes"
    return "idle" if Reason(placement.reason) in _UNTRIED else "ended"


def _linked_phase(placement: Placement) -> str:
    if placement.shown_state == State.CONNECTED:
        return "connected"
    return "finishing" if placement.wanted == Wanted.RUNNING else "linked"


@require_safe
@page
def link(request: PageRequest, session_id: str) -> HttpResponse:
    """The page itself changes nothing; where nothing runs yet, its script presses the start button once.

    `?way=qr` and `?way=code` show one way of linking alone.
    """
    by = request.caller.actor
    session = access.find_session(session_id, by=by, needs=access.LINK)
    may, way = access.permissions_on(session_id, by), _way(request)
    at = {"code": reverse("code", args=[session_id]), "start": reverse("start", args=[session_id])}
    context = where_it_stands(session, may, way) | {
        "at": at,
        "is_nothing_new": "part" not in request.GET or request.GET.get("since") == "connected",
        "ways": [way] if way else WAYS,
    }
    return show(request, "pages/link.html", context, parts={"link": "pages/parts/link.html"})


def where_it_stands(session: Session, may: Permissions, way: str = "") -> dict[str, Any]:
    """What every page that links shows; `at` and `ways` come from the page."""
    phase = phase_of(session.placement)
    return {
        "card": card_of(session, may),
        "phase": phase,
        "challenge": challenge_of(session),
        "reason": reason_text(session.placement.shown_reason),
        "is_getting_ready": session.placement.state != State.PAIRING,
        "sandbox_url": settings.SANDBOX_URL,
        "starts_by_itself": phase in ("idle", "ended"),
        "way": way,
    }


@require_POST
@page
def code(request: PageRequest, session_id: str) -> HttpResponse:
    caller, here = request.caller, _address(session_id, _way(request))
    return do(
        request,
        lambda: sessions.request_code(
            company=caller.company, session_id=session_id, phone=request.POST.get("phone", ""), by=caller.actor
        ),
        to=here,
        back=here,
    )


@require_safe
@page
def of_company(request: PageRequest, way: str) -> HttpResponse:
    """The older systems' addresses of the two pages: the company's number, by one way of linking (seed contract 4.5).

    The company is that of the log-in. `?company=` may say it once more, by any of its ids; another's is not found.
    """
    caller = request.caller
    reference = request.GET.get("company") or caller.company.pk
    line = lines.find_line(reference, company=caller.company, by=caller.actor, needs=access.LINK)
    if line is not None:
        return redirect(_address(line.pk, way))
    return redirect("new-session" if Permission.SESSION_CREATE in caller.actor.permissions else "sessions")


def _way(request: PageRequest) -> str:
    """The one way that the page was asked for; empty for both."""
    way = request.GET.get("way", "")
    return way if way in WAYS else ""


def _address(session_id: str, way: str) -> str:
    page_itself = reverse("link", args=[session_id])
    return f"{page_itself}?way={way}" if way else page_itself
