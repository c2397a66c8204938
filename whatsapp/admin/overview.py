"""The admin's first page: what is wrong, at one look, and where to go for each. Nothing is asked that takes long."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from fleet.models import EndpointPlacement, Placement, Trouble, Worker
from fleet.states import State, Wanted
from tenants.context import run_in
from tenants.models import Company
from whatsapp.models import Session, WebhookEndpoint
from whatsapp.models.webhook import DisabledReason
from whatsapp.pages.endpoint_words import off_because
from whatsapp.pages.words import face_of_state, reason_text

#: Of each kind so many are shown; the number is of all.
SHOWN: Final = 10
#: More companies with endpoints that are off are not looked into.
MOST_COMPANIES: Final = 50


@dataclass(frozen=True)
class Item:
    name: str
    about: str
    url: str


@dataclass(frozen=True)
class Panel:
    """One kind of trouble; without items it is well, and says so."""

    title: str
    count: int
    items: Sequence[Item]
    well: str
    url: str

    @property
    def more(self) -> int:
        return self.count - len(self.items)


def add_to_index(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK."""
    return context | {"panels": [_troubles(), _offline(), _workers(), _webhooks()]}


def _troubles() -> Panel:
    rows = Trouble.objects.filter(ended_at=None)
    items = [
        Item(row.about, since(row.cause, row.began_at), _page("fleet_trouble", row.pk))
        for row in rows.order_by("is_warning", "began_at")[:SHOWN]
    ]
    title, well = gettext("Troubles that the monitor has found"), gettext("Nothing is going on.")
    return Panel(title, rows.count(), items, well, _list("fleet_trouble", "ended_at__isempty=1"))


def since(what: str, at: datetime) -> str:
    """How something is, and how long already."""
    return gettext("%(what)s since %(at)s") % {"what": what, "at": f"{timezone.localtime(at):%Y-%m-%d %H:%M}"}


def offline() -> QuerySet[Placement]:
    """Linked, wanted, and not connected; nobody is on the word of a worker that went silent."""
    now = timezone.now()
    wanted = Placement.objects.filter(wanted=Wanted.RUNNING).exclude(device_jid="")
    return wanted.exclude(Q(state=State.CONNECTED) & Q(owner__lease_until__gte=now))


def _offline() -> Panel:
    rows = offline()
    shown = list(rows.select_related("company", "owner").order_by("since")[:SHOWN])
    names = _names(shown)
    items = [
        Item(
            f"{names.get(row.pk) or row.pk} – {row.company}",
            f"{since(face_of_state(row.shown_state)[1], row.since)}. {reason_text(row.shown_reason)}",
            _page("fleet_placement", row.pk),
        )
        for row in shown
    ]
    title, well = gettext("Numbers that should be online and are not"), gettext("All are online.")
    return Panel(title, rows.count(), items, well, _list("fleet_placement"))


def _names(rows: Iterable[Placement]) -> dict[str, str]:
    found: dict[str, str] = {}
    for company, of_it in groupby(sorted(rows, key=lambda row: row.company_id), key=lambda row: row.company):
        found |= run_in(company, _labels, [row.pk for row in of_it])
    return found


def _labels(ids: list[str]) -> dict[str, str]:
    return {row.pk: row.label for row in Session.objects.select_related("account").filter(pk__in=ids)}


def _workers() -> Panel:
    """Those that went silent without having ended; and that there is none at all."""
    running, now = Worker.objects.filter(stopped_at=None), timezone.now()
    silent = running.filter(lease_until__lt=now, placements__isnull=False).distinct()
    items = [
        Item(row.name, since(gettext("not heard of"), row.lease_until), _page("fleet_worker", row.pk))
        for row in silent.order_by("lease_until")[:SHOWN]
    ]
    alive = running.filter(lease_until__gte=now).count()
    if not alive:
        text = gettext("All numbers are offline until one is started.")
        items.insert(0, Item(gettext("No worker runs"), text, _list("fleet_worker")))
    count, well = silent.count() + (0 if alive else 1), gettext("%(count)s at work.") % {"count": alive}
    return Panel(gettext("Workers that went silent"), count, items, well, _list("fleet_worker"))


def _webhooks() -> Panel:
    """Endpoints that get nothing any more, though nobody switched them off."""
    off = EndpointPlacement.objects.filter(is_active=False)
    companies = Company.objects.filter(pk__in=off.values("company"))[:MOST_COMPANIES]
    dead = [item for company in companies for item in run_in(company, _dead_endpoints, company)]
    title, well = gettext("Webhooks that were given up"), gettext("None was given up.")
    return Panel(title, len(dead), dead[:SHOWN], well, _list("fleet_endpointplacement", "is_active__exact=0"))


def _dead_endpoints(company: Company) -> list[Item]:
    rows = WebhookEndpoint.objects.filter(is_active=False).exclude(disabled_reason__in=["", DisabledReason.BY_PERSON])
    return [
        Item(f"{row.description or row.pk} – {company}", off_because(row), _page("fleet_endpointplacement", row.pk))
        for row in rows.order_by("-disabled_at")
    ]


def _page(model: str, key: str) -> str:
    return reverse(f"admin:{model}_change", args=[key])


def _list(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")
