"""Operators' view of people: made, changed and given roles through the services, never deleted."""

from typing import Any, cast

import django.contrib.auth.admin  # noqa: F401  # registers what is taken away below
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget

from accounts.callers import operator_actor
from accounts.models import Membership, Role, User, normalise_email
from accounts.permissions import Actor
from accounts.services import people, second_factor
from tenants.models import Company
from wharf.errors import WharfError
from wharf.meanings import say

# Roles and grants decide here, not Django's groups.
admin.site.unregister(Group)

OPERATOR = "operator"


def _roles() -> list[tuple[str, str]]:
    return [
        *((role.value, str(role.label)) for role in Role),
        (OPERATOR, gettext("operator of the platform")),
    ]


class NewPersonForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker alone
    """An account and what it is for; the password is made and shown once."""

    email = forms.EmailField(label=_("E-mail"), widget=UnfoldAdminEmailInputWidget)
    role = forms.ChoiceField(label=_("Role"), choices=_roles, widget=UnfoldAdminSelectWidget)
    company = forms.ModelChoiceField(
        Company.objects.all(),
        label=_("Company"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("For admins and managers."),
    )

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name")

    def clean_email(self) -> str:
        email = normalise_email(self.cleaned_data["email"])
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(gettext("This person has an account; give it another membership instead."))
        return email

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("role") in Role.values and not self.cleaned_data.get("company"):
            self.add_error("company", gettext("Admins and managers belong to a company."))


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker alone
    language = forms.ChoiceField(
        label=_("Language"),
        choices=[("", _("as the browser asks")), *settings.LANGUAGES],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "language", "is_active")


class MembershipInline(TabularInline):  # type: ignore[misc]  # ships no types
    model = Membership
    fk_name = "user"
    fields = ("company", "role", "created_at")
    readonly_fields = ("created_at",)
    extra = 0

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A cell of a table has no label of its own: who hears the page is told the column."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for widget in {field.widget, getattr(field.widget, "widget", field.widget)} if field else ():
            widget.attrs["aria-label"] = capfirst(field.label)
        return field


@admin.register(User)
class UserAdmin(ModelAdmin):  # type: ignore[misc]  # ships no types
    list_display = ("email", "called", "is_active", "is_superuser", "last_login", "created_at")
    list_filter = ("is_active", "is_superuser", "memberships__company")
    search_fields = ("email", "first_name", "last_name")
    readonly_fields = ("id", "email", "keeper", "is_superuser", "last_login", "created_at", "updated_at")
    actions = ("give_new_password", "take_second_factor")

    def get_form(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        return super().get_form(request, obj, **kwargs, form=PersonForm if obj else NewPersonForm)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj:
            return ("email", *PersonForm.Meta.fields, *(name for name in self.readonly_fields if name != "email"))
        return ("email", "role", "company", "first_name", "last_name")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[type[MembershipInline]]:
        return [MembershipInline] if obj else []

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        by, values = _actor(request), form.cleaned_data
        if change:
            people.change_person(user=obj, by=by, **{name: values[name] for name in form.changed_data})
            return
        user, password = _create(by, values)
        obj.__dict__.update(user.__dict__)
        _show_password(request, user, password)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Memberships, by their services; the admin's log still says what was added, changed and removed."""
        by = _actor(request)
        formset.save(commit=False)
        for membership in formset.deleted_objects:
            people.remove_member(membership=membership, by=by)
        for membership, _fields in formset.changed_objects:
            people.change_role(membership=membership, role=Role(membership.role), by=by)
        for membership in formset.new_objects:
            made = people.create_member(
                company=membership.company, email=membership.user.email, role=Role(membership.role), by=by
            )
            membership.__dict__.update(made.membership.__dict__)

    @admin.display(description=_("first and last name"))
    def called(self, user: User) -> str:
        return user.full_name

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    @admin.action(description=_("Give a new password, shown once"))
    def give_new_password(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            _show_password(request, user, people.set_password(user=user, password=None, by=_actor(request)))

    @admin.action(description=_("Turn the log-in in two steps off (the phone and the recovery codes are lost)"))
    def take_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            try:
                second_factor.take_away(user, by=_actor(request))
            except WharfError as error:
                messages.error(request, f"{user.email}: {say(error)}")
            else:
                self.log_change(request, user, "Log-in in two steps turned off")
                messages.success(request, gettext("%(email)s: the password alone opens now.") % {"email": user.email})


def _create(by: Actor, values: dict[str, Any]) -> tuple[User, str | None]:
    if values["role"] == OPERATOR:
        operator = people.create_operator(email=values["email"], by=by)
        return operator.user, operator.password
    made = people.create_member(
        company=values["company"],
        email=values["email"],
        role=Role(values["role"]),
        by=by,
        first_name=values["first_name"],
        last_name=values["last_name"],
    )
    return made.membership.user, made.password


def _show_password(request: HttpRequest, user: User, password: str | None) -> None:
    words = gettext("%(email)s: the password is %(password)s and is shown only now.")
    messages.warning(request, words % {"email": user.email, "password": password})


def _actor(request: HttpRequest) -> Actor:
    return operator_actor(cast(User, request.user))
