"""The processes that keep numbers online and deliver webhooks, and what the monitor has found wrong."""

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from fleet.models import Dispatcher, EndpointPlacement, Trouble, Worker
from tenants.context import run_in
from wharf.errors import WharfError
from wharf.meanings import say
from whatsapp.admin.base import ReadOnly, ask_to_confirm, is_confirmed, operator_of
from whatsapp.models import WebhookEndpoint
from whatsapp.services import packing


class _Process(ReadOnly):
    """Rows with a lease."""

    @admin.display(description="alive", boolean=True)
    def is_alive(self, row: Worker | Dispatcher) -> bool:
        return row.stopped_at is None and row.lease_until >= timezone.now()


@admin.register(Worker)
class WorkerAdmin(_Process):
    list_display = ("name", "is_alive", "pid", "sessions", "capacity", "started_at", "lease_until", "stopped_at")
    list_filter = ("stopped_at",)
    actions = ("repack",)

    @admin.action(description="Re-pack now (sessions move into fewer processes)")
    def repack(self, request: HttpRequest, queryset: QuerySet[Worker]) -> HttpResponse | None:
        if not is_confirmed(request):
            rows = [(worker.pk, worker, f"{self.sessions(worker)} session(s)") for worker in queryset]
            title = "Re-pack? Each session that is quiet is offline for a second or two."
            return ask_to_confirm(self, request, action="repack", title=title, rows=rows)
        by = operator_of(request)
        for worker in queryset:
            try:
                packing.ask_to_repack(worker_id=worker.pk, by=by)
            except WharfError as error:
                messages.error(request, f"{worker}: {say(error)}")
            else:
                self.log_change(request, worker, "Re-pack now")
                messages.success(request, f"{worker}: re-pack")
        return None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        return super().get_queryset(request).prefetch_related("placements")  # type: ignore[no-any-return]

    @admin.display(description="sessions")
    def sessions(self, worker: Worker) -> int:
        return len(worker.placements.all())


@admin.register(Dispatcher)
class DispatcherAdmin(_Process):
    list_display = ("name", "is_alive", "pid", "endpoints", "started_at", "lease_until", "stopped_at")
    list_filter = ("stopped_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispatcher]:
        return super().get_queryset(request).annotate(owned=Count("placements"))  # type: ignore[no-any-return]

    @admin.display(description="endpoints")
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

    @admin.display(description="why not")
    def why(self, row: EndpointPlacement) -> str:
        return "" if row.is_active else _of(row, "disabled_reason")

    @admin.display(description="description")
    def description(self, row: EndpointPlacement) -> str:
        return _of(row, "description")

    @admin.display(description="failing since")
    def failing_since(self, row: EndpointPlacement) -> str:
        return _of(row, "failing_since")


def _of(row: EndpointPlacement, field: str) -> str:
    """What the company's own row says."""
    value = run_in(row.company, WebhookEndpoint.objects.filter(pk=row.pk).values_list(field, flat=True).first)
    return str(value or "")


@admin.register(Trouble)
class TroubleAdmin(ReadOnly):
    list_display = ("about", "cause", "subject", "is_warning", "began_at", "nudged_at", "told_at", "ended_at")
    list_filter = ("is_warning", "cause", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("about", "subject")
