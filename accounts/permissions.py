"""Who may do what: the permissions, and the tables that give them to roles, to grants and to API keys' scopes."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from accounts.models import Role
from audit.verbs import ActorKind
from wharf.errors import PermissionDenied


class Permission(StrEnum):
    """`<thing>:<action>`. Those on a session or a chat are asked together with the session's grant."""

    ACCESS_GRANT = "access:grant"
    CHAT_MANAGE = "chat:manage"
    CHAT_READ = "chat:read"
    CHAT_WRITE = "chat:write"
    COMPANY_MANAGE = "company:manage"
    PEOPLE_MANAGE = "people:manage"
    SESSION_CONTROL = "session:control"
    SESSION_CREATE = "session:create"
    SESSION_LINK = "session:link"
    SESSION_VIEW = "session:view"
    WEBHOOK_MANAGE = "webhook:manage"


@dataclass(frozen=True)
class Rights:
    """What a manager was granted on one session (seed contract W6: read, write, manage chats)."""

    can_read: bool = False
    can_write: bool = False
    can_manage_chats: bool = False


#: A program that signs its requests with the company's secret: it is nobody's, and may send texts.
SIGNED: Final = "signed"

#: What a role has on everything in its company, without a grant.
ROLE_PERMISSIONS: Final[dict[str, frozenset[Permission]]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MANAGER: frozenset(),
    SIGNED: frozenset({Permission.SESSION_VIEW, Permission.CHAT_WRITE}),
}

#: What each right of a grant adds on the session it is for. Who answers customers may also link the phone again.
RIGHT_PERMISSIONS: Final[dict[str, frozenset[Permission]]] = {
    "can_read": frozenset({Permission.SESSION_VIEW, Permission.CHAT_READ}),
    "can_write": frozenset({Permission.SESSION_VIEW, Permission.CHAT_WRITE, Permission.SESSION_LINK}),
    "can_manage_chats": frozenset({Permission.SESSION_VIEW, Permission.CHAT_MANAGE}),
}


#: What an invitation is good for, on its session.
GUEST_PERMISSIONS: Final = frozenset({Permission.SESSION_LINK})


class Scope(StrEnum):
    """What an API key is for. It never does more than its maker may."""

    READ = "read"
    SEND = "send"
    LINK = "link"
    MANAGE = "manage"


#: What each scope leaves of its maker's permissions. Together they leave everything.
SCOPE_PERMISSIONS: Final[dict[Scope, frozenset[Permission]]] = {
    Scope.READ: frozenset({Permission.SESSION_VIEW, Permission.CHAT_READ}),
    Scope.SEND: frozenset({Permission.SESSION_VIEW, Permission.CHAT_WRITE}),
    Scope.LINK: frozenset(
        {Permission.SESSION_VIEW, Permission.SESSION_CREATE, Permission.SESSION_LINK, Permission.SESSION_CONTROL}
    ),
    Scope.MANAGE: frozenset(
        {
            Permission.SESSION_VIEW,
            Permission.CHAT_MANAGE,
            Permission.ACCESS_GRANT,
            Permission.COMPANY_MANAGE,
            Permission.PEOPLE_MANAGE,
            Permission.WEBHOOK_MANAGE,
        }
    ),
}


@dataclass(frozen=True)
class Actor:
    """Who asks: a person in a company, an operator, or the system itself. Every service takes one as `by`."""

    user_id: str | None
    name: str
    company_id: str | None = None
    role: str = ""
    is_operator: bool = False
    #: The only session that they may do anything about: whoever came by an invitation to link it.
    guest_of: str = ""
    #: Of the API key that speaks for them; None: they speak for themselves.
    scopes: frozenset[Scope] | None = None
    #: The name of the key that a program of theirs has shown.
    key_name: str = ""

    @property
    def kind(self) -> ActorKind:
        """As the audit says it. An operator who is a member of the company acts there as one."""
        if self.guest_of:
            return ActorKind.GUEST
        if self.user_id is None:
            return ActorKind.SYSTEM if self.is_operator else ActorKind.SIGNED
        if self.key_name:
            return ActorKind.KEY
        return ActorKind.OPERATOR if self.is_operator and not self.role else ActorKind.PERSON

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do without a grant."""
        return permitted(self)

    @property
    def is_themselves(self) -> bool:
        """Whether they may decide on the person's own account: a key must be for managing."""
        return self.scopes is None or Scope.MANAGE in self.scopes


def with_key(actor: Actor, scopes: frozenset[Scope]) -> Actor:
    """`actor`, as a program with a key of theirs. An operator's power over companies is for managing alone."""
    if actor.is_operator and Scope.MANAGE not in scopes:
        actor = replace(actor, is_operator=False, role=Role.ADMIN)
    return replace(actor, scopes=scopes)


#: The platform acting by itself: workers, schedules, commands run by whoever owns the machine.
SYSTEM: Final = Actor(user_id=None, name="system", is_operator=True)


def permitted(actor: Actor, rights: Rights | None = None) -> frozenset[Permission]:
    """All that `actor` may do where they hold `rights` (None: no grant there)."""
    granted = (RIGHT_PERMISSIONS[name] for name in RIGHT_PERMISSIONS if rights and getattr(rights, name))
    held = frozenset(Permission) if actor.is_operator else ROLE_PERMISSIONS.get(actor.role, frozenset())
    return _within_scopes(held.union(*granted), actor.scopes)


def _within_scopes(held: frozenset[Permission], scopes: frozenset[Scope] | None) -> frozenset[Permission]:
    if scopes is None:
        return held
    return held & frozenset().union(*(SCOPE_PERMISSIONS[scope] for scope in scopes))


def require(
    actor: Actor,
    permission: Permission,
    rights: Rights | None = None,
    *,
    denied: type[PermissionDenied] = PermissionDenied,
) -> None:
    """Raise `denied` unless `actor` may."""
    if permission not in permitted(actor, rights):
        raise denied
