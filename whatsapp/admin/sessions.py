"""Operators' view of sessions over all companies: live state, history, errors, and the same verbs as everywhere."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from fleet.models import Placement
from fleet.states import State
from tenants.context import run_in
from wharf.errors import WharfError
from wharf.meanings import say
from whatsapp.admin import timeline
from whatsapp.admin.base import ReadOnly, ask_to_confirm, is_confirmed, operator_of
from whatsapp.admin.timeline import as_table
from whatsapp.models import Session
from whatsapp.services import sessions

Verb = Callable[..., Session]


@admin.register(Placement)
class SessionAdmin(ReadOnly):
    """`Placement` is what operators call a session. Names and history stand in the company's own schema."""

    list_display = (
        *("session", "company", "shown_state", "reason_in_words", "since", "wanted"),
        *("owner", "evidence_at", "queued"),
    )
    list_filter = ("state", "network", "reason", "company")
    list_select_related = ("company", "owner")
    search_fields = ("session_id", "device_jid", "company__name")
    ordering = ("-since",)
    actions = ("start", "pause", "unlink")
    fields = (
        *("session_id", "company", "session", "network", "state_now", "reason_in_words", "since", "wanted"),
        *("next_retry_at", "attempts", "evidence_at", "device_jid", "snapshot_at", "owner", "fence"),
        *("queued", "due_since", "history"),
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
        return timeline.reason_in_words(placement.shown_reason)

    @admin.display(description="history")
    def history(self, placement: Placement) -> SafeString:
        """What happened to it and who did something, as one story."""
        return as_table(run_in(placement.company, timeline.of_session, placement.session_id))

    # -- what can be done ------------------------------------------------------------------------------------------
    @admin.action(description="Start")
    def start(self, request: HttpRequest, queryset: QuerySet[Placement]) -> HttpResponse | None:
        return self._confirmed(request, queryset, sessions.start, "start")

    @admin.action(description="Pause (the link is kept)")
    def pause(self, request: HttpRequest, queryset: QuerySet[Placement]) -> HttpResponse | None:
        return self._confirmed(request, queryset, sessions.pause, "pause")

    @admin.action(description="Unlink (the device is logged out for good)")
    def unlink(self, request: HttpRequest, queryset: QuerySet[Placement]) -> HttpResponse | None:
        return self._confirmed(request, queryset, sessions.unlink, "unlink")

    def _confirmed(
        self, request: HttpRequest, queryset: QuerySet[Placement], verb: Verb, name: str
    ) -> HttpResponse | None:
        if is_confirmed(request):
            self._each(request, queryset, verb)
            return None
        rows = [(placement.pk, self.session(placement), placement.company) for placement in queryset]
        title = f"{name.capitalize()} {len(rows)} session(s)?"
        return ask_to_confirm(self, request, action=name, title=title, rows=rows)

    def _each(self, request: HttpRequest, queryset: QuerySet[Placement], verb: Verb) -> None:
        by = operator_of(request)
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
