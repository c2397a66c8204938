"""What the admin's pages share: rows that services own are only shown, and deeds are asked about first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from unfold.admin import ModelAdmin

from accounts.callers import operator_actor
from accounts.models import User
from accounts.permissions import Actor
from wharf.errors import WharfError
from wharf.meanings import say

Row = TypeVar("Row")


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


@dataclass(frozen=True)
class Question:
    """What stands between a deed and its doing: `title` asks, `text` says what follows, `yes` is on the button."""

    action: str
    title: str
    yes: str
    text: str = ""


def ask_to_confirm(
    page: Any, request: HttpRequest, question: Question, rows: Iterable[tuple[Any, Any, Any]]
) -> HttpResponse:
    """The page that asks. `rows` are (id, name, about) of what is chosen; `page` a ModelAdmin."""
    options = page.model._meta
    context = {
        **page.admin_site.each_context(request),
        "title": question.title,
        "question": question,
        "rows": list(rows),
        "back": f"admin:{options.app_label}_{options.model_name}_changelist",
        "opts": options,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)


def is_confirmed(request: HttpRequest) -> bool:
    return "confirmed" in request.POST


def do_each(
    request: HttpRequest, rows: Iterable[Row], deed: Callable[[Row], object], *, name: Callable[[Row], str], done: str
) -> None:
    """One after the other; of each it is told that it was done, or why not. `done` is a sentence."""
    for row in rows:
        try:
            deed(row)
        except WharfError as error:
            messages.error(request, f"{name(row)}: {say(error)}")
        else:
            messages.success(request, f"{name(row)}: {gettext(done)}")


def names(queryset: QuerySet[Any]) -> str:
    return ", ".join(str(row) for row in queryset)
