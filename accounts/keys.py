"""The class by which the API believes a key."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.callers import Caller
from accounts.models import User
from accounts.services.api_keys import caller_for_key


class CompanyKey(BaseAuthentication):
    """`X-API-Key: whk_…`, for programs. What it finds out is DRF's `request.auth`, as with a token."""

    def authenticate(self, request: Request) -> tuple[User, Caller] | None:
        key = request.headers.get("X-API-Key", "")
        if not key:
            return None
        # Whether a subscription is needed depends on the endpoint (`accounts.views`).
        caller = caller_for_key(key, getattr(request, "host_company", None), even_expired=True)
        return caller.user, caller
