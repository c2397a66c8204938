"""Who opens a Socket.IO connection, and why somebody may not, in the words that the older system's clients know.

More is told than over HTTP, where every refusal is the same 401, but only to who holds a token that we have signed.
"""

from accounts.callers import Caller
from accounts.errors import (
    AccountNotReady,
    HandshakeFailed,
    ManagerUnknown,
    TokenMissing,
    UnknownUserType,
    UserUnknown,
)
from accounts.models import Membership, Role, User
from accounts.tokens import USER_TYPES, caller_for_token, claims_of
from tenants.errors import CompanyInactive
from tenants.models import Company
from wharf.errors import NotAuthenticated


def caller_for_handshake(token: str, host_company: Company | None = None) -> Caller:
    """As `caller_for_token`, with its refusals told apart (seed contract 2.2)."""
    if not token:
        raise TokenMissing
    try:
        return caller_for_token(token, host_company)
    except (UnknownUserType, CompanyInactive):
        raise
    except NotAuthenticated as error:
        raise _why(token) from error


def _why(token: str) -> NotAuthenticated:
    try:
        claims = claims_of(token)
    except NotAuthenticated:
        return HandshakeFailed()
    user = User.objects.filter(pk=claims["userId"]).first()
    if user is None or not _belongs(user, claims["company"]):
        is_manager = claims.get("userType") == USER_TYPES[Role.MANAGER]
        return ManagerUnknown() if is_manager else UserUnknown()
    return HandshakeFailed() if user.is_active else AccountNotReady()


def _belongs(user: User, company_id: str) -> bool:
    return user.is_superuser or Membership.objects.confirmed().filter(user=user, company=company_id).exists()
