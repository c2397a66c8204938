"""Exactly one dispatcher a webhook endpoint, as `fleet.leases` has it for sessions: claim, renew, give back, prove.

All times are the database's. A lease cannot call a request back that is already on its way; so whoever sends looks at
the clock before each one too (`whatsapp.webhooks.run`).
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fleet.leases import LEASE, LeaseLost
from fleet.models import Dispatcher, EndpointPlacement
from wharf.errors import Kind, WharfError, sentence


@dataclass(frozen=True)
class EndpointLease:
    """The right to deliver to an endpoint: valid while its placement still shows this owner and fence."""

    endpoint_id: str
    dispatcher_id: str
    fence: int


class DispatcherGone(WharfError):
    """The dispatcher's own row has disappeared or was marked as stopped."""

    code, kind = "dispatcher_gone", Kind.CONFLICT
    text = sentence("This dispatcher is no longer registered")


def register(*, name: str, pid: int) -> Dispatcher:
    return Dispatcher.objects.create(name=name, pid=pid, lease_until=Now() + LEASE)


def renew(me: Dispatcher) -> tuple[list[EndpointPlacement], list[EndpointPlacement]]:
    """Beat the heart and claim what is free; returns what is ours now, and what of it is more than a fair share.

    Raises DispatcherGone.
    """
    if not Dispatcher.objects.filter(pk=me.pk, stopped_at=None).update(lease_until=Now() + LEASE):
        raise DispatcherGone
    mine, share = owned(me), fair_share()
    if len(mine) < share and claim(me, limit=share - len(mine)):
        mine = owned(me)
    return mine, mine[share:]


def fair_share() -> int:
    """How many of the endpoints in use each dispatcher should have."""
    endpoints = EndpointPlacement.objects.filter(is_active=True).count()
    dispatchers = Dispatcher.objects.filter(stopped_at=None, lease_until__gte=Now()).count()
    return ceil(endpoints / max(dispatchers, 1))


def owned(me: Dispatcher) -> list[EndpointPlacement]:
    rows = EndpointPlacement.objects.select_related("company").filter(owner=me, is_active=True)
    return list(rows.order_by("endpoint_id"))


@transaction.atomic
def claim(me: Dispatcher, *, limit: int) -> int:
    """Take up to `limit` endpoints that nobody delivers to; how many. Two never get the same one."""
    is_free = Q(owner=None) | Q(owner__lease_until__lt=Now())
    free = EndpointPlacement.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    found = free.filter(is_free, is_active=True).order_by("endpoint_id").values_list("pk", flat=True)
    ids = list(found[:limit])
    return EndpointPlacement.objects.filter(pk__in=ids).update(owner=me, fence=F("fence") + 1) if ids else 0


def lease_of(placement: EndpointPlacement) -> EndpointLease:
    return EndpointLease(placement.endpoint_id, placement.owner_id or "", placement.fence)


def release(lease: EndpointLease) -> None:
    """Give it back, so that it can be claimed at once; harmless when it is already another's."""
    held = Q(endpoint_id=lease.endpoint_id, owner_id=lease.dispatcher_id, fence=lease.fence)
    EndpointPlacement.objects.filter(held).update(owner=None)


def retire(me: Dispatcher) -> None:
    """The dispatcher is leaving: all it still owns becomes free."""
    EndpointPlacement.objects.filter(owner=me).update(owner=None)
    Dispatcher.objects.filter(pk=me.pk).update(stopped_at=Now(), lease_until=Now())


_HOLD: Final = """
SELECT 1 FROM fleet_endpointplacement WHERE endpoint_id = %s AND owner_id = %s AND fence = %s FOR NO KEY UPDATE
"""


def hold(lease: EndpointLease) -> None:
    """Lock the placement for the rest of this transaction, or raise LeaseLost; every write of a dispatcher does."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [lease.endpoint_id, lease.dispatcher_id, lease.fence])
        if cursor.fetchone() is None:
            raise LeaseLost


def leave_work(endpoint_id: str, **changes: bool) -> None:
    """Lock the endpoint's placement, and tell its dispatcher that something about it is new."""
    EndpointPlacement.objects.filter(pk=endpoint_id).update(work=F("work") + 1, **changes)
