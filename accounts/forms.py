"""The admin's log-in form, with a place for the second factor."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget


class OperatorsLogin(AuthenticationForm):  # type: ignore[misc]  # ships no types
    code = forms.CharField(
        required=False,
        max_length=32,
        label=_("Code of your authenticator app"),
        help_text=_("Only if you have turned the log-in in two steps on. A recovery code will do too."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "text"}),
    )

    def clean(self) -> dict[str, Any]:
        """Django's own, which knows of name and password alone."""
        said: dict[str, Any] = self.cleaned_data
        if said.get("username") is not None and said.get("password"):
            self.user_cache = authenticate(self.request, **{name: said.get(name) for name in self.fields})
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return said
