"""What somebody who watches live may hear, and what they see when they join."""

from dataclasses import dataclass

from accounts.permissions import Actor, Permission
from tenants.models import Company
from whatsapp import live, shapes
from whatsapp.models import Session
from whatsapp.services.access import permissions_by_session, visible_sessions


@dataclass(frozen=True)
class View:
    """`groups` to listen to, and the rows as they are now; challenges only of sessions that may be linked."""

    groups: frozenset[str]
    sessions: list[shapes.Shape]
    challenges: list[shapes.Shape]


def groups_for(company: Company, by: Actor) -> frozenset[str]:
    """Everything that `by` may hear now. It changes with grants: the person's own group says when."""
    groups = {live.person_group(company, by.user_id or "")}
    if Permission.SESSION_VIEW in by.permissions:
        groups.add(live.admins_group(company))
    for session_id, permissions in permissions_by_session(by).items():
        groups.add(live.session_group(company, session_id))
        if Permission.CHAT_READ in permissions:
            groups.add(live.chats_group(company, session_id))
        if Permission.SESSION_LINK in permissions:
            groups.add(live.challenge_group(company, session_id))
    return frozenset(groups)


def view_for(company: Company, by: Actor) -> View:
    """The snapshot. Join the groups first and look afterwards, or what happens in between is missed."""
    permissions = permissions_by_session(by)
    rows: list[Session] = list(visible_sessions(by))
    linkable = [row for row in rows if Permission.SESSION_LINK in permissions.get(row.pk, frozenset())]
    return View(
        groups_for(company, by), [shapes.session(row) for row in rows], [shapes.challenge(row) for row in linkable]
    )
