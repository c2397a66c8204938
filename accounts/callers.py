"""Who asks, and for which company: made from a token or a log-in session, the same for HTTP, sockets and pages."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from accounts.models import Membership, User
from accounts.permissions import Actor
from tenants.errors import CompanyInactive, SubscriptionExpired
from tenants.models import Company
from wharf.compiled import Compiled
from wharf.errors import NotAuthenticated

SEEN_EVERY: Final = timedelta(minutes=5)

#: Every request asks it.
_MEMBERSHIP: Final = Compiled(
    lambda user, company: (
        Membership.objects.confirmed().select_related("user", "company").filter(user=user, company=company)
    )
)


@dataclass(frozen=True)
class Caller:
    """`company` is where `actor` may act now; `user` is the person behind it."""

    user: User
    company: Company
    actor: Actor
    #: When they were last seen here, of members.
    seen_at: datetime | None = None


def find_caller(
    *, user_id: str, company_id: str, host_company: Company | None = None, even_expired: bool = False
) -> Caller:
    """The person in the company, in one query. Raises NotAuthenticated, CompanyInactive or SubscriptionExpired.

    `host_company` is the company whose own host name was asked: there nobody is a member of another one.
    `even_expired` is for what a company may still do when its subscription is over.
    """
    if host_company is not None and host_company.pk != company_id:
        raise NotAuthenticated
    membership = _MEMBERSHIP.first(user=user_id, company=company_id)
    caller = caller_of(membership) if membership else _operator(user_id, company_id)
    if not caller.user.is_active:
        raise NotAuthenticated
    if not caller.company.is_active:
        raise CompanyInactive
    if not even_expired:
        require_subscription(caller.company)
    return caller


def require_subscription(company: Company) -> None:
    """Raises SubscriptionExpired. Nothing else happens to such a company: its numbers stay connected."""
    if not company.is_subscribed:
        raise SubscriptionExpired


def caller_for_session(user: User, company_id: str | None, host_company: Company | None = None) -> Caller:
    """For pages: `user` of the Django session, and the company that the session remembers."""
    company_id = company_id or (host_company.pk if host_company else None) or first_company_of(user)
    if company_id is None:
        raise NotAuthenticated
    caller = find_caller(user_id=user.pk, company_id=company_id, host_company=host_company)
    note_seen(caller)
    return caller


def note_seen(caller: Caller) -> None:
    """Written down at most once in some minutes; nothing for operators, who are no members."""
    now = timezone.now()
    if caller.actor.role and (caller.seen_at is None or caller.seen_at < now - SEEN_EVERY):
        Membership.objects.filter(user=caller.user, company=caller.company).update(last_seen_at=now)


def first_company_of(user: User) -> str | None:
    """Where a person starts who names no company: the first they joined that is active, else the first."""
    first = Membership.objects.confirmed().filter(user=user).order_by("-company__is_active", "created_at").first()
    return first.company_id if first else None


def caller_of(membership: Membership) -> Caller:
    user, company = membership.user, membership.company
    actor = Actor(
        user_id=user.pk,
        name=user.full_name,
        company_id=company.pk,
        role=membership.role,
        is_operator=user.is_superuser,
    )
    return Caller(user, company, actor, membership.last_seen_at)


def _operator(user_id: str, company_id: str) -> Caller:
    """Operators may act for companies they are no members of."""
    user = User.objects.filter(pk=user_id, is_superuser=True).first()
    company = Company.objects.filter(pk=company_id).first() if user else None
    if user is None or company is None:
        raise NotAuthenticated
    return operator_caller(user, company)


def operator_caller(user: User, company: Company) -> Caller:
    """An operator acting for a company they are no member of."""
    return Caller(user, company, replace(operator_actor(user), company_id=company.pk))


def operator_actor(user: User) -> Actor:
    """An operator acting for no company in particular, as in Django's admin."""
    return Actor(user_id=user.pk, name=user.full_name, is_operator=user.is_superuser)
