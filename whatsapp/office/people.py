"""Who works in the company: their role and when they were last here; let in, given another role, and let go."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Membership, Role
from accounts.permissions import Permission, Rights
from accounts.services import managers, people
from wharf.errors import sentence
from whatsapp.admin.filters import choices_filter
from whatsapp.admin.timeline import as_table
from whatsapp.office.base import DeedForm, OfficeAdmin, company_of, form_with
from whatsapp.office.site import caller
from whatsapp.pages.people import MAX_NAME
from whatsapp.services import access

#: In the order in which they are offered.
_ROLES: Final = (Role.MANAGER, Role.ADMIN)
_HEAD: Final = (sentence("Number"), sentence("Reads"), sentence("Answers"), sentence("Manages chats"))


def _roles() -> list[tuple[str, str]]:
    return [(role.value, str(role.label)) for role in _ROLES]


class NewPersonForm(DeedForm):
    """As on the pages: without a password they choose one themselves, by a code that goes to their address."""

    about: ClassVar = {
        "email_wrong": "email",
        "already_member": "email",
        "password_short": "password",
        "password_weak": "password",
    }

    email = forms.EmailField(label=_("E-mail"), max_length=people.MAX_EMAIL, widget=UnfoldAdminEmailInputWidget)
    role = forms.ChoiceField(label=_("Role"), choices=_roles, widget=UnfoldAdminSelectWidget)
    first_name = forms.CharField(label=_("First name"), max_length=MAX_NAME, widget=UnfoldAdminTextInputWidget)
    last_name = forms.CharField(
        label=_("Last name"), max_length=MAX_NAME, required=False, widget=UnfoldAdminTextInputWidget
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget,
        help_text=_(
            "Best left empty: they choose one themselves by a code that is sent to their address. "
            "If you type one, tell it to them yourself; it is never mailed."
        ),
    )

    class Meta:
        model = Membership
        fields = ()


class RoleForm(DeedForm):
    about: ClassVar = {"last_admin": "role", "manager_limit_reached": "role"}

    role = forms.ChoiceField(label=_("Role"), choices=_roles, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Membership
        fields = ("role",)


class People(OfficeAdmin):
    needs = Permission.PEOPLE_MANAGE
    list_display = ("name", "email", "role_in_words", "comes_in", "last_seen_at", "numbers")
    list_display_links = ("name",)
    list_filter = (choices_filter("role", _("Role"), _roles, "role"),)
    search_fields = ("user__email", "user__first_name", "user__last_name", "first_name", "last_name")
    ordering = ("created_at",)
    _shown = ("name", "email", "comes_in_now", "last_seen_at", "created_at", "pages", "granted")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        rows: QuerySet[Membership] = super().get_queryset(request)
        return rows.select_related("user", "company")

    def id_in_audit(self, row: Membership) -> str:
        return row.user_id

    # -- what may be done ----------------------------------------------------------------------------------------------
    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        """Nobody takes their own rights away here by a slip; another administrator can."""
        return self.has_module_permission(request) and not self._is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def _is_own(self, request: HttpRequest, obj: Membership | None) -> bool:
        return obj is not None and obj.user_id == caller(request).user.pk

    # -- the forms -----------------------------------------------------------------------------------------------------
    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        if obj is None:
            return tuple(NewPersonForm.base_fields)
        return (("role_in_words",) if self._is_own(request, obj) else ("role",)) + self._shown

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return () if obj is None else ("role_in_words", *self._shown)

    def get_form(self, request: HttpRequest, obj: Membership | None = None, **kwargs: Any) -> Any:
        who: dict[str, Any] = {"company": company_of(request), "by": self.actor_of(request)}

        def let_in(values: dict[str, Any]) -> Membership:
            values = {**values, "password": values["password"] or None, "role": Role(values["role"])}
            return managers.create(**who, **values)

        def change(values: dict[str, Any]) -> Membership:
            row = self.get_queryset(request).get(pk=obj.pk if obj else "")
            if not self._is_own(request, row):
                people.change_role(membership=row, role=Role(values["role"]), by=self.actor_of(request))
            return row

        return form_with(NewPersonForm, let_in) if obj is None else form_with(RoleForm, change)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        people.remove_member(membership=obj, by=self.actor_of(request))
        messages.info(request, gettext("What they wrote stays."))

    # -- what is shown -------------------------------------------------------------------------------------------------
    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        given = access.numbers_by_manager(by=self.actor_of(request))
        found.result_list = list(found.result_list)
        for row in found.result_list:
            row.given = given.get(row.user_id, 0)
        return found

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.held = access.grants_to(row.user_id, by=self.actor_of(request))
            row.seen = list(access.visible_sessions(self.actor_of(request)))
        return row

    @admin.display(description=_("first and last name"))
    def name(self, row: Membership) -> str:
        return " ".join(row.names).strip() or row.user.email

    @admin.display(description=_("e-mail"), ordering="user__email")
    def email(self, row: Membership) -> str:
        return row.user.email

    @admin.display(description=_("role"), ordering="role")
    def role_in_words(self, row: Membership) -> str:
        return str(Role(row.role).label)

    @display(description=_("comes in"), label={"yes": "success", "no": "danger"})  # type: ignore[untyped-decorator]
    def comes_in(self, row: Membership) -> tuple[str, str]:
        return ("yes", self.comes_in_now(row)) if _is_open(row) else ("no", self.comes_in_now(row))

    @admin.display(description=_("comes in"))
    def comes_in_now(self, row: Membership) -> str:
        if _is_open(row):
            return gettext("yes")
        is_unproven = row.is_active and row.user.is_active
        return gettext("not before the address is proven") if is_unproven else gettext("no")

    @admin.display(description=_("numbers"))
    def numbers(self, row: Any) -> str:
        return gettext("all") if row.role == Role.ADMIN else str(row.given)

    @admin.display(description=_("its pages"))
    def pages(self, row: Membership) -> SafeString | str:
        if row.role == Role.ADMIN:
            return ""
        words = gettext("Rights on numbers, names, password, keeping out")
        return format_html('<a class="underline" href="{}">{}</a>', reverse("person", args=[row.user_id]), words)

    @admin.display(description=_("may do with numbers"))
    def granted(self, row: Any) -> SafeString | str:
        if row.role == Role.ADMIN:
            return gettext("Everything with all of them, as every administrator.")
        lines = [_line(session.label, row.held[session.pk]) for session in row.seen if session.pk in row.held]
        return as_table(lines, _HEAD) if lines else gettext("none yet")


def _is_open(row: Membership) -> bool:
    return row.is_active and row.user.is_active and row.is_confirmed


def _line(name: str, rights: Rights) -> tuple[str, ...]:
    ticks = (rights.can_read, rights.can_write, rights.can_manage_chats)
    return name or gettext("New number"), *(gettext("yes") if one else gettext("no") for one in ticks)
