"""Tokens that name their company, and the class by which the API believes them.

The claims are the older systems' (`userId`, `userType`), so that their clients can read them, and two of ours:
`company`, and `stamp`, which ends all tokens of a person whose password changes.
"""

from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.callers import Caller, find_caller
from accounts.errors import UnknownUserType
from accounts.models import Role, User
from tenants.models import Company
from wharf.errors import NotAuthenticated

#: How the older systems call an admin and a manager inside a token.
USER_TYPES: Final = {Role.ADMIN: "user", Role.MANAGER: "manager"}


def token_for(caller: Caller) -> str:
    token = AccessToken()
    token["userId"] = caller.user.pk
    token["userType"] = USER_TYPES.get(Role(caller.actor.role), "user") if caller.actor.role else "user"
    token["company"] = caller.company.pk
    token["stamp"] = _stamp(caller.user)
    return str(token)


def caller_for_token(token: str, host_company: Company | None = None, *, even_expired: bool = False) -> Caller:
    """Who holds `token`. Raises NotAuthenticated, UnknownUserType, CompanyInactive or SubscriptionExpired."""
    claims = claims_of(token)
    caller = find_caller(
        user_id=claims["userId"], company_id=claims["company"], host_company=host_company, even_expired=even_expired
    )
    if not constant_time_compare(claims["stamp"], _stamp(caller.user)):
        raise NotAuthenticated
    return caller


def expiry_of(token: str) -> float:
    """When it ends, in seconds since the epoch; 0 for what is no token of ours."""
    try:
        return float(AccessToken(token)["exp"])  # type: ignore[arg-type]
    except TokenError:
        return 0.0


class CompanyToken(BaseAuthentication):
    """`Authorization: Bearer <token>`. What it finds out is DRF's `request.auth`: a Caller (`accounts.views`)."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Whether a subscription is needed depends on the endpoint (`accounts.views`).
        caller = caller_for_token(token.strip(), getattr(request, "host_company", None), even_expired=True)
        return caller.user, caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def claims_of(token: str) -> dict[str, str]:
    """Our claims out of a token that is ours, of the right type, and not expired. Raises as `caller_for_token` does."""
    try:
        payload: dict[str, Any] = AccessToken(token).payload  # type: ignore[arg-type]
    except TokenError as error:
        raise NotAuthenticated from error
    if payload.get("userType", "user") not in USER_TYPES.values():
        raise UnknownUserType
    claims = {name: payload.get(name) for name in ("userId", "company", "stamp")}
    if not all(isinstance(value, str) for value in claims.values()):
        raise NotAuthenticated
    return {**claims, "userType": payload.get("userType", "user")}


def _stamp(user: AbstractBaseUser) -> str:
    return user.get_session_auth_hash()[:16]
