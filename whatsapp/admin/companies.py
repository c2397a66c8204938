"""Operators' view of companies: made, suspended and given plans through the services, never deleted."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Membership, Role
from accounts.services import companies
from fleet.models import Placement
from fleet.states import State
from tenants.companies import checked_currency, known_timezones
from tenants.context import run_in
from tenants.domains import checked_domain
from tenants.models import Company, Domain
from tenants.provisioning import checked_name
from wharf.errors import WharfError
from wharf.meanings import say
from whatsapp.admin import timeline, usage
from whatsapp.admin.base import Question, ask_to_confirm, is_confirmed, names, operator_of
from whatsapp.admin.timeline import as_table


class CompanyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker alone
    slug = forms.SlugField(
        label=_("short name"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Short name in Latin letters; made from the name when left empty."),
    )

    language = forms.ChoiceField(label=_("language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget)
    timezone = forms.ChoiceField(
        label=_("time zone"),
        choices=lambda: [(name, name) for name in sorted(known_timezones())],
        initial="UTC",
        widget=UnfoldAdminSelectWidget,
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
        *("sessions", "managers", "sandbox_allowed", "created_at"),
    )
    list_filter = ("is_active", "subscription_plan", "subscription_status", "sandbox_allowed")
    search_fields = ("name", "slug", "id")
    readonly_fields = ("id", "schema_name", "is_active", "created_at", "usage", "audit")
    actions = ("suspend", "resume")

    def get_readonly_fields(self, request: HttpRequest, obj: Company | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "slug") if obj else self.readonly_fields

    def get_fields(self, request: HttpRequest, obj: Company | None = None) -> tuple[str, ...]:
        return (*CompanyForm.Meta.fields, *self.readonly_fields) if obj else CompanyForm.Meta.fields

    def save_model(self, request: HttpRequest, obj: Company, form: CompanyForm, change: bool) -> None:
        by, values = operator_of(request), {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            companies.change_plan(company=obj, by=by, **values)
            return
        made = companies.create(by=by, **{**form.cleaned_data, "slug": form.cleaned_data["slug"] or None})
        # The admin goes on with its own object, which becomes the one that was made.
        obj.__dict__.update(made.__dict__)

    def has_delete_permission(self, request: HttpRequest, obj: Company | None = None) -> bool:
        return False

    # -- what can be done ----------------------------------------------------------------------------------------------
    @admin.action(description=_("Suspend: its people are refused, nothing is lost"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Company]) -> HttpResponse | None:
        if not is_confirmed(request):
            rows = [(company.pk, company, self.sessions(company)) for company in queryset]
            text = gettext("Its people and programs are refused from now on. Its numbers stay connected.")
            question = Question("suspend", gettext("Suspend?"), gettext("Suspend"), text)
            return ask_to_confirm(self, request, question, rows)
        for company in queryset:
            companies.suspend(company=company, by=operator_of(request))
            self.log_change(request, company, "Suspended")
        messages.success(request, gettext("Suspended: %(names)s.") % {"names": names(queryset)})
        return None

    @admin.action(description=_("Resume"))
    def resume(self, request: HttpRequest, queryset: QuerySet[Company]) -> None:
        for company in queryset:
            companies.resume(company=company, by=operator_of(request))
            self.log_change(request, company, "Resumed")
        messages.success(request, gettext("Resumed: %(names)s.") % {"names": names(queryset)})

    # -- what is used ------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Company]:
        """With what can be counted in the shared schema; the rest is asked on a company's own page."""
        linked = Placement.objects.exclude(device_jid="").filter(company=OuterRef("pk"))
        online = linked.filter(state=State.CONNECTED, owner__lease_until__gte=timezone.now())
        managers = Membership.objects.filter(company=OuterRef("pk"), role=Role.MANAGER)
        rows: QuerySet[Any] = super().get_queryset(request)
        counts = {"linked": _count(linked), "online": _count(online), "managers_count": _count(managers)}
        counted: QuerySet[Company] = rows.annotate(**counts)
        return counted

    @admin.display(description=_("online of linked, at most"))
    def sessions(self, company: Any) -> str:
        values = {"online": company.online, "linked": company.linked, "most": company.max_sessions}
        return gettext("%(online)s of %(linked)s, at most %(most)s") % values

    @admin.display(description=_("managers, at most"))
    def managers(self, company: Any) -> str:
        values = {"count": company.managers_count, "most": company.max_managers}
        return gettext("%(count)s, at most %(most)s") % values

    @admin.display(description=_("used of the plan"))
    def usage(self, company: Company) -> SafeString:
        used = run_in(company, usage.of_company)
        lines = [
            (gettext("Numbers"), _of(used.sessions, company.max_sessions)),
            (gettext("Managers"), _of(companies.people_of(company).managers, company.max_managers)),
            (gettext("Messages of the last 30 days"), used.messages_in_words),
        ]
        return as_table(lines)

    @admin.display(description=_("audit"))
    def audit(self, company: Company) -> SafeString:
        """What was done to the company itself, and by its people to each other; all of it is on its own page."""
        return as_table(run_in(company, timeline.of_company), timeline.HEAD)


def _of(used: int, most: int) -> str:
    return gettext("%(used)s of %(most)s") % {"used": used, "most": most}


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many there are for each row of the outer query."""
    counted = rows.order_by().values("company").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


@admin.register(Domain)
class DomainAdmin(ModelAdmin):  # type: ignore[misc]  # ships no types
    form = DomainForm
    list_display = ("domain", "tenant", "is_primary")
    search_fields = ("domain", "tenant__name", "tenant__slug")
    autocomplete_fields = ("tenant",)

    class Media:
        js = ("admin/names.js",)

    def save_model(self, request: HttpRequest, obj: Domain, form: DomainForm, change: bool) -> None:
        values = form.cleaned_data
        companies.set_domain(
            company=values["tenant"],
            by=operator_of(request),
            name=values["domain"],
            is_primary=values["is_primary"],
            domain=obj,
        )

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        companies.remove_domain(domain=obj, by=operator_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        for domain in queryset:
            self.delete_model(request, domain)
