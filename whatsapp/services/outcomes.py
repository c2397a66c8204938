"""What became of our texts: whether WhatsApp has them and how far they have come, never claiming more than is known."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from django.utils import timezone

from tenants.models import Company
from wharf.sql import Ask, together
from whatsapp.engine import device_store
from whatsapp.engine.port import ReceiptReceived, SendFinished, SendOutcome
from whatsapp.models import Account, Contact, Message, MessageStatus, Session
from whatsapp.services import contacts, inbound, standing
from whatsapp.services.refusals import refusal_of
from whatsapp.services.statuses import Proof, Statuses, ask_for_early, ask_for_ours

#: WhatsApp has it, whatever else is said.
_PROVEN: Final = (MessageStatus.SERVER_ACK, MessageStatus.DELIVERED, MessageStatus.READ)
#: Why nobody can tell whether it left.
NO_ANSWER: Final = "no_answer"


# -- when nobody answered ------------------------------------------------------------------------------------------
def recover(company: Company, session: Session, folder: Path) -> None:
    """Settle what a host took with it when it died. Call it with the lease held and while no host has the session.

    The device store holds a message's secret from just before it leaves: without it nothing left and the message is
    queued again; with it nobody can know, and it is never sent again by itself.
    """
    sent = Message.objects.filter(session=session, status=MessageStatus.SENT, from_me=True).exclude(secret=None)
    rows = list(sent.order_by("id"))
    for row in rows:
        row.wa_id = device_store.sent_id(folder, bytes(row.secret or b""))
    with together() as ask:
        heard = _Heard(ask, session.account_id, {row.pk: row.wa_id for row in rows})
    with Statuses(company, session) as statuses:
        for row in rows:
            if row.wa_id:
                _unconfirmed(statuses, row, heard, "the process that sent it ended")
            else:
                statuses.set(row, MessageStatus.QUEUED)


def leave_open(company: Company, session: Session, folder: Path, message_ids: Collection[str]) -> None:
    """No answer came in time, and the host lives: nobody can know yet, whatever the device store holds by now."""
    rows = list(Message.objects.filter(pk__in=message_ids, status=MessageStatus.SENT))
    for row in rows:
        # A store that cannot be read now costs the id alone.
        with suppress(sqlite3.Error):
            row.wa_id = device_store.sent_id(folder, bytes(row.secret or b""))
    with together() as ask:
        heard = _Heard(ask, session.account_id, {row.pk: row.wa_id for row in rows})
    with Statuses(company, session) as statuses:
        for row in rows:
            _unconfirmed(statuses, row, heard, "no answer in time")


def recover_blindly(company: Company, session: Session) -> None:
    """As `recover`, where the store that could have told is lost: nobody can know of any of them."""
    sent = Message.objects.filter(session=session, status=MessageStatus.SENT, from_me=True).exclude(secret=None)
    with Statuses(company, session) as statuses:
        for row in sent:
            statuses.set(row, MessageStatus.UNCONFIRMED, NO_ANSWER, "the store that knew was lost")


# -- when WhatsApp answered ------------------------------------------------------------------------------------------
_ENDED: Final = """
SELECT message.*, pacing.probe_id = message.id AS is_probe
FROM whatsapp_message message LEFT JOIN whatsapp_pacing pacing ON pacing.session_id = message.session_id
WHERE message.id = ANY(%s)
"""


def record(
    company: Company, session: Session, account: Account, events: Sequence[SendFinished | ReceiptReceived]
) -> None:
    """Store how sends ended, what that taught us about their addressees, and how far texts have provably come since.

    In one go, for the answer to a text and its receipts mostly come together; answers count before receipts.
    """
    ended = [event for event in events if isinstance(event, SendFinished)]
    receipts = [event for event in events if isinstance(event, ReceiptReceived)]
    inbound.note_reading(company, session, account, receipts)
    proofs = inbound.proofs(receipts)
    if not ended and not proofs:
        return
    known = _look_up(account, ended, proofs)
    with Statuses(company, session) as statuses:
        for event in ended:
            if row := known.ours.get(event.message_id):
                _finish(statuses, session, row, event, known.heard)
        statuses.prove(account, known.rows, proofs)
    probes = [pk for pk, row in known.ours.items() if vars(row)["is_probe"]]
    standing.note_success(session.pk, [event.message_id for event in _taken(ended) if event.message_id in probes])


def _taken(ended: Sequence[SendFinished]) -> list[SendFinished]:
    return [event for event in ended if event.outcome == SendOutcome.ACKNOWLEDGED]


@dataclass(frozen=True)
class _Known:
    """`ours` by our ids: whose sends have ended. `others` are known by WhatsApp's ids, of which receipts tell."""

    ours: dict[str, Message]
    others: list[Message]
    heard: "_Heard"

    @property
    def rows(self) -> list[Message]:
        return [*self.ours.values(), *(row for row in self.others if row.pk not in self.ours)]


