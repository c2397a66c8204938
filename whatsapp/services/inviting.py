"""Letting the owner of a phone link it without an account: a secret link to one session, good for one linking.

Whoever opens it may see the codes of that session and ask for one, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext

from accounts.callers import require_subscription
from accounts.permissions import Actor, Permission
from audit import recording as audit
from audit.verbs import Verb
from fleet import invitations
from fleet.invitations import Standing
from fleet.models import LinkInvitation
from tenants.context import run_in_public
from tenants.models import Company
from wharf.errors import WharfError
from whatsapp.errors import (
    AlreadyLinked,
    InvitationExpired,
    InvitationNotFound,
    InvitationRevoked,
    InvitationSpent,
    TooManyInvitations,
)
from whatsapp.services import news
from whatsapp.services.access import find_session

#: How long a link may be good for, in hours.
LIFETIMES: Final = (1, 24, 168)
MOST_OPEN: Final = 10
#: So long whoever has just linked their phone may see that it worked.
FAREWELL: Final = timedelta(minutes=10)

_OVER: Final[Mapping[Standing, type[WharfError]]] = {
    Standing.SPENT: InvitationSpent,
    Standing.REVOKED: InvitationRevoked,
    Standing.EXPIRED: InvitationExpired,
}


@dataclass(frozen=True)
class Guest:
    """Who came by an invitation. `has_linked`: it is spent, and shows for a while what came of it."""

    invitation: LinkInvitation
    company: Company
    actor: Actor
    has_linked: bool = False

    @property
    def session_id(self) -> str:
        return self.invitation.session_id


@news.writing
def invite(*, company: Company, session_id: str, hours: int, by: Actor) -> tuple[LinkInvitation, str]:
    """The invitation and its secret, shown once. `hours` is one of LIFETIMES, else the shortest is meant.

    Raises AlreadyLinked, TooManyInvitations.
    """
    session = find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    if session.placement.is_linked:
        raise AlreadyLinked
    if invitations.open_ones(session_id).count() >= MOST_OPEN:
        raise TooManyInvitations
    lifetime = timedelta(hours=hours if hours in LIFETIMES else LIFETIMES[0])
    lasts = {"hours": (None, lifetime // timedelta(hours=1))}
    audit.record(Verb.SESSION_INVITED, audit.session(session_id, session.label), by=by, changes=lasts)
    return invitations.make(
        company_id=company.pk, session_id=session_id, lifetime=lifetime, by_id=by.user_id or "", by_name=by.name
    )


def invitations_of(session_id: str, *, by: Actor) -> list[LinkInvitation]:
    """The open ones, newest first."""
    find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    return list(invitations.open_ones(session_id))


@news.writing
def revoke(*, session_id: str, invitation_id: str, by: Actor) -> None:
    """Whoever has it open sees nothing more. Raises InvitationNotFound for one that is over, too."""
    session = find_session(session_id, by=by, needs=Permission.SESSION_LINK)
    if not invitations.revoke(session_id, invitation_id):
        raise InvitationNotFound
    audit.record(Verb.SESSION_INVITATION_REVOKED, audit.session(session_id, session.label), by=by)


# -- for those who come by one ---------------------------------------------------------------------------------------
def enter(invitation_id: str, secret: str) -> None:
    """Raises InvitationNotFound, and what `guest_of` raises."""
    if run_in_public(invitations.opened, invitation_id, secret) is None:
        raise InvitationNotFound
    if guest_of(invitation_id).has_linked:
        raise InvitationSpent


def guest_of(invitation_id: str) -> Guest:
    """Whoever has entered by it, now; asked with each request.

    Raises InvitationNotFound, InvitationSpent, InvitationRevoked, InvitationExpired; SubscriptionExpired, too.
    """
    row = run_in_public(invitations.find, invitation_id)
    if row is None or not row.company.is_active:
        raise InvitationNotFound
    require_subscription(row.company)
    standing = invitations.standing_of(row)
    has_linked = row.spent_at is not None and row.spent_at > timezone.now() - FAREWELL
    if standing != Standing.OPEN and not has_linked:
        raise _OVER[standing]
    name = gettext("Guest of %(name)s") % {"name": row.made_by_name}
    actor = Actor(user_id=None, name=name, company_id=row.company_id, guest_of=row.session_id)
    return Guest(row, row.company, actor, has_linked)
