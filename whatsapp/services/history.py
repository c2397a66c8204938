"""What happened to a session, for people."""

from accounts.permissions import Actor
from whatsapp.models import Transition
from whatsapp.services.access import find_session


def transitions_of(session_id: str, *, by: Actor, number: int = 1, limit: int = 50) -> list[Transition]:
    """Newest first, one page of them. Archived sessions have a history too. Raises SessionNotFound."""
    find_session(session_id, by=by, archived=True)
    offset = (number - 1) * limit
    rows = Transition.objects.filter(session_id=session_id).order_by("-id")
    return list(rows.select_related("by_user")[offset : offset + limit])
