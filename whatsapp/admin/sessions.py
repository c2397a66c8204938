"""Operators' view of sessions over all companies: live state, history, errors, and the same verbs as everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.permissions import Actor
from fleet.models import Placement
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from wharf.errors import sentence
from whatsapp.admin import timeline
from whatsapp.admin.base import Question, ReadOnly, ask_to_confirm, do_each, is_confirmed, operator_of
from whatsapp.admin.filters import choices_filter
from whatsapp.admin.timeline import as_table
from whatsapp.models import Session
from whatsapp.pages.words import WISHES, face_of_state, reason_text
from whatsapp.services import sessions

Verb = Callable[..., Session]

_COLOURS: Final = {
    State.CONNECTED: "success",
    State.CONNECTING: "warning",
    State.DEGRADED: "warning",
    State.PAIRING: "info",
    State.UNPAIRED: "danger",
    State.REFUSED: "danger",
}


@dataclass(frozen=True)
class Deed:
    """What people do with sessions, and its words."""

    verb: Verb
    yes: str
    done: str
    text: str = ""


_DEEDS: Final = {
    "start": Deed(sessions.start, sentence("Start"), sentence("The session is being started.")),
    "pause": Deed(
        sessions.pause, sentence("Pause"), sentence("The session is being stopped. An existing link is kept.")
    ),
    "unlink": Deed(
        sessions.unlink,
        sentence("Unlink"),
        sentence("The number is being unlinked. Chats and messages are kept."),
        sentence(
            "The device is logged out at WhatsApp and its keys are erased. Chats and messages are kept, "
            "and come back when the same number is linked again."
        ),
    ),
}
_QUESTIONS: Final = {
    "start": lambda count: ngettext("Start %(count)s number?", "Start %(count)s numbers?", count),
    "pause": lambda count: ngettext("Pause %(count)s number?", "Pause %(count)s numbers?", count),
    "unlink": lambda count: ngettext("Unlink %(count)s number?", "Unlink %(count)s numbers?", count),
}


class OfSessions:
    """What both sites show of a session and do with it, whichever row stands for it."""

    def placement_of(self, row: Any) -> Placement:
        raise NotImplementedError

    def actor_of(self, request: HttpRequest) -> Actor:
        raise NotImplementedError

    def about(self, row: Any) -> str:
        """What tells two of one name apart, where one is asked."""
        raise NotImplementedError

    # -- what is shown ---------------------------------------------------------------------------------------------
    @admin.display(description=_("session"))
    def session(self, row: Any) -> str:
        placement = self.placement_of(row)
        name = run_in(placement.company, _label, placement.session_id)
        words = gettext("%(session)s (sandbox)") if placement.network == "sandbox" else "%(session)s"
        return words % {"session": name or placement.session_id}

    @display(description=_("state"), label=_COLOURS)  # type: ignore[untyped-decorator]  # ships no types
    def shown_state(self, row: Any) -> tuple[str, str]:
        state = self.placement_of(row).shown_state
        return state, face_of_state(state)[1]

    @admin.display(description=_("state"))
    def state_now(self, row: Any) -> str:
        return face_of_state(self.placement_of(row).shown_state)[1]

    @admin.display(description=_("reason"))
    def reason_in_words(self, row: Any) -> str:
        return reason_text(self.placement_of(row).shown_reason)

    @admin.display(description=_("wanted"))
    def wish(self, row: Any) -> str:
        return gettext(WISHES[Wanted(self.placement_of(row).wanted)])

    @admin.display(description=_("history"))
    def history(self, row: Any) -> SafeString:
        """What happened to it and who did something, as one story."""
        placement = self.placement_of(row)
        return as_table(run_in(placement.company, timeline.of_session, placement.session_id), timeline.HEAD)

    # -- what can be done ------------------------------------------------------------------------------------------
    @admin.action(description=_("Start"))
    def start(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._confirmed(request, queryset, "start")

    @admin.action(description=_("Pause (the link is kept)"))
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._confirmed(request, queryset, "pause")

    @admin.action(description=_("Unlink (the device is logged out for good)"))
    def unlink(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._confirmed(request, queryset, "unlink")

    def _confirmed(self, request: HttpRequest, queryset: QuerySet[Any], name: str) -> HttpResponse | None:
        deed, rows = _DEEDS[name], list(queryset)
        if is_confirmed(request):
            do_each(request, rows, partial(self._do, deed.verb, request), name=self.session, done=deed.done)
            return None
        title = _QUESTIONS[name](len(rows)) % {"count": len(rows)}
        question = Question(name, title, gettext(deed.yes), gettext(deed.text) if deed.text else "")
        return ask_to_confirm(self, request, question, [(row.pk, self.session(row), self.about(row)) for row in rows])

    def _do(self, verb: Verb, request: HttpRequest, row: Any) -> None:
        placement = self.placement_of(row)
        company: Company = placement.company
        run_in(company, verb, company=company, session_id=placement.session_id, by=self.actor_of(request))


def _states() -> list[tuple[str, str]]:
    return [(state.value, face_of_state(state)[1]) for state in State]


def filters_by(path: str = "") -> tuple[type[SimpleListFilter], ...]:
    """By state and by reason; `path` leads from the row to its placement."""
    return (
        choices_filter("state", _("state"), _states, f"{path}state"),
        choices_filter("reason", _("reason"), timeline.reasons, f"{path}reason"),
    )


@admin.register(Placement)
class SessionAdmin(OfSessions, ReadOnly):
    """`Placement` is what operators call a session. Names and history stand in the company's own schema."""

    list_display = (
        *("session", "company", "shown_state", "reason_in_words", "since", "wish"),
        *("owner", "evidence_at", "queued"),
    )
    list_filter = (*filters_by(), "network", "company")
    list_select_related = ("company", "owner")
    search_fields = ("session_id", "device_jid", "company__name")
    ordering = ("-since",)
    actions = ("start", "pause", "unlink")
    fields = (
        *("session_id", "company", "session", "network", "state_now", "reason_in_words", "since", "wish"),
        *("next_retry_at", "attempts", "evidence_at", "device_jid", "snapshot_at", "owner", "fence"),
        *("queued", "due_since", "history"),
    )
    readonly_fields = fields

    class Media:
        js = ("admin/live_list.js",)

    def placement_of(self, row: Placement) -> Placement:
        return row

    def actor_of(self, request: HttpRequest) -> Actor:
        return operator_of(request)

    def about(self, row: Placement) -> str:
        return str(row.company)


def _label(session_id: str) -> str:
    session = Session.objects.with_placement().filter(pk=session_id).first()
    return session.label if session else ""
