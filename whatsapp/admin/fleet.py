"""The processes that keep numbers online and deliver webhooks, and what the monitor has found wrong."""

from functools import partial

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from fleet.models import Dispatcher, EndpointPlacement, Trouble, Worker
from tenants.context import run_in
from wharf.errors import sentence
from whatsapp.admin.base import Question, ReadOnly, ask_to_confirm, do_each, is_confirmed, operator_of
from whatsapp.models import WebhookEndpoint
from whatsapp.pages.endpoint_words import off_because
from whatsapp.services import packing


class _Process(ReadOnly):
    """Rows with a lease."""

    @admin.display(description=_("alive"), boolean=True)
    def is_alive(self, row: Worker | Dispatcher) -> bool:
        return row.stopped_at is None and row.lease_until >= timezone.now()


@admin.register(Worker)
class WorkerAdmin(_Process):
    list_display = ("name", "is_alive", "pid", "sessions", "capacity", "started_at", "lease_until", "stopped_at")
    list_filter = ("stopped_at",)
    actions = ("repack",)

    @admin.action(description=_("Re-pack now (sessions move into fewer processes)"))
    def repack(self, request: HttpRequest, queryset: QuerySet[Worker]) -> HttpResponse | None:
        if not is_confirmed(request):
            rows = [(worker.pk, worker, _numbers(self.sessions(worker))) for worker in queryset]
            text = gettext("Each session that is quiet is offline for a second or two.")
            question = Question("repack", gettext("Re-pack?"), gettext("Re-pack"), text)
            return ask_to_confirm(self, request, question, rows)
        do_each(request, queryset, partial(self._repack, request), name=str, done=sentence("Asked to re-pack."))
        return None

    def _repack(self, request: HttpRequest, worker: Worker) -> None:
        packing.ask_to_repack(worker_id=worker.pk, by=operator_of(request))
        self.log_change(request, worker, "Re-pack now")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        return super().get_queryset(request).prefetch_related("placements")  # type: ignore[no-any-return]

    @admin.display(description=_("numbers"))
    def sessions(self, worker: Worker) -> int:
        return len(worker.placements.all())


@admin.register(Dispatcher)
class DispatcherAdmin(_Process):
    list_display = ("name", "is_alive", "pid", "endpoints", "started_at", "lease_until", "stopped_at")
    list_filter = ("stopped_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispatcher]:
        return super().get_queryset(request).annotate(owned=Count("placements"))  # type: ignore[no-any-return]

    @admin.display(description=_("webhooks"))
    def endpoints(self, dispatcher: Dispatcher) -> int:
        return dispatcher.owned  # type: ignore[attr-defined,no-any-return]  # annotated


@admin.register(EndpointPlacement)
class EndpointAdmin(ReadOnly):
    """A company's webhook endpoint. Its address may carry the receiver's secrets, so only what people call it shows."""

    list_display = ("endpoint_id", "company", "is_active", "why", "owner")
    list_filter = ("is_active", "company")
    list_select_related = ("company", "owner")
    search_fields = ("endpoint_id", "company__name")
    fields = ("endpoint_id", "company", "description", "is_active", "why", "failing_since", "owner", "fence", "work")
    readonly_fields = fields

    @admin.display(description=_("why not"))
    def why(self, row: EndpointPlacement) -> str:
        return "" if row.is_active else run_in(row.company, _why, row.pk)

    @admin.display(description=_("description"))
    def description(self, row: EndpointPlacement) -> str:
        return _of(row, "description")

    @admin.display(description=_("failing since"))
    def failing_since(self, row: EndpointPlacement) -> str:
        return _of(row, "failing_since")


def _why(endpoint_id: str) -> str:
    row = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    return off_because(row) if row else ""


def _numbers(count: int) -> str:
    return ngettext("%(count)s number", "%(count)s numbers", count) % {"count": count}


def _of(row: EndpointPlacement, field: str) -> str:
    """What the company's own row says."""
    value = run_in(row.company, WebhookEndpoint.objects.filter(pk=row.pk).values_list(field, flat=True).first)
    return str(value or "")


@admin.register(Trouble)
class TroubleAdmin(ReadOnly):
    list_display = ("about", "cause", "subject", "is_warning", "began_at", "nudged_at", "told_at", "ended_at")
    list_filter = ("is_warning", "cause", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("about", "subject")
