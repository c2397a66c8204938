"""How often a pairing code may be asked for: WhatsApp answers too many with a block of the number, for hours."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from whatsapp.errors import CodeRequestInProgress, TooManyCodes
from whatsapp.models import CodeAttempt, Session

#: So many in an hour for one number, then a pause (seed row 37).
MOST: Final = 5
WINDOW, COOL_DOWN = timedelta(hours=1), timedelta(minutes=30)
#: So long WhatsApp may take to give a code; until then another request would only take its place.
ANSWER: Final = timedelta(seconds=20)


def count_request(session: Session, phone: str) -> None:
    """Count a request for `phone` (digits). The session's row must be locked.

    Raises CodeRequestInProgress while an earlier one is not answered (seed row 36), TooManyCodes.
    """
    if _is_in_progress(session):
        raise CodeRequestInProgress
    now = timezone.now()
    attempts = list(CodeAttempt.objects.filter(phone=phone, at__gt=now - WINDOW).order_by("-at"))
    if len(attempts) >= MOST and (left := attempts[0].at + COOL_DOWN - now) > timedelta(0):
        raise TooManyCodes(seconds=left.total_seconds())
    CodeAttempt.objects.filter(at__lt=now - WINDOW).delete()
    CodeAttempt.objects.create(phone=phone)


def _is_in_progress(session: Session) -> bool:
    asked_at = session.pairing_requested_at
    is_answered = session.current_code or session.pairing_error
    return asked_at is not None and not is_answered and asked_at > timezone.now() - ANSWER
