"""Django's log-in forms (the admin's, for one) ask the same service as the API, so they are throttled alike."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.errors import AccountInactive, TooManyAttempts, TooManyRequests
from accounts.models import User
from accounts.services import login, second_factor
from wharf.errors import NotAuthenticated


class ThrottledPassword(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """`code` is the second factor; who has one gets nowhere without it, whatever form asks."""
        email = username or kwargs.get("email")
        if not email or password is None:
            return None
        address = request.META.get("REMOTE_ADDR", "") if request else ""
        try:
            user = login.authenticate(email=email, password=password, address=address)
            second_factor.check(user, kwargs.get("code") or "")
        except (NotAuthenticated, AccountInactive):
            return None
        except (TooManyAttempts, TooManyRequests) as error:
            raise PermissionDenied from error
        return user
