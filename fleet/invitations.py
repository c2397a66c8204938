"""Invitations: whoever holds one may link a phone to its session, once, until it ends or is taken back.

Call everything here in the public schema.
"""

import secrets
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from fleet.models import LinkInvitation


class Standing(StrEnum):
    OPEN = "open"
    SPENT = "spent"
    REVOKED = "revoked"
    EXPIRED = "expired"


def make(
    *, company_id: str, session_id: str, lifetime: timedelta, by_id: str, by_name: str
) -> tuple[LinkInvitation, str]:
    """The row, and the secret, which nobody can see again."""
    secret = secrets.token_urlsafe(32)
    row = LinkInvitation.objects.create(
        company_id=company_id,
        session_id=session_id,
        digest=_digest(secret),
        made_by_id=by_id,
        made_by_name=by_name[:150],
        expires_at=timezone.now() + lifetime,
    )
    return row, secret


def find(invitation_id: str) -> LinkInvitation | None:
    return LinkInvitation.objects.select_related("company").filter(pk=invitation_id).first()


def opened(invitation_id: str, secret: str) -> LinkInvitation | None:
    """The invitation, if that is its secret, whatever it is worth now."""
    row = find(invitation_id)
    if row is None or not constant_time_compare(row.digest, _digest(secret)):
        return None
    LinkInvitation.objects.filter(pk=row.pk).update(opened_at=Coalesce("opened_at", Now()))
    return row


def standing_of(row: LinkInvitation) -> Standing:
    if row.spent_at is not None:
        return Standing.SPENT
    if row.revoked_at is not None:
        return Standing.REVOKED
    return Standing.EXPIRED if row.expires_at <= timezone.now() else Standing.OPEN


def open_ones(session_id: str) -> QuerySet[LinkInvitation]:
    """Newest first."""
    rows = LinkInvitation.objects.filter(session_id=session_id, spent_at=None, revoked_at=None)
    return rows.filter(expires_at__gt=timezone.now()).order_by("-id")


def spend(session_id: str) -> None:
    """A phone is linked: no link to this session is good for another one."""
    open_ones(session_id).order_by().update(spent_at=Now())


def revoke(session_id: str, invitation_id: str) -> bool:
    """Whether there was anything to take back."""
    return bool(open_ones(session_id).order_by().filter(pk=invitation_id).update(revoked_at=Now()))


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
