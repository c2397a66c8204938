"""What waits to be done in the background, and what came of it: shown in our words, for procrastinate's own pages are
in English alone and let a job run twice without asking."""

from typing import Any, Final

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.models import ProcrastinateJob

from wharf.errors import Sentence, sentence
from whatsapp.admin.base import ReadOnly
from whatsapp.admin.filters import choices_filter

STATES: Final[dict[str, Sentence]] = {
    "todo": sentence("waits"),
    "doing": sentence("is being done"),
    "succeeded": sentence("done"),
    "failed": sentence("failed"),
    "cancelled": sentence("cancelled"),
    "aborted": sentence("broken off"),
}


def _states() -> list[tuple[str, str]]:
    return [(state, gettext(words)) for state, words in STATES.items()]


class JobAdmin(ReadOnly):
    """Failed jobs are tried again by themselves, as often as their task says; stalled ones by the sweeper."""

    list_display = ("id", "task_name", "state", "attempts", "scheduled_at")
    list_filter = (choices_filter("state", _("state"), _states, "status"),)
    search_fields = ("task_name",)
    ordering = ("-id",)
    fields = ("id", "task_name", "state", "attempts", "scheduled_at", "args")
    readonly_fields = fields

    @admin.display(description=_("state"), ordering="status")
    def state(self, row: Any) -> str:
        return gettext(STATES[row.status]) if row.status in STATES else row.status


admin.site.unregister(ProcrastinateJob)
admin.site.register(ProcrastinateJob, JobAdmin)
