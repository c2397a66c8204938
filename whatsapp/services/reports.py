"""Storing what a host reports of one session: a batch in one transaction, in order, with the lease held."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import groupby
from typing import Final

from fleet import leases
from fleet.leases import Lease
from fleet.models import Placement
from fleet.reasons import Reason
from fleet.states import LINKED_UP, LIVE, Happening, State, Wanted
from tenants.models import Company
from wharf.sql import together
from whatsapp.engine import port
from whatsapp.models import Account, Session
from whatsapp.services import inbound, linking, news, outcomes, reacting, snapshots, transitions

#: What people say; a receipt is about what we have said.
_SAID: Final = (port.MessageReceived, port.MessageUnreadable, port.MessageLost, port.ReactionReceived)
#: Seconds until the next attempt, by how many have failed in a row; each with jitter, the last one for ever.
BACKOFF: Final = (1.0, 3.0, 8.0, 20.0, 45.0, 90.0, 180.0, 300.0)

ENDINGS: Final[dict[port.Ending, tuple[Happening, Reason]]] = {
    port.Ending.LOGGED_OUT: (Happening.LOGGED_OUT, Reason.LOGGED_OUT_ON_PHONE),
    port.Ending.MAIN_DEVICE_GONE: (Happening.LOGGED_OUT, Reason.MAIN_DEVICE_GONE),
    port.Ending.STORE_MISSING: (Happening.LOGGED_OUT, Reason.DEVICE_STORE_MISSING),
    port.Ending.STREAM_REPLACED: (Happening.REFUSED, Reason.STREAM_REPLACED),
    port.Ending.TEMPORARY_BAN: (Happening.REFUSED, Reason.TEMPORARY_BAN),
    port.Ending.CLIENT_OUTDATED: (Happening.REFUSED, Reason.CLIENT_OUTDATED),
    port.Ending.CONNECT_FAILURE: (Happening.REFUSED, Reason.CONNECTION_REFUSED),
    port.Ending.PAIRING_ERROR: (Happening.PAIRING_ENDED, Reason.PAIRING_REFUSED),
    port.Ending.PAIRING_TIMEOUT: (Happening.PAIRING_ENDED, Reason.CODES_RAN_OUT),
}


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many failures; never all at the same moment."""
    seconds = BACKOFF[min(attempts, len(BACKOFF) - 1)]
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret


@dataclass
class Stored:
    """What the worker has to know of a stored batch."""

    state: State
    #: The engine holds nothing for this session any more.
    is_over: bool = False
    finished: set[str] = field(default_factory=set)


@news.writing
def record(*, company: Company, lease: Lease, events: Sequence[port.EngineEvent]) -> Stored:
    """Store `events` of one session, in order. Raises LeaseLost before anything is written."""
    with together() as ask:
        answer = leases.ask_to_hold(ask, lease)
        # The placement first: whoever locks both does it in this order.
        needs_account = not _TOGETHER.keys().isdisjoint(map(type, events))
        account = inbound.ask_for_account(ask, lease.session_id) if needs_account else None
    batch = _Batch(company, leases.held(answer), inbound.answered_account(account) if account else None)
    batch.store(events)
    return batch.stored


