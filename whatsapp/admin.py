"""Operators' view of sessions over all companies: live state, history, errors, and the same verbs as everywhere."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.callers import operator_actor
from accounts.models import User
from fleet.models import Placement, Worker
from fleet.reasons import SENTENCES, Reason
from fleet.states import State
from tenants.context import run_in
from wharf.errors import WharfError
from wharf.meanings import say
from whatsapp.models import Session, Transition
from whatsapp.services import packing, sessions

HISTORY = 100

Verb = Callable[..., Session]


class _ReadOnly(ModelAdmin):  # type: ignore[misc]  # ships no types
    """Rows that the fleet writes; people act through verbs."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(_ReadOnly):
    list_display = ("name", "pid", "sessions", "capacity", "started_at", "lease_until", "stopped_at")
    list_filter = ("stopped_at",)
    actions = ("repack",)

    @admin.action(description="Re-pack now (sessions move into fewer processes)")
    def repack(self, request: HttpRequest, queryset: QuerySet[Worker]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._ask_to_confirm(request, queryset)
        by = operator_actor(cast(User, request.user))
        for worker in queryset:
            try:
                packing.ask_to_repack(worker_id=worker.pk, by=by)
            except WharfError as error:
                messages.error(request, f"{worker}: {say(error)}")
            else:
                self.log_change(request, worker, "Re-pack now")
                messages.success(request, f"{worker}: re-pack")
        return None

    def _ask_to_confirm(self, request: HttpRequest, queryset: QuerySet[Worker]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Re-pack? Each session that is quiet is offline for a second or two.",
            "rows": [(worker.pk, worker, f"{self.sessions(worker)} session(s)") for worker in queryset],
            "action": "repack",
            "back": "admin:fleet_worker_changelist",
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        return super().get_queryset(request).prefetch_related("placements")  # type: ignore[no-any-return]

    @admin.display(description="sessions")
    def sessions(self, worker: Worker) -> int:
        return len(worker.placements.all())


@admin.register(Placement)
class SessionAdmin(_ReadOnly):
    """`Placement` is what operators call a session. Names and history stand in the company's own schema."""

    list_display = ("session", "company", "shown_state", "reason_in_words", "since", "wanted", "owner", "evidence_at")
    list_filter = ("state", "network", "reason", "company")
    list_select_related = ("company", "owner")
    search_fields = ("session_id", "device_jid", "company__name")
    ordering = ("-since",)
    actions = ("start", "pause", "unlink")
    fields = (
        *("session_id", "company", "session", "network", "state_now", "reason_in_words", "since", "wanted"),
        *("next_retry_at", "attempts", "evidence_at", "device_jid", "snapshot_at", "owner", "fence", "history"),
    )
    readonly_fields = fields

    class Media:
        js = ("admin/live_list.js",)

    # -- what is shown ---------------------------------------------------------------------------------------------
    @admin.display(description="session")
    def session(self, placement: Placement) -> str:
        name = run_in(placement.company, _label, placement.session_id)
        mark = " (sandbox)" if placement.network == "sandbox" else ""
        return f"{name or placement.session_id}{mark}"

    @display(  # type: ignore[untyped-decorator]  # ships no types
        description="state",
        label={
            State.CONNECTED: "success",
            State.CONNECTING: "warning",
            State.DEGRADED: "warning",
            State.PAIRING: "info",
            State.UNPAIRED: "danger",
            State.REFUSED: "danger",
        },
    )
    def shown_state(self, placement: Placement) -> tuple[str, str]:
        return placement.shown_state, placement.shown_state

    @admin.display(description="state")
    def state_now(self, placement: Placement) -> str:
        return placement.shown_state

    @admin.display(description="reason")
    def reason_in_words(self, placement: Placement) -> str:
        return _in_words(placement.shown_reason)

    @admin.display(description="history")
    def history(self, placement: Placement) -> SafeString:
        lines = run_in(placement.company, _history, placement.session_id)
        body = format_html_join("", "<tr>" + "<td class='px-2 py-1 align-top'>{}</td>" * 4 + "</tr>", lines)
        return format_html("<table><tbody>{}</tbody></table>", body)

    # -- what can be done ------------------------------------------------------------------------------------------
    @admin.action(description="Start")
    def start(self, request: HttpRequest, queryset: QuerySet[Placement]) -> None:
        self._each(request, queryset, sessions.start)

    @admin.action(description="Pause (the link is kept)")
    def pause(self, request: HttpRequest, queryset: QuerySet[Placement]) -> HttpResponse | None:
        return self._confirmed(request, queryset, sessions.pause, "pause")

    @admin.action(description="Unlink (the device is logged out for good)")
    def unlink(self, request: HttpRequest, queryset: QuerySet[Placement]) -> HttpResponse | None:
        return self._confirmed(request, queryset, sessions.unlink, "unlink")

    def _confirmed(
        self, request: HttpRequest, queryset: QuerySet[Placement], verb: Verb, name: str
    ) -> HttpResponse | None:
        if "confirmed" in request.POST:
            self._each(request, queryset, verb)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": f"{name.capitalize()} {len(queryset)} session(s)?",
            "rows": [(placement.pk, self.session(placement), placement.company) for placement in queryset],
            "action": name,
            "back": "admin:fleet_placement_changelist",
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)

    def _each(self, request: HttpRequest, queryset: QuerySet[Placement], verb: Verb) -> None:
        by = operator_actor(cast(User, request.user))
        for placement in queryset.select_related("company"):
            company = placement.company
            try:
                run_in(company, verb, company=company, session_id=placement.session_id, by=by)
            except WharfError as error:
                messages.error(request, f"{self.session(placement)}: {say(error)}")
            else:
                messages.success(request, f"{self.session(placement)}: {verb.__name__}")


def _label(session_id: str) -> str:
    session = Session.objects.with_placement().filter(pk=session_id).first()
    return session.label if session else ""


def _history(session_id: str) -> list[tuple[str, str, str, str]]:
    """(when, what, why, the engine's words), newest first."""
    rows = Transition.objects.select_related("by_user").filter(session_id=session_id).order_by("-id")[:HISTORY]
    return [(f"{row.at:%Y-%m-%d %H:%M:%S}", _what(row), _in_words(row.reason), row.detail) for row in rows]


def _what(row: Transition) -> str:
    if row.by_user:
        return f"{row.by_user}: {row.happening}"
    return f"{row.before} → {row.after}"


def _in_words(reason: str) -> str:
    text = SENTENCES[Reason(reason)]
    return gettext(text) if text else ""
