"""The company's numbers: how each is, why, since when, what happened to it, and the three deeds."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.permissions import Permission
from fleet.models import Placement
from whatsapp.admin.sessions import OfSessions, filters_by
from whatsapp.models import Session
from whatsapp.office.base import OfficeAdmin, at


class Numbers(OfficeAdmin, OfSessions):
    """Those that people see; what was put away is out of sight here too."""

    needs = Permission.SESSION_CONTROL
    list_display = ("called", "phone", "shown_state", "reason_in_words", "since", "wish", "evidence_at", "queued")
    list_display_links = ("called",)
    list_filter = filters_by("placement__")
    search_fields = ("name", "account__phone_number", "id")
    search_help_text = _("Name or number")
    ordering = ("-created_at",)
    actions = ("start", "pause", "unlink")
    fields = (
        *("called", "phone", "state_now", "reason_in_words", "since", "wish", "evidence_at", "queued", "created_at"),
        *("pages", "history"),
    )
    readonly_fields = fields

    class Media:
        js = ("admin/live_list.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        ids = super().get_queryset(request)
        rows: QuerySet[Session] = ids.filter(archived_at=None).select_related("placement__owner", "account")
        return rows.select_related("placement__company")

    def placement_of(self, row: Session) -> Placement:
        placement: Placement = row.placement
        return placement

    def about(self, row: Session) -> str:
        return self.phone(row)

    @admin.display(description=_("number"), ordering="name")
    def called(self, row: Session) -> str:
        return row.label or gettext("New number")

    session = called

    @admin.display(description=_("phone number"), ordering="account__phone_number")
    def phone(self, row: Session) -> str:
        return f"+{row.account.phone_number}" if row.account else ""

    @admin.display(description=_("since"), ordering="placement__since")
    def since(self, row: Session) -> str:
        return at(row.placement.since)

    @admin.display(description=_("sign of life"), ordering="placement__evidence_at")
    def evidence_at(self, row: Session) -> str:
        return at(row.placement.evidence_at)

    @admin.display(description=_("texts that wait"), ordering="placement__queued")
    def queued(self, row: Session) -> int:
        return row.placement.queued

    @admin.display(description=_("its pages"))
    def pages(self, row: Session) -> SafeString:
        return format_html(
            '<a class="underline" href="{}">{}</a>',
            reverse("session", args=[row.pk]),
            gettext("Linking, access, chats"),
        )
