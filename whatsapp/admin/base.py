"""What the admin's pages share: rows that services own are only shown, and deeds are asked about first."""

from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from accounts.callers import operator_actor
from accounts.models import User
from accounts.permissions import Actor


class ReadOnly(ModelAdmin):  # type: ignore[misc]  # ships no types
    """Rows that the fleet writes; people act through verbs."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def operator_of(request: HttpRequest) -> Actor:
    return operator_actor(cast(User, request.user))


def ask_to_confirm(
    page: Any, request: HttpRequest, *, action: str, title: str, rows: list[tuple[Any, Any, Any]]
) -> HttpResponse:
    """The page between a deed and its doing. `rows` are (id, name, about) of what is chosen; `page` a ModelAdmin."""
    options = page.model._meta
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "rows": rows,
        "action": action,
        "back": f"admin:{options.app_label}_{options.model_name}_changelist",
        "opts": options,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)


def is_confirmed(request: HttpRequest) -> bool:
    return "confirmed" in request.POST


def names(queryset: QuerySet[Any]) -> str:
    return ", ".join(str(row) for row in queryset)
