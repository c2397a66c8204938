"""The company's webhooks: how each is doing and why, what was delivered last, and the switch."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.permissions import Permission
from wharf.errors import sentence
from whatsapp.admin.base import Question, ask_to_confirm, do_each, is_confirmed
from whatsapp.admin.filters import choices_filter
from whatsapp.admin.timeline import as_table, clock
from whatsapp.models import WebhookEndpoint
from whatsapp.office.base import OfficeAdmin, at, company_of
from whatsapp.office.site import caller
from whatsapp.pages.endpoint_words import health_of, tries_of
from whatsapp.services import backlogs, webhooks

#: Deliveries on an endpoint's page; all of them are on the company's own page of it.
SHOWN: Final = 30
_TONES: Final = {"good": "success", "wait": "warning", "bad": "danger", "idle": "info"}
_HEAD: Final = (sentence("When"), sentence("What"), sentence("Number"), sentence("Answer"))


def _switches() -> list[tuple[str, str]]:
    return [("True", gettext("On")), ("False", gettext("Off"))]


class Endpoints(OfficeAdmin):
    needs = Permission.WEBHOOK_MANAGE
    list_display = ("called", "url", "health", "why", "since", "waiting", "given_up")
    list_display_links = ("called",)
    list_filter = (choices_filter("on", _("switch"), _switches, "is_active"),)
    search_fields = ("description", "url")
    ordering = ("id",)
    actions = ("switch_on", "switch_off")
    fields = ("called", "url", "health_now", "why", "since", "waiting", "given_up", "created_at", "pages", "deliveries")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        rows: QuerySet[WebhookEndpoint] = super().get_queryset(request)
        return rows.prefetch_related("lanes")

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return row and self._counted(request, [row])[0]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        found.result_list = self._counted(request, list(found.result_list))
        return found

    def _counted(self, request: HttpRequest, rows: list[Any]) -> list[Any]:
        """With what none of their columns says, in a few queries for all of them."""
        by = caller(request).actor
        counted = backlogs.backlogs_of(rows, by=by)
        for row in rows:
            row.backlog, row.seen_by = counted[row.pk], by
        return rows

    # -- what is shown -------------------------------------------------------------------------------------------------
    @admin.display(description=_("webhook"), ordering="description")
    def called(self, row: WebhookEndpoint) -> str:
        return row.description or row.url

    @display(description=_("state"), label=_TONES)  # type: ignore[untyped-decorator]  # ships no types
    def health(self, row: WebhookEndpoint) -> tuple[str, str]:
        found = health_of(row)
        return found.tone, found.title

    @admin.display(description=_("state"))
    def health_now(self, row: WebhookEndpoint) -> str:
        return health_of(row).title

    @admin.display(description=_("why"))
    def why(self, row: WebhookEndpoint) -> str:
        return health_of(row).detail

    @admin.display(description=_("since"))
    def since(self, row: WebhookEndpoint) -> str:
        return at(health_of(row).since)

    @admin.display(description=_("events that wait"))
    def waiting(self, row: Any) -> str:
        return f"{row.backlog.waiting}+" if row.backlog.is_more else str(row.backlog.waiting)

    @admin.display(description=_("given up"))
    def given_up(self, row: Any) -> int:
        return int(row.backlog.dead)

    @admin.display(description=_("its pages"))
    def pages(self, row: WebhookEndpoint) -> SafeString:
        words = gettext("Settings, secret, test, sending again")
        return format_html('<a class="underline" href="{}">{}</a>', reverse("webhook", args=[row.pk]), words)

    @admin.display(description=_("last deliveries"))
    def deliveries(self, row: Any) -> SafeString:
        tries = tries_of(webhooks.deliveries_of(row.pk, by=row.seen_by, limit=SHOWN))
        return as_table(((clock(one.row.at), one.title, one.number, one.outcome) for one in tries), _HEAD)  # type: ignore[union-attr]

    # -- what can be done ----------------------------------------------------------------------------------------------
    @admin.action(description=_("Switch on"))
    def switch_on(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        done = sentence("The endpoint is on, and goes on where it stopped.")
        do_each(request, list(queryset), lambda row: self._switch(request, row, True), name=self.called, done=done)

    @admin.action(description=_("Switch off"))
    def switch_off(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> HttpResponse | None:
        rows = list(queryset)
        if is_confirmed(request):
            done = sentence("Switched off.")
            do_each(request, rows, lambda row: self._switch(request, row, False), name=self.called, done=done)
            return None
        count = {"count": len(rows)}
        title = ngettext("Switch %(count)s webhook off?", "Switch %(count)s webhooks off?", len(rows)) % count
        text = gettext("Nothing is sent to it until it is switched on again. Then it goes on where it stopped.")
        question = Question("switch_off", title, gettext("Switch off"), text)
        return ask_to_confirm(self, request, question, [(row.pk, self.called(row), row.url) for row in rows])

    def _switch(self, request: HttpRequest, row: WebhookEndpoint, is_active: bool) -> None:
        who = {"company": company_of(request), "by": self.actor_of(request)}
        webhooks.change(endpoint_id=row.pk, is_active=is_active, **who)  # type: ignore[arg-type]
