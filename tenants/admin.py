"""Operators' view of companies: made, suspended and given plans through the services, never deleted."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from tenants.companies import change_company, checked_currency, resume_company, suspend_company
from tenants.domains import checked_domain, save_domain
from tenants.models import Company, Domain
from tenants.provisioning import checked_name, create_company
from wharf.errors import WharfError
from wharf.meanings import say


class CompanyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker alone
    slug = forms.SlugField(
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text="Short name in Latin letters; made from the name when left empty.",
    )

    language = forms.ChoiceField(choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget)
    timezone = forms.ChoiceField(
        choices=[(name, name) for name in sorted(available_timezones())], initial="UTC", widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = Company
        fields = (
            *("name", "slug", "external_id", "language", "timezone", "currency"),
            *("subscription_plan", "subscription_status", "subscription_expires_at"),
            *("max_sessions", "max_managers", "max_agents", "max_monthly_calls", "sandbox_allowed"),
        )

    def clean_name(self) -> str:
        return said(checked_name, self.cleaned_data["name"])

    def clean_currency(self) -> str:
        return said(checked_currency, self.cleaned_data["currency"])


class DomainForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker alone
    class Meta:
        model = Domain
        fields = ("domain", "tenant", "is_primary")

    def clean_domain(self) -> str:
        return said(checked_domain, self.cleaned_data["domain"])


def said(check: Any, value: str) -> str:
    """A form's way to refuse what a service would."""
    try:
        return str(check(value))
    except WharfError as error:
        raise forms.ValidationError(say(error), code=error.code) from error


@admin.register(Company)
class CompanyAdmin(ModelAdmin):  # type: ignore[misc]  # ships no types
    form = CompanyForm
    list_display = (
        *("name", "slug", "is_active", "subscription_plan", "subscription_status", "subscription_expires_at"),
        *("max_sessions", "max_managers", "sandbox_allowed", "created_at"),
    )
    list_filter = ("is_active", "subscription_plan", "subscription_status", "sandbox_allowed")
    search_fields = ("name", "slug", "id")
    readonly_fields = ("id", "schema_name", "is_active", "created_at")
    actions = ("suspend", "resume")

    def get_readonly_fields(self, request: HttpRequest, obj: Company | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "slug") if obj else self.readonly_fields

    def get_fields(self, request: HttpRequest, obj: Company | None = None) -> tuple[str, ...]:
        return (*CompanyForm.Meta.fields, *self.readonly_fields) if obj else CompanyForm.Meta.fields

    def save_model(self, request: HttpRequest, obj: Company, form: CompanyForm, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            change_company(obj, **values)
            return
        made = create_company(**{**form.cleaned_data, "slug": form.cleaned_data["slug"] or None})
        # The admin goes on with its own object, which becomes the one that was made.
        obj.__dict__.update(made.__dict__)

    def has_delete_permission(self, request: HttpRequest, obj: Company | None = None) -> bool:
        return False

    @admin.action(description="Suspend: its people are refused, nothing is lost")
    def suspend(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        for company in queryset:
            suspend_company(company)
        messages.success(request, f"Suspended: {', '.join(company.name for company in queryset)}.")

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        for company in queryset:
            resume_company(company)
        messages.success(request, f"Resumed: {', '.join(company.name for company in queryset)}.")


@admin.register(Domain)
class DomainAdmin(ModelAdmin):  # type: ignore[misc]  # ships no types
    form = DomainForm
    list_display = ("domain", "tenant", "is_primary")
    search_fields = ("domain", "tenant__name", "tenant__slug")
    autocomplete_fields = ("tenant",)

    def save_model(self, request: HttpRequest, obj: Domain, form: DomainForm, change: bool) -> None:
        values = form.cleaned_data
        save_domain(company=values["tenant"], name=values["domain"], is_primary=values["is_primary"], domain=obj)
