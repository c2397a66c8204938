"""An operator's wish that a worker keeps its sessions in as few host processes as possible."""

from accounts.errors import OperatorsOnly
from accounts.permissions import Actor
from fleet import leases


def ask_to_repack(*, worker_id: str, by: Actor) -> None:
    """Let the worker merge its hosts now, as far as their sessions are quiet. Raises OperatorsOnly, WorkerGone."""
    if not by.is_operator:
        raise OperatorsOnly
    leases.ask_to_repack(worker_id)
