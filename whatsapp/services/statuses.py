"""How far our messages have come: told one by one, written in one go, raised by what is proven and never lowered."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from typing import Final

from django.db import connection

from tenants.models import Company
from wharf.moments import moment
from wharf.sql import Answer, Ask, as_arrays
from whatsapp.models import Account, EarlyReceipt, Message, MessageStatus, Session
from whatsapp.models.message import CLIMB
from whatsapp.services import news, observing

#: WhatsApp's id, and what is proven of the message.
Proof = tuple[str, MessageStatus]

#: One statement however many there are: each of its own would cost the database and us as much as all of them.
_SAVE: Final = """
UPDATE whatsapp_message AS row
SET status = now.status, error_code = now.error_code, error_detail = now.error_detail, retry_at = now.retry_at,
    wa_id = now.wa_id, "timestamp" = now."timestamp"
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::timestamptz[])
    AS now(id, status, error_code, error_detail, retry_at, wa_id, "timestamp")
WHERE row.id = now.id
"""


class Statuses:
    """Changes of one session's messages: `with Statuses(...) as statuses:` writes them all at its end.

    What a row says of WhatsApp's id, its time and when to try again is written along.
    """

    def __init__(self, company: Company, session: Session) -> None:
        self._company, self._session = company, session
        self._changed: dict[str, Message] = {}

    def __enter__(self) -> "Statuses":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._changed:
            with connection.cursor() as cursor:
                cursor.execute(_SAVE, as_arrays(_columns(row) for row in self._changed.values()))
            observing.statuses(self._changed.values())

    def set(self, row: Message, status: MessageStatus, code: str = "", detail: str = "") -> None:
        row.status, row.error_code, row.error_detail = status, code, detail[:200]
        self._changed[row.pk] = row
        tell_status(self._company, self._session, row)

    def climb(self, row: Message, *proven: MessageStatus) -> None:
        """Raise it to each of `proven` that is higher than it stands."""
        for status in proven:
            if _is_higher(status, row.status):
                self.set(row, status)

    def prove(self, account: Account, rows: Iterable[Message], proofs: Collection[Proof]) -> None:
        """Raise `rows` as far as they have provably come. Ids that none of them has are kept for the answer."""
        by_wa_id: dict[str, list[Message]] = defaultdict(list)
        for row in rows:
            by_wa_id[row.wa_id].append(row)
        for wa_id, status in proofs:
            for row in by_wa_id.get(wa_id, ()):
                self.climb(row, status)
        _keep_early(account, [proof for proof in proofs if proof[0] not in by_wa_id])


def _columns(row: Message) -> tuple[object, ...]:
    return (row.pk, str(row.status), row.error_code, row.error_detail, row.retry_at, row.wa_id, row.timestamp)


def _is_higher(status: MessageStatus, than: str) -> bool:
    known = status in CLIMB and MessageStatus(than) in CLIMB
    return known and CLIMB.index(status) > CLIMB.index(MessageStatus(than))


def tell_status(company: Company, session: Session, row: Message) -> None:
    payload = {
        "sessionId": session.pk,
        "id": row.pk,
        "chatId": row.chat_id,
        "messageId": row.wa_id,
        "status": row.status,
        "errorCode": row.error_code or None,
        "retryAt": moment(row.retry_at) if row.status == MessageStatus.FAILED else None,
    }
    # As `news.tell_of_chat`, without a row of the chat: of all events this is the most frequent.
    news.tell(company, "message.status", payload, session_id=session.pk, account_id=row.account_id, chat_id=row.chat_id)


# -- receipts ------------------------------------------------------------------------------------------------------
_OURS: Final = "SELECT * FROM whatsapp_message WHERE account_id = %s AND from_me AND wa_id = ANY(%s)"


def ask_for_ours(ask: Ask, account: Account, wa_ids: Collection[str]) -> Answer:
    """Messages of ours by WhatsApp's ids."""
    return ask(_OURS, [account.pk, list(wa_ids)])


def _keep_early(account: Account, proofs: Iterable[Proof]) -> None:
    rows = [EarlyReceipt(account=account, wa_id=wa_id, status=status) for wa_id, status in proofs]
    EarlyReceipt.objects.bulk_create(rows, ignore_conflicts=True)


_EARLY: Final = """
DELETE FROM whatsapp_earlyreceipt WHERE account_id = %s AND wa_id = ANY(%s) RETURNING id, wa_id, status
"""


def ask_for_early(ask: Ask, account_id: str | None, wa_ids: Sequence[str]) -> Answer:
    """(id, WhatsApp's id, status) of what came before these were known; the ids tell the order in which it came. It is
    kept no longer."""
    return ask(_EARLY, [account_id, list(wa_ids)])
