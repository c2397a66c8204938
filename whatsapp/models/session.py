"""A session: one linked device on an account, which we keep online. It never owns history."""

from datetime import datetime
from typing import ClassVar, Final

from django.apps import apps
from django.db import models
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from fleet.models import Network, Placement
from wharf.ids import ID_LENGTH, new_id
from whatsapp.models.account import Account
from whatsapp.models.public import to_public

#: So many QR codes go by before the other way of linking is advised.
UNSCANNED: Final = 3


class SessionQuerySet(models.QuerySet["Session"]):
    def live(self) -> "SessionQuerySet":
        """Those that people see and that count against the plan."""
        return self.filter(archived_at=None)

    def with_placement(self) -> "SessionQuerySet":
        """With all that a list shows, in one query."""
        return self.select_related("placement__owner", "account")

    def with_counts(self) -> "SessionQuerySet":
        """With how many chats and messages its number has, and with whoever made it (seed W3)."""
        return self.select_related("created_by").annotate(
            chats_total=_count_of("whatsapp.Chat"), messages_total=_count_of("whatsapp.Message")
        )


def _count_of(model: str) -> Coalesce:
    """Rows of the session's account, counted beside the join and not through it."""
    rows = apps.get_model(model)._default_manager.filter(account_id=OuterRef("account_id")).order_by()
    return Coalesce(Subquery(rows.values("account_id").annotate(total=Count("pk")).values("total")), 0)


class Session(models.Model):
    """The connection's state, what is wanted and who owns it stand in its `Placement` (public schema, same id)."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    placement = models.OneToOneField(
        Placement, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_column="placement_id"
    )
    name = models.CharField(max_length=80, blank=True)
    network = models.CharField(max_length=16, choices=Network.choices, default=Network.WHATSAPP)
    account = models.ForeignKey(
        Account, null=True, blank=True, on_delete=models.PROTECT, related_name="sessions", db_index=False
    )
    created_by = to_public("accounts.User", null=True, blank=True)

    #: What is said in groups is not kept, as in the older system (seed row 78).
    ignores_groups = models.BooleanField(default=True)

    # The challenge on show. A QR code links a device for whoever sees it, so it is gone as soon as it is of no use.
    qr = models.TextField(blank=True)
    qr_expires_at = models.DateTimeField(null=True, blank=True)
    #: The how manieth in a row is on show: after some that nobody scanned, another way is worth trying.
    qr_number = models.PositiveSmallIntegerField(default=0)
    pairing_code = models.CharField(max_length=16, blank=True)
    pairing_code_expires_at = models.DateTimeField(null=True, blank=True)
    #: The number that a pairing code was asked for, and when: the worker asks WhatsApp once for each request.
    pairing_phone = models.CharField(max_length=20, blank=True)
    pairing_requested_at = models.DateTimeField(null=True, blank=True)
    #: Why WhatsApp gave no code, in its own words.
    pairing_error = models.CharField(max_length=200, blank=True)

    #: Since when nothing is to leave; the number stays connected.
    queue_paused_at = models.DateTimeField(null=True, blank=True)

    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = SessionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """What people call it: its name, else its number, else that it has none yet."""
        return self.name or (f"+{self.account.phone_number}" if self.account else "")

    @property
    def current_qr(self) -> str:
        return self.qr if _still(self.qr_expires_at) else ""

    @property
    def is_better_by_code(self) -> bool:
        """Several QR codes have gone by unscanned (seed row 38)."""
        return bool(self.current_qr) and self.qr_number > UNSCANNED

    @property
    def current_code(self) -> str:
        return self.pairing_code if _still(self.pairing_code_expires_at) else ""


def _still(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at > timezone.now()
