"""The company's audit: who did what, and when; read and never changed."""

from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.permissions import Permission
from accounts.services import audit
from audit.models import Entry
from audit.verbs import WORDS
from whatsapp.admin.filters import choices_filter
from whatsapp.admin.timeline import changes_of, doer_of
from whatsapp.office.base import OfficeAdmin, company_of
from whatsapp.pages.audit import row_of
from whatsapp.pages.event_words import labels_of


def _verbs() -> list[tuple[str, str]]:
    return sorted(((str(verb), gettext(text)) for verb, text in WORDS.items()), key=lambda pair: pair[1])


class PersonFilter(SimpleListFilter):
    """Who is there, and who has been there."""

    title, parameter_name = _("who"), "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return audit.people_of(company_of(request))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return queryset.filter(actor_id=self.value()) if self.value() else queryset


class TimeFilter(SimpleListFilter):
    """By the company's own days."""

    title, parameter_name = _("when"), "when"
    _DAYS: Final = {"today": 0, "week": 6, "month": 29}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = (gettext("Today"), gettext("Last 7 days"), gettext("Last 30 days"))
        return list(zip(self._DAYS, words, strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        days = self._DAYS.get(self.value() or "")
        if days is None:
            return queryset
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        return queryset.filter(at__gte=midnight - timedelta(days=days))


class AboutFilter(SimpleListFilter):
    """One thing's history: where its page leads. Offered only while it is on, to be taken off."""

    title, parameter_name = _("about"), "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        asked = request.GET.get(self.parameter_name, "")
        named = Entry.objects.filter(target_id=asked).order_by("-id").values_list("target_name", flat=True).first()
        return [(asked, named or asked)] if asked else []

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        thing = self.value()
        return queryset.filter(Q(target_id=thing) | Q(session_id=thing)) if thing else queryset


class Deeds(OfficeAdmin):
    needs = Permission.COMPANY_MANAGE
    list_display = ("at", "who", "what", "target", "number", "changed", "address")
    list_display_links = ("at",)
    list_filter = (choices_filter("verb", _("what"), _verbs, "verb"), PersonFilter, TimeFilter, AboutFilter)
    ordering = ("-id",)
    # All that there is takes long to count.
    show_full_result_count = False
    fields = ("at", "who", "key_name", "what", "target", "number", "changed", "address")
    readonly_fields = fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        found.result_list = self._in_words(list(found.result_list))
        return found

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return row and self._in_words([row])[0]

    def _in_words(self, rows: list[Any]) -> list[Any]:
        numbers = labels_of({row.session_id for row in rows if row.session_id})
        for row in rows:
            row.words = row_of(row, numbers)
        return rows

    @admin.display(description=_("who"))
    def who(self, row: Any) -> str:
        return doer_of(row.words)

    @admin.display(description=_("what"))
    def what(self, row: Any) -> str:
        return str(row.words.what)

    @admin.display(description=_("about"))
    def target(self, row: Any) -> str:
        return str(row.words.target)

    @admin.display(description=_("number"))
    def number(self, row: Any) -> str:
        return str(row.words.number)

    @admin.display(description=_("changes"))
    def changed(self, row: Any) -> str:
        return changes_of(row.words)
