"""The pages that stand in every page's menu, in their order, and who sees them: one line each."""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.permissions import Actor, Permission
from audit.verbs import ActorKind


@dataclass(frozen=True)
class Entry:
    """`name` is its URL's, `needs` a permission in the company, `also` the names of pages that belong to it."""

    name: str
    label: Promise
    needs: Permission | None = None
    also: frozenset[str] = frozenset()
    #: Not for operators, who have a place of their own for it.
    is_for_members: bool = False


MENU: Final = (
    Entry("sessions", _("Numbers")),
    Entry("dashboard", _("Overview")),
    Entry("people", _("People"), needs=Permission.PEOPLE_MANAGE, also=frozenset({"person", "new-person"})),
    Entry(
        "webhooks",
        _("Webhooks"),
        needs=Permission.WEBHOOK_MANAGE,
        also=frozenset({"webhook", "new-webhook", "change-webhook", "webhook-secret", "replay-webhook"}),
    ),
    # All of the log is for those who see everybody's numbers, chats and rights (`feed.look_back`).
    Entry("events", _("Events"), needs=Permission.ACCESS_GRANT, also=frozenset({"event"})),
    Entry("keys", _("API keys"), needs=Permission.COMPANY_MANAGE, also=frozenset({"key", "new-key"})),
    Entry("audit", _("Audit"), needs=Permission.COMPANY_MANAGE),
    Entry("settings", _("Settings"), needs=Permission.COMPANY_MANAGE),
    # The same in tables, with deeds on many at once (`whatsapp.office`).
    Entry("office:index", _("Office"), needs=Permission.COMPANY_MANAGE, is_for_members=True),
)


@dataclass(frozen=True)
class Shown:
    name: str
    label: Promise
    is_here: bool


def menu_for(actor: Actor, here: str) -> list[Shown]:
    """What `actor` finds in the menu while they are at the page named `here`."""
    rows = (entry for entry in MENU if _is_for(entry, actor))
    return [Shown(entry.name, entry.label, here == entry.name or here in entry.also) for entry in rows]


def _is_for(entry: Entry, actor: Actor) -> bool:
    if entry.is_for_members and actor.kind == ActorKind.OPERATOR:
        return False
    return entry.needs is None or entry.needs in actor.permissions
