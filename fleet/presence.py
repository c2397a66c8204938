"""Whether a process of the fleet is there for the others: entered, not marked as stopped, and its lease holds."""

from django.db.models.functions import Now

from fleet.dispatching import DispatcherGone
from fleet.leases import WorkerGone
from fleet.models import Dispatcher, Worker


def check_worker(worker_id: str) -> None:
    """Raises WorkerGone."""
    if not Worker.objects.filter(pk=worker_id, stopped_at=None, lease_until__gte=Now()).exists():
        raise WorkerGone


def check_dispatcher(dispatcher_id: str) -> None:
    """Raises DispatcherGone."""
    if not Dispatcher.objects.filter(pk=dispatcher_id, stopped_at=None, lease_until__gte=Now()).exists():
        raise DispatcherGone
