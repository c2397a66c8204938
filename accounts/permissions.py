"""Who may do what: the permissions, and the one table that gives them to roles and to a manager's grants."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Actor:
    """Who asks: a person in a company, an operator, or the system itself. Every service takes one as `by`."""

    user_id: str | None
    name: str
    company_id: str | None = None
    role: str = ""
    is_operator: bool = False
    #: The name of the key that a program of theirs has shown.
    key_name: str = ""

    @property
    def kind(self) -> ActorKind:
        """As the audit says it. An operator who is a member of the company acts there as one."""
        if self.user_id is None:
            return ActorKind.SYSTEM if self.is_operator else ActorKind.SIGNED
        if self.key_name:
            return ActorKind.KEY
        return ActorKind.OPERATOR if self.is_operator and not self.role else ActorKind.PERSON

    @property
    def permissions(self) -> frozenset[Permission]:
        return frozenset(Permission) if self.is_operator else ROLE_PERMISSIONS.get(self.role, frozenset())


#: The platform acting by itself: workers, schedules, commands run by whoever owns the machine.
SYSTEM: Final = Actor(user_id=None, name="system", is_operator=True)


def permitted(actor: Actor, rights: Rights | None = None) -> frozenset[Permission]:
    """All that `actor` may do where they hold `rights` (None: no grant there)."""
    granted = (RIGHT_PERMISSIONS[name] for name in RIGHT_PERMISSIONS if rights and getattr(rights, name))
    return actor.permissions.union(*granted)


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
