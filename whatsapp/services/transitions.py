"""The one place that writes a session's state: by the table, with a row of history, told live after the commit."""

import logging
from datetime import timedelta

from django.utils import timezone

from accounts.permissions import SYSTEM
from audit import recording as audit
from audit.verbs import Verb
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import NEEDS_A_PERSON, Happening, State, Wanted, next_state
from tenants.models import Company
from wharf import metrics
from whatsapp import live, shapes
from whatsapp.models import Session, Transition
from whatsapp.services import news

log = logging.getLogger("whatsapp.sessions")


def record(
    placement: Placement,
    happening: Happening,
    reason: Reason = Reason.NONE,
    *,
    detail: str = "",
    retry_in: timedelta | None = None,
) -> Transition | None:
    """Move the session along the table; None when the news does not fit any more.

    `placement` must be locked by the caller (`fleet.leases.hold`), which is also what proves the right to write.
    A state that needs a person lowers `wanted`, so that nothing starts it by itself again.
    """
    before = State(placement.state)
    after = next_state(before, happening)
    if after is None:
        log.info("session %s: %s does not fit %s, ignored", placement.session_id, happening, before)
        return None
    if _says_nothing_new(placement, before, after, reason, retry_in):
        return None
    if happening == Happening.LOGGED_OUT and placement.wanted != Wanted.UNLINKED:
        _record_end(placement, reason)
    _write(placement, after, reason, retry_in)
    log.info("session %s: %s -> %s (%s)", placement.session_id, before, after, reason or happening)
    metrics.after_commit(metrics.count_all, metrics.TRANSITIONS, [(happening.value, reason.value)])
    return Transition.objects.create(
        session_id=placement.session_id,
        happening=happening,
        before=before,
        after=after,
        reason=reason,
        detail=detail[:300],
        worker_id=placement.owner_id or "",
    )


def _record_end(placement: Placement, reason: Reason) -> None:
    """Somebody ended the link, and nobody here: the company's audit says so too."""
    session = Session.objects.with_placement().get(pk=placement.pk)
    target = audit.session(session.pk, session.label)
    audit.record(Verb.SESSION_LOGGED_OUT, target, by=SYSTEM, changes={"reason": (None, reason.value)})


def _says_nothing_new(
    placement: Placement, before: State, after: State, reason: Reason, retry_in: timedelta | None
) -> bool:
    """Each renewed QR code, for example, leaves a session where it is."""
    return before == after and placement.reason == reason and retry_in is None


def _write(placement: Placement, after: State, reason: Reason, retry_in: timedelta | None) -> None:
    now = timezone.now()
    if placement.state != after:
        placement.since = now
    placement.state, placement.reason = after, reason
    placement.next_retry_at = now + retry_in if retry_in is not None else None
    placement.attempts = placement.attempts + 1 if retry_in is not None else 0
    if after == State.CONNECTED:
        placement.evidence_at = now
    if after in NEEDS_A_PERSON:
        # What people ended themselves they may want again by now, and that is not ours to take back.
        placement.wanted = placement.wanted if reason == Reason.PAIRING_CANCELLED else Wanted.STOPPED
        placement.attempts = 0
    placement.save(update_fields=["state", "reason", "since", "next_retry_at", "attempts", "evidence_at", "wanted"])


def note_person(session_id: str, *, wanted: Wanted, by_user: str | None) -> None:
    """A person's wish in the history; what comes of it stands in the rows after it."""
    placement = Placement.objects.get(pk=session_id)
    Transition.objects.create(
        session_id=session_id,
        happening=f"wanted_{wanted}",
        before=placement.state,
        after=placement.state,
        reason=placement.reason,
        by_user_id=by_user,
    )


def tell(company: Company, session_id: str) -> None:
    """Show everybody who watches the session how it is now."""
    row = Session.objects.with_placement().get(pk=session_id)
    news.tell(company, "session.changed", shapes.session(row), session_id=session_id, account_id=row.account_id or "")


def tell_challenge(company: Company, session_id: str) -> None:
    row = Session.objects.with_placement().get(pk=session_id)
    # Not logged: a code is a secret, and of no use a minute later.
    live.publish(live.Hint(live.challenge_group(company, session_id), "session.challenge", shapes.challenge(row)))


def forget_challenge(session_id: str) -> bool:
    """Codes link a device for whoever has them: gone as soon as they are of no use. Says whether any was on show."""
    shown = Session.objects.filter(pk=session_id).exclude(qr="", pairing_code="", pairing_phone="")
    return bool(
        shown.update(
            qr="",
            qr_expires_at=None,
            qr_number=0,
            pairing_code="",
            pairing_code_expires_at=None,
            pairing_phone="",
            pairing_requested_at=None,
            pairing_error="",
        )
    )