def _look_up(account: Account, ended: Sequence[SendFinished], proofs: Sequence[Proof]) -> _Known:
    people = [inbound.identity(event.peer) for event in _taken(ended)]
    with together() as ask:
        found = contacts.ask(ask, account, people) if people else None
        answer = _ask(ask, account, ended, proofs)
    known = answer()
    if found and contacts.settle(account, people, found.load(Contact))[1]:
        # Two contacts were one person, and what was read of their chats is not so any more.
        with together() as ask:
            answer = _ask(ask, account, ended, proofs)
        known = replace(answer(), heard=known.heard)
    return known


def _ask(ask: Ask, account: Account, ended: Sequence[SendFinished], proofs: Sequence[Proof]) -> Callable[[], _Known]:
    wa_ids = {event.message_id: event.wa_id for event in ended}
    ours = ask(_ENDED, [list(wa_ids)])
    heard = _Heard(ask, account.pk, wa_ids)
    others = ask_for_ours(ask, account, {wa_id for wa_id, _ in proofs})
    return lambda: _Known({row.pk: row for row in ours.load(Message)}, others.load(Message), heard)


def _finish(statuses: Statuses, session: Session, row: Message, event: SendFinished, heard: "_Heard") -> None:
    if event.outcome != SendOutcome.ACKNOWLEDGED and row.status in _PROVEN:
        # Said again after a crash, and a receipt knew better meanwhile.
        return
    match event.outcome:
        case SendOutcome.ACKNOWLEDGED:
            row.wa_id = event.wa_id
            if event.at:
                # WhatsApp's clock, as of everything else in the chat.
                row.timestamp = datetime.fromtimestamp(event.at, UTC)
            statuses.climb(row, MessageStatus.SERVER_ACK, *heard.of_message(row))
        case SendOutcome.UNCONFIRMED:
            row.wa_id = event.wa_id
            _unconfirmed(statuses, row, heard, event.detail)
        case SendOutcome.NOT_SENT:
            statuses.set(row, MessageStatus.QUEUED)
        case SendOutcome.REFUSED:
            _refused(statuses, session, row, event)


def _refused(statuses: Statuses, session: Session, row: Message, event: SendFinished) -> None:
    refusal = refusal_of(event.detail)
    row.wa_id, row.retry_at = event.wa_id, standing.note_refusal(session, row, refusal, timezone.now())
    statuses.set(row, MessageStatus.FAILED, refusal.code, event.detail)


def _unconfirmed(statuses: Statuses, row: Message, heard: "_Heard", detail: str) -> None:
    statuses.set(row, MessageStatus.UNCONFIRMED, NO_ANSWER, detail)
    statuses.climb(row, *heard.of_message(row))


_MIRRORS: Final = """
DELETE FROM whatsapp_message copy
USING whatsapp_message ours JOIN unnest(%s::text[], %s::text[]) AS known(id, wa_id) ON known.id = ours.id
WHERE copy.account_id = %s AND copy.from_me AND copy.wa_id = known.wa_id AND copy.id <> ours.id
RETURNING copy.id, copy.wa_id, copy.status
"""


class _Heard:
    """What was proven of messages before their ids were known to us: by receipts that overtook the answer, and by
    copies, for another linked device of the number may have seen our message. Both go. Made inside `together`."""

    def __init__(self, ask: Ask, account_id: str | None, wa_ids: Mapping[str, str]) -> None:
        """`wa_ids`: of messages of ours, by ours."""
        known = {message_id: wa_id for message_id, wa_id in wa_ids.items() if wa_id}
        ids, theirs = list(known), list(known.values())
        mirrors = [ids, theirs, account_id]
        self._answers = [ask_for_early(ask, account_id, theirs), ask(_MIRRORS, mirrors)] if known else []

    @cached_property
    def proven(self) -> Mapping[str, Sequence[MessageStatus]]:
        """By WhatsApp's id."""
        proven: dict[str, list[MessageStatus]] = defaultdict(list)
        for answer in self._answers:
            for _, wa_id, status in sorted(answer.rows()):
                proven[wa_id].append(MessageStatus(status))
        return proven

    def of_message(self, row: Message) -> Sequence[MessageStatus]:
        return self.proven.get(row.wa_id, ())
