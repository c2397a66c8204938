"""Who sees which session: finding with permission, granting and revoking. Looking a session up is the authorisation."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from django.db.models import Count

from accounts.models import Membership, Role
from accounts.permissions import GUEST_PERMISSIONS, SYSTEM, Actor, Permission, Rights, permitted, require
from audit import recording as audit
from audit.verbs import Verb
from tenants.models import Company
from wharf.compiled import Compiled
from wharf.errors import PermissionDenied
from whatsapp.errors import GrantingDenied, GrantNotFound, GrantsHidden, ManagerNotFound, SessionNotFound
from whatsapp.models import ManagerAccess, Session
from whatsapp.models.session import SessionQuerySet
from whatsapp.services import news

#: What it takes to see a QR code or to start linking.
LINK = Permission.SESSION_LINK

#: Nearly every request asks them.
_LIVE: Final = Compiled(lambda session: Session.objects.live().with_placement().filter(pk=session))
_ARCHIVED_TOO: Final = Compiled(lambda session: Session.objects.with_placement().filter(pk=session))
_GRANT: Final = Compiled(lambda session, user: ManagerAccess.objects.filter(session_id=session, user_id=user))


def visible_sessions(by: Actor) -> SessionQuerySet:
    """The live sessions that `by` may see, newest first; a manager sees those with a grant."""
    sessions: SessionQuerySet = Session.objects.live().with_placement()
    if Permission.SESSION_VIEW in by.permissions:
        return sessions
    # Who is nobody was granted nothing.
    return sessions.filter(grants__user_id=by.user_id) if by.user_id else sessions.none()


def rights_on(session_id: str, by: Actor) -> Rights | None:
    """What `by` was granted on the session; None without a grant (admins need none)."""
    grant = _GRANT.first(session=session_id, user=by.user_id) if by.user_id else None
    return grant.rights if grant else None


def permissions_on(session_id: str, by: Actor) -> frozenset[Permission]:
    if by.guest_of:
        return GUEST_PERMISSIONS if by.guest_of == session_id else frozenset()
    return permitted(by, rights_on(session_id, by))


def permissions_by_session(by: Actor) -> dict[str, frozenset[Permission]]:
    """What `by` may do on each session that they may see, in two queries."""
    grants = {row.session_id: row.rights for row in ManagerAccess.objects.filter(user_id=by.user_id)}
    ids = visible_sessions(by).values_list("pk", flat=True)
    return {session_id: permitted(by, grants.get(session_id)) for session_id in ids}


def find_session(
    session_id: str,
    *,
    by: Actor,
    needs: Permission = Permission.SESSION_VIEW,
    denied: type[PermissionDenied] = PermissionDenied,
    archived: bool = False,
) -> Session:
    """The session with its placement, if `by` may do what `needs` says.

    Raises SessionNotFound for ids of nobody or of another company, `denied` for those of the company without the
    right: a stranger learns nothing, a colleague learns whom to ask.
    """
    session = (_ARCHIVED_TOO if archived else _LIVE).first(session=session_id)
    if session is None:
        raise SessionNotFound
    # Most have it by their role, and their grants need not be looked up.
    if needs not in by.permissions and needs not in permissions_on(session_id, by):
        raise denied
    return session


@news.writing
def grant(*, company: Company, session_id: str, manager_id: str, rights: Rights, by: Actor) -> ManagerAccess:
    """Give a manager of this company rights on a session, or change them. Raises ManagerNotFound for anybody else."""
    session = find_session(session_id, by=by, needs=Permission.ACCESS_GRANT, denied=GrantingDenied)
    if not Membership.objects.filter(company=company, user_id=manager_id, role=Role.MANAGER).exists():
        raise ManagerNotFound
    before = ManagerAccess.objects.filter(session=session, user_id=manager_id).first()
    row, _ = ManagerAccess.objects.update_or_create(
        session=session,
        user_id=manager_id,
        defaults={
            "can_read": rights.can_read,
            "can_write": rights.can_write,
            "can_manage_chats": rights.can_manage_chats,
            "granted_by_id": by.user_id,
        },
    )
    _tell(company, session_id, manager_id, rights, by)
    granted = ManagerAccess.objects.select_related("user", "granted_by").get(pk=row.pk)
    _record(granted, before.rights if before else None, rights, by)
    return granted


def _record(row: ManagerAccess, before: Rights | None, after: Rights | None, by: Actor) -> None:
    """Who may do what on the session, and what they could before. Needs the person selected."""
    verb = Verb.ACCESS_REVOKED if after is None else Verb.ACCESS_CHANGED if before else Verb.ACCESS_GRANTED
    were, are = (asdict(rights) if rights else {} for rights in (before, after))
    changes = {name: (were.get(name), are.get(name)) for name in {**were, **are} if were.get(name) != are.get(name)}
    if changes:
        audit.record(verb, audit.person(row.user_id, row.user.full_name, row.session_id), by=by, changes=changes)


@news.writing
def revoke(*, company: Company, session_id: str, manager_id: str, by: Actor) -> None:
    """Take the rights away; live connections of the manager are told, and leave. Raises GrantNotFound."""
    find_session(session_id, by=by, needs=Permission.ACCESS_GRANT, denied=GrantingDenied)
    row = ManagerAccess.objects.select_related("user").filter(session_id=session_id, user_id=manager_id).first()
    if row is None:
        raise GrantNotFound
    _record(row, row.rights, None, by)
    row.delete()
    _tell(company, session_id, manager_id, None, by)


@news.writing
def set_all(*, company: Company, manager_id: str, rights: Mapping[str, Rights], by: Actor) -> int:
    """What a manager may on each of these sessions from now on; without any right, the grant ends. How many changed.

    All or nothing. Raises as `grant` and `revoke` do.
    """
    held = {row.session_id: row.rights for row in ManagerAccess.objects.filter(user_id=manager_id)}
    changed = {session_id: now for session_id, now in rights.items() if now != held.get(session_id, Rights())}
    for session_id, now in changed.items():
        if now != Rights():
            grant(company=company, session_id=session_id, manager_id=manager_id, rights=now, by=by)
        else:
            revoke(company=company, session_id=session_id, manager_id=manager_id, by=by)
    return len(changed)


def numbers_by_manager(*, by: Actor) -> dict[str, int]:
    """How many live sessions each manager was given. Raises GrantsHidden."""
    require(by, Permission.ACCESS_GRANT, denied=GrantsHidden)
    rows = ManagerAccess.objects.filter(session__in=Session.objects.live()).values("user_id")
    return {row["user_id"]: row["count"] for row in rows.annotate(count=Count("id"))}


def grants_to(manager_id: str, *, by: Actor) -> dict[str, Rights]:
    """What a manager may, by session. Raises GrantsHidden."""
    require(by, Permission.ACCESS_GRANT, denied=GrantsHidden)
    return {row.session_id: row.rights for row in ManagerAccess.objects.filter(user_id=manager_id)}


@news.writing
def follow_membership(company: Company, user_id: str) -> None:
    """Whoever is no member any more has no grants, also not when they come back; live connections are told at once."""
    grants = ManagerAccess.objects.filter(user_id=user_id)
    left = {row.session_id: row.rights for row in grants}
    place = Membership.objects.filter(company=company, user_id=user_id).first()
    if place is None:
        grants.delete()
    for session_id, rights in left.items():
        _tell(company, session_id, user_id, rights if place and place.is_active else None, SYSTEM)
    if not left:
        # They look again who they are; it is about no session.
        _tell(company, "", user_id, None, SYSTEM)


def grants_of(session_id: str, *, by: Actor) -> list[ManagerAccess]:
    """Newest first."""
    find_session(session_id, by=by, needs=Permission.ACCESS_GRANT, denied=GrantsHidden)
    rows = ManagerAccess.objects.filter(session_id=session_id).select_related("user", "granted_by")
    return list(rows.order_by("-granted_at", "-id"))


def _tell(company: Company, session_id: str, manager_id: str, rights: Rights | None, by: Actor) -> None:
    """The manager's own connections; without rights they are taken away."""
    payload = {"sessionId": session_id, "rights": asdict(rights) if rights else None, "byUserId": by.user_id}
    news.tell(company, "access.changed", payload, session_id=session_id, user_id=manager_id)