class _Batch:
    """One session's rows for the length of a transaction; `account` is locked."""

    def __init__(self, company: Company, placement: Placement, account: Account | None = None) -> None:
        self._company = company
        self._placement = placement
        self._shown = _face(placement)
        self._account = self._if_attached(account)
        self.stored = Stored(State(placement.state))

    @cached_property
    def _session(self) -> Session:
        row: Session = Session.objects.select_related("account").get(pk=self._placement.pk)
        return row

    def store(self, events: Sequence[port.EngineEvent]) -> None:
        for store_together, run in groupby(_sorted(self._heeded(events)), key=lambda event: _TOGETHER.get(type(event))):
            self._store_run(store_together, list(run))
        self.stored.state = State(self._placement.state)
        if _face(self._placement) != self._shown:
            transitions.tell(self._company, self._placement.pk)

    def _heeded(self, events: Sequence[port.EngineEvent]) -> list[port.EngineEvent]:
        """Without what people here do not want kept. Only what comes from groups costs the question."""
        said_in_groups = [event for event in events if isinstance(event, _SAID) and event.group]
        if said_in_groups and self._session.ignores_groups:
            return [event for event in events if not (isinstance(event, _SAID) and event.group)]
        return list(events)

    def _store_run(self, store_together: "Together | None", run: list[port.EngineEvent]) -> None:
        """Messages, reactions, receipts and answers come in numbers and are stored in sets; the rest one by one."""
        if store_together is None:
            for event in run:
                self._store_one(event)
        else:
            account = self._locked_account()
            # Messages need no more of the session than its id.
            store_together(self._company, Session(id=self._placement.pk, account=account), account, run)
            self.stored.finished |= {
                e.reference for e in run if isinstance(e, port.SendFinished | port.ReactionFinished)
            }

    def _locked_account(self) -> Account:
        if self._account is None:
            with together() as ask:
                answer = inbound.ask_for_account(ask, self._placement.pk)
            self._account = self._if_attached(inbound.answered_account(answer)) or self._attached_account()
        return self._account

    def _if_attached(self, account: Account | None) -> Account | None:
        return account if account and linking.is_of(account, self._placement.device_jid) else None

    def _attached_account(self) -> Account:
        """Messages that come before the session is known to be connected."""
        linking.attach_account(self._session, self._placement.device_jid)
        return inbound.lock_account(self._session)

    def _store_one(self, event: port.EngineEvent) -> None:
        # It may say that the device is another number's.
        self._account = None
        match event:
            case port.ChallengeIssued():
                linking.record_challenge(self._company, self._session, self._placement, event)
            case port.CodeRefused(detail=detail):
                linking.record_code_refused(self._company, self._session, detail)
            case port.Paired(device_jid=jid):
                linking.record_device(self._company, self._session, self._placement, jid)
                self.move(Happening.PAIRED, Reason.FINISHING_LINK)
            case port.Connected():
                linking.record_connected(self._company, self._session, self._placement, event)
            case port.ProfileSeen(push_name=name):
                linking.record_profile(self._company, self._session, name)
            case port.Doubtful():
                self.move(Happening.DOUBTED, Reason.NOT_ANSWERING)
            case port.Alive(ok=True) if self._placement.state == State.DEGRADED:
                self.move(Happening.CONNECTED, Reason.NONE)
            case port.ConnectionLost():
                self._connection_lost(event)
            case port.Ended():
                self._ended(event)

    def _connection_lost(self, event: port.ConnectionLost) -> None:
        if event.retrying:
            self.move(Happening.CONNECTION_LOST, Reason.CONNECTION_LOST, detail=event.detail)
            return
        self.stored.is_over = True
        if self._placement.wanted == Wanted.STOPPED:
            self.settle()
        else:
            pause = back_off(self._placement.attempts)
            self.move(Happening.CONNECTION_LOST, Reason.SERVER_UNREACHABLE, detail=event.detail, retry_in=pause)

    def settle(self) -> None:
        """It is offline because people want it so."""
        if self._placement.is_linked:
            self.move(Happening.PAUSED, Reason.PAUSED)
        else:
            self.move(Happening.PAIRING_ENDED, Reason.PAIRING_CANCELLED)
        self._hide_challenge()

    def _ended(self, event: port.Ended) -> None:
        self.stored.is_over = True
        happening, reason = ENDINGS[event.ending]
        if happening == Happening.LOGGED_OUT:
            if self._placement.wanted == Wanted.UNLINKED:
                reason = Reason.UNLINKED
                snapshots.erase(self._placement)
            self._placement.device_jid = ""
            self._placement.save(update_fields=["device_jid", "snapshot_jid", "snapshot_at"])
        until = timedelta(seconds=event.until_seconds) if event.until_seconds else None
        self.move(happening, reason, detail=event.detail, retry_in=until)
        self._hide_challenge()

    def move(
        self, happening: Happening, reason: Reason, *, detail: str = "", retry_in: timedelta | None = None
    ) -> None:
        transitions.record(self._placement, happening, reason, detail=detail, retry_in=retry_in)

    def _hide_challenge(self) -> None:
        if transitions.forget_challenge(self._placement.pk):
            transitions.tell_challenge(self._company, self._placement.pk)

    def lose(self, reason: Reason, detail: str, retry_in: timedelta | None) -> None:
        self.move(Happening.CONNECTION_LOST, reason, detail=detail, retry_in=retry_in)
        self._hide_challenge()

    def finish(self) -> Stored:
        self.store([])
        return self.stored


