"""Django's admin, for the platform's operators alone."""

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class OperatorsAdmin(AdminConfig):
    default_site = "accounts.sites.OperatorsSite"


class OperatorsSite(UnfoldAdminSite):  # type: ignore[misc]  # ships no types
    def has_permission(self, request: HttpRequest) -> bool:
        """Staff who are no superusers have no business with other companies' data."""
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
