"""Who opens a Socket.IO connection, and why somebody may not, in the words that the older system's clients know.

More is told than over HTTP, where every refusal is the same 401, but only to who holds a token that we have signed.
"""

from accounts.callers import Caller
from accounts.credentials import caller_for_credential
from accounts.errors import (
    AccountNotReady,
    ApiKeyExpired,
    HandshakeFailed,
    ManagerUnknown,
    TokenMissing,
    UnknownUserType,
    UserUnknown,
)
from accounts.models import Membership, Role, User
from accounts.tokens import USER_TYPES, claims_of
from tenants.errors import CompanyInactive
from tenants.models import Company
from wharf.errors import NotAuthenticated


def caller_for_handshake(token: str, host_company: Company | None = None) -> Caller:
    """As `caller_for_credential`, with its refusals told apart (seed contract 2.2)."""
    if not token:
        raise TokenMissing
    try:
        return caller_for_credential(token, host_company)
    except (UnknownUserType, CompanyInactive, ApiKeyExpired):
        raise
    except NotAuthenticated as error:
        raise _why(token) from error


def _why(token: str) -> NotAuthenticated:
    try:
        claims = claims_of(token)
    except NotAuthenticated:
        return HandshakeFailed()
    user = User.objects.filter(pk=claims["userId"]).first()
    place = Membership.objects.filter(user=user, company=claims["company"]).first() if user else None
    if user is None or not (user.is_superuser or (place and place.is_confirmed)):
        is_manager = claims.get("userType") == USER_TYPES[Role.MANAGER]
        return ManagerUnknown() if is_manager else UserUnknown()
    is_let_in = user.is_active and (place is None or place.is_active)
    return HandshakeFailed() if is_let_in else AccountNotReady()
