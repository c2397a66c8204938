"""What every thing of the office is: the company's rows and no others, seen and changed by right, through services."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from unfold.admin import ModelAdmin

from accounts.permissions import Actor, Permission
from tenants.models import Company
from wharf.errors import WharfError
from wharf.meanings import say
from whatsapp.office.site import caller, is_shared


class OfficeAdmin(ModelAdmin):  # type: ignore[misc]  # ships no types
    """Rows are shown to those with `needs`; whatever more can be done, a thing says itself and a service does.

    Django's own log of changes is not kept here: what people do in a company stands in its audit, where the services
    write it, and a second account of it would be one that nobody promised anything about.
    """

    needs: ClassVar[Permission]
    list_per_page = 50
    show_facets = False

    # -- whose rows ----------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The one place: lists, pages, choices, searches and deeds all begin here.

        Rows of the company's own schema are its own by the schema that the request runs in.
        """
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(company=caller(request).company) if is_shared(self.model) else rows

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Filters are classes that read their own word of the address; nothing else of a row can be asked about."""
        return lookup in {each.parameter_name for each in self.list_filter}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One button saves."""
        shown = {"show_save_and_add_another": False, "show_save_and_continue": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, shown)  # type: ignore[no-any-return]

    # -- by right ------------------------------------------------------------------------------------------------------
    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.needs in caller(request).actor.permissions

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def actor_of(self, request: HttpRequest) -> Actor:
        return caller(request).actor

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's own, which deletes rows."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    # -- what is kept of it --------------------------------------------------------------------------------------------
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Nothing: the audit has it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Nothing: the audit has it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Nothing: the audit has it."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What was done to it, out of the audit."""
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        deeds = reverse("admin:audit_entry_changelist", current_app=self.admin_site.name)
        return redirect(f"{deeds}?about={self.id_in_audit(row)}")

    def id_in_audit(self, row: Any) -> str:
        return str(row.pk)

    # -- what services do ----------------------------------------------------------------------------------------------
    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Nothing: the form has had its deed done (`DeedForm`)."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: as above."""

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What the service refuses is said on the row's page."""
        try:
            return super().delete_view(request, object_id, extra_context)  # type: ignore[no-any-return]
        except WharfError as error:
            messages.error(request, say(error))
            address = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return redirect(reverse(address, args=[object_id], current_app=self.admin_site.name))


class DeedForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker alone
    """A form whose saving is a service's deed: what that refuses stands at the field, with all that was typed."""

    #: Set for each request: (values) -> the row as it is now.
    deed: ClassVar[Callable[[dict[str, Any]], Model]]
    #: The field that an error of this code is about.
    about: ClassVar[dict[str, str]] = {}

    def _post_clean(self) -> None:
        """In place of the model's own checks: nothing is written on `instance` before it is done."""
        if self.errors:
            return
        try:
            done = type(self).deed(self.cleaned_data)
        except WharfError as error:
            self.add_error(self.about.get(error.code), say(error))
        else:
            self.instance.__dict__.update(done.__dict__)

    def save(self, commit: bool = True) -> Any:
        return self.instance


def form_with(form: type[DeedForm], deed: Callable[[dict[str, Any]], Model]) -> type[DeedForm]:
    """The form of one request."""
    return type(form.__name__, (form,), {"deed": staticmethod(deed)})


def at(moment: datetime | None) -> str:
    """Short, in the company's time zone and the reader's language."""
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT") if moment else ""


def company_of(request: HttpRequest) -> Company:
    return caller(request).company