def _face(placement: Placement) -> tuple[object, ...]:
    """What people see of the connection; when it changes, they are told."""
    return (placement.state, placement.reason, placement.next_retry_at, placement.wanted, placement.device_jid)


Together = Callable[..., None]

_TOGETHER: Final[dict[type, Together]] = {
    port.MessageReceived: inbound.record_messages,
    port.MessageUnreadable: inbound.record_messages,
    port.MessageLost: inbound.record_messages,
    port.ReactionReceived: inbound.record_reactions,
    port.ReceiptReceived: outcomes.record,
    port.SendFinished: outcomes.record,
    port.ReactionFinished: reacting.record_finished,
}

#: What comes mixed and says nothing of each other, in the order in which it is stored: answers before receipts, for
#: these name the ids that answers tell.
_MIXED: Final[dict[type, int]] = {
    port.MessageReceived: 0,
    port.MessageUnreadable: 0,
    port.MessageLost: 0,
    port.SendFinished: 1,
    port.ReceiptReceived: 2,
}


def _sorted(events: Sequence[port.EngineEvent]) -> list[port.EngineEvent]:
    """Each kind that comes in numbers beside its own, so that it is stored in one set; all others keep their places."""
    ordered: list[port.EngineEvent] = []
    for is_mixed, run in groupby(events, key=lambda event: type(event) in _MIXED):
        together = list(run)
        ordered += sorted(together, key=lambda event: _MIXED[type(event)]) if is_mixed else together
    return ordered


# -- what the worker itself sees ---------------------------------------------------------------------------------------
@news.writing
def record_start(*, company: Company, lease: Lease) -> State:
    """The owner begins to bring the session up. What a former owner last said of it is no longer so."""
    placement = leases.hold(lease)
    batch = _Batch(company, placement)
    if placement.state in (*LINKED_UP, State.PAIRING):
        batch.lose(Reason.WORKER_SILENT, "taken over from a worker that is gone", None)
    else:
        batch.move(Happening.STARTED, Reason.STARTING)
    return batch.finish().state


@news.writing
def record_loss(*, company: Company, lease: Lease, reason: Reason, detail: str = "", wait: bool = True) -> State:
    """The connection is gone, seen from outside the engine; with `wait` the next attempt backs off."""
    placement = leases.hold(lease)
    batch = _Batch(company, placement)
    batch.lose(reason, detail, back_off(placement.attempts) if wait else None)
    return batch.finish().state


@news.writing
def record_not_restored(*, company: Company, lease: Lease, detail: str) -> State:
    """Its disk is lost, and its snapshot cannot be used here: tried again after a pause, by whoever then may."""
    placement = leases.hold(lease)
    batch = _Batch(company, placement)
    if placement.state not in LIVE:
        batch.move(Happening.STARTED, Reason.STARTING)
    batch.lose(Reason.SNAPSHOT_UNUSABLE, detail, back_off(placement.attempts))
    return batch.finish().state


@news.writing
def record_repacking(*, company: Company, lease: Lease) -> State:
    """Its owner is about to move it to another host, where it comes back in a moment: no fault, and no back-off."""
    batch = _Batch(company, leases.hold(lease))
    batch.move(Happening.REPACKED, Reason.REPACKED)
    return batch.finish().state


@news.writing
def record_end(*, company: Company, lease: Lease, ending: port.Ending, detail: str = "") -> State:
    """It is over until a person acts, seen from outside the engine."""
    batch = _Batch(company, leases.hold(lease))
    batch.store([port.Ended(ending, detail=detail)])
    return batch.stored.state


@news.writing
def record_bequest(*, company: Company, session_id: str, events: Sequence[port.EngineEvent]) -> int:
    """What another disk still held of the session: said and answered, whoever owns it now; says how much it was.

    No lease is needed for what is true for ever. What was true of a connection is left out.
    """
    placement = Placement.objects.select_for_update(no_key=True, of=("self",)).get(pk=session_id)
    lasting = [event for event in events if type(event) in _TOGETHER]
    _Batch(company, placement).store(lasting)
    return len(lasting)


@news.writing
def record_settled(*, company: Company, lease: Lease) -> State:
    """Nothing runs for the session and nobody wants it to."""
    batch = _Batch(company, leases.hold(lease))
    batch.settle()
    return batch.finish().state
