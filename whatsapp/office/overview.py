"""The office's first page: what is wrong in the company, at one look, and where to go for each."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from accounts.permissions import Actor
from tenants.models import Company
from whatsapp.admin.overview import Item, Panel, offline, since
from whatsapp.models import WebhookEndpoint
from whatsapp.office.site import caller
from whatsapp.pages.endpoint_words import health_of
from whatsapp.pages.words import face_of_state, reason_text
from whatsapp.services import access, webhooks

#: Of each kind so many are shown; the number is of all.
SHOWN: Final = 10


def add_to_index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK."""
    who = caller(request)
    return context | {"panels": [_numbers(who.company, who.actor), _webhooks(who.actor)]}


def _numbers(company: Company, by: Actor) -> Panel:
    down = set(offline().filter(company=company).values_list("pk", flat=True))
    rows = [row for row in access.visible_sessions(by) if row.pk in down]
    items = [
        Item(
            row.label or gettext("New number"),
            since(face_of_state(row.placement.shown_state)[1], row.placement.since)
            + f". {reason_text(row.placement.shown_reason)}",
            _page("whatsapp_session", row.pk),
        )
        for row in sorted(rows, key=lambda row: row.placement.since)[:SHOWN]
    ]
    title, well = gettext("Numbers that should be online and are not"), gettext("All are online.")
    return Panel(title, len(rows), items, well, _list("whatsapp_session"))


def _webhooks(by: Actor) -> Panel:
    ill = [(row, health) for row in webhooks.endpoints_of(by=by) if (health := health_of(row)).tone == "bad"]
    items = [
        Item(_name(row), f"{health.title}. {health.detail}", _page("whatsapp_webhookendpoint", row.pk))
        for row, health in ill[:SHOWN]
    ]
    title, well = gettext("Webhooks that get nothing"), gettext("All of them work.")
    return Panel(title, len(ill), items, well, _list("whatsapp_webhookendpoint"))


def _name(row: WebhookEndpoint) -> str:
    return row.description or row.url


def _page(model: str, key: str) -> str:
    return reverse(f"admin:{model}_change", args=[key], current_app="office")


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist", current_app="office")
