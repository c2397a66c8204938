"""What somebody who watches live may hear, and what they see when they join."""

from dataclasses import dataclass

from accounts.permissions import Actor, Permission, permitted
from tenants.models import Company
from whatsapp import live, shapes
from whatsapp.models import ManagerAccess, Session
from whatsapp.services.access import visible_sessions


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
    for session_id, permissions in _permissions(by).items():
        if Permission.CHAT_READ in permissions:
            groups.add(live.session_group(company, session_id))
        if Permission.SESSION_LINK in permissions:
            groups.add(live.challenge_group(company, session_id))
    return frozenset(groups)


def view_for(company: Company, by: Actor) -> View:
    """The snapshot. Join the groups first and look afterwards, or what happens in between is missed."""
    permissions = _permissions(by)
    rows: list[Session] = list(visible_sessions(by))
    linkable = [row for row in rows if Permission.SESSION_LINK in permissions.get(row.pk, frozenset())]
    return View(
        groups_for(company, by), [shapes.session(row) for row in rows], [shapes.challenge(row) for row in linkable]
    )


def _permissions(by: Actor) -> dict[str, frozenset[Permission]]:
    """What `by` may do, by session."""
    grants = {row.session_id: row.rights for row in ManagerAccess.objects.filter(user_id=by.user_id)}
    ids = visible_sessions(by).values_list("pk", flat=True)
    return {session_id: permitted(by, grants.get(session_id)) for session_id in ids}
