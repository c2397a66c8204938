"""The company's API keys: what each is for, until when, and when it was used; taken back here, made on the pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.models import ApiKey
from accounts.permissions import Permission
from accounts.services import api_keys
from wharf.errors import sentence
from whatsapp.admin.base import Question, ask_to_confirm, do_each, is_confirmed
from whatsapp.office.base import OfficeAdmin, company_of
from whatsapp.pages.keys import shown


class Keys(OfficeAdmin):
    """Also those that were taken back: they are what happened."""

    needs = Permission.COMPANY_MANAGE
    list_display = ("name", "begins", "works", "scopes_in_words", "maker", "created_at", "expires_at", "last_used_at")
    list_display_links = ("name",)
    search_fields = ("name", "start")
    ordering = ("-id",)
    actions = ("revoke",)
    fields = (*list_display, "revoked_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        rows: QuerySet[ApiKey] = super().get_queryset(request)
        return rows.select_related("made_by")

    @admin.display(description=_("begins with"))
    def begins(self, row: ApiKey) -> str:
        return f"{row.start}…"

    @display(description=_("works"), label={"yes": "success", "no": "danger"})  # type: ignore[untyped-decorator]
    def works(self, row: ApiKey) -> tuple[str, str]:
        if row.revoked_at is not None:
            return "no", gettext("Taken back")
        if row.expires_at is not None and row.expires_at <= timezone.now():
            return "no", gettext("Has ended")
        return "yes", gettext("Works")

    @admin.display(description=_("for"))
    def scopes_in_words(self, row: ApiKey) -> str:
        return ", ".join(shown(row).scopes)

    @admin.display(description=_("made by"))
    def maker(self, row: ApiKey) -> str:
        return shown(row).maker

    @admin.action(description=_("Take back for good"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        rows = list(queryset)
        if is_confirmed(request):
            do_each(request, rows, lambda row: self._revoke(request, row), name=str, done=sentence("Taken back."))
            return None
        title = ngettext("Take %(count)s key back?", "Take %(count)s keys back?", len(rows)) % {"count": len(rows)}
        text = gettext(
            "Whatever program uses it is refused from now on. This cannot be undone; make a new key instead."
        )
        question = Question("revoke", title, gettext("Take it back for good"), text)
        return ask_to_confirm(self, request, question, [(row.pk, row.name, self.begins(row)) for row in rows])

    def _revoke(self, request: HttpRequest, row: Any) -> None:
        api_keys.revoke(company=company_of(request), key_id=row.pk, by=self.actor_of(request))
