"""Filters of lists, in words: each reads its own word of the address and asks for nothing but what it offers."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise

Choices = Callable[[], list[tuple[str, str]]]


def choices_filter(name: str, title: Promise, choices: Choices, field: str) -> type[SimpleListFilter]:
    """By the values of `field`; what is not among `choices` narrows nothing."""

    class ChoicesFilter(SimpleListFilter):
        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return choices()

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            is_offered = value in {str(key) for key, _words in self.lookup_choices}
            return queryset.filter(**{field: value}) if is_offered else queryset

    ChoicesFilter.title, ChoicesFilter.parameter_name = title, name  # type: ignore[assignment]
    return ChoicesFilter
