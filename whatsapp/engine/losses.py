"""After an unclean end: which messages WhatsApp was told had arrived, and we never heard of.

Proven by what stands in the device store and in no ledger; and, of what WhatsApp had not been told, by the engine's own
word that it has decrypted a message before (`translate.ignored`). docs/engine.md says what leaves neither trace.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from whatsapp.engine import device_store, port, translate
from whatsapp.engine.device_store import Secret, StoredDevice
from whatsapp.engine.journal import Journal
from whatsapp.engine.ledger import Ignored, Ledger, Mark

log = logging.getLogger("whatsapp.engine")

BATCH: Final = 500


@dataclass(frozen=True)
class Findings:
    """What was lost, and how far the store has been looked through."""

    lost: tuple[port.MessageLost, ...]
    place: int


def find(folder: Path, journal: Journal, ledger: Ledger) -> Findings:
    """Compare store and ledger. Costs one row at a planned end, and else what came in since the last mark.

    To be called before the engine opens the store (`device_store.stored_device`). Raises sqlite3.Error.
    """
    place, mark = device_store.last_place(folder), ledger.mark()
    again = _came_again(folder, journal, ledger, mark)
    # A store that stands further back is another one: restored, or of a new link.
    if mark is None or mark.is_clean or place <= mark.place:
        return Findings(again, place)
    heard = ledger.heard() | heard_in(journal)
    if translate.HISTORY in heard:
        log.warning("%s: the host died while the phone sent its history; nothing can be said of losses", folder.name)
        return Findings(again, place)
    lost = tuple(_lost(folder, mark.place, heard, mark.at))
    known = {each.wa_id for each in lost}
    return Findings((*lost, *(each for each in again if each.wa_id not in known)), place)


def is_heard(message: Ignored, journal: Journal, ledger: Ledger) -> bool:
    # In this order: the journal lets go of what the ledger has by then.
    return message.name in heard_in(journal) or ledger.knows(message.name)


def _came_again(folder: Path, journal: Journal, ledger: Ledger, mark: Mark | None) -> tuple[port.MessageLost, ...]:
    """What the last host had no time to judge. Decrypted by a host before it, which may have stored no secret of it."""
    own = device_store.stored_device(folder) or StoredDevice("")
    before = device_store.last_written(folder)
    after = min(mark.at, before) if mark else before
    unheard = (message for message in ledger.doubted() if not is_heard(message, journal, ledger))
    found = (described(message, own, {}) for message in unheard)
    return tuple(replace(lost, after=after, before=before) for lost in found if lost)


def heard_in(journal: Journal) -> dict[str, float]:
    """What is in the journal is not lost, whatever became of the host."""
    names: dict[str, float] = {}
    last = 0
    while entries := journal.after(last, limit=BATCH):
        last = entries[-1].seq
        names |= {each.name: each.at for entry in entries if (each := translate.heard(entry.code, entry.payload))}
    return names


def _lost(folder: Path, place: int, heard: Mapping[str, float], after: float) -> Iterator[port.MessageLost]:
    own = device_store.stored_device(folder) or StoredDevice("")
    before = device_store.last_written(folder)
    for secret in device_store.secrets_after(folder, place):
        if (at := heard.get(secret.name)) is not None:
            after = max(after, at)
        elif secret.ours not in heard:
            others = {who: device_store.other_address(folder, who) for who in (secret.chat, secret.sender)}
            if lost := described(secret, own, others):
                yield replace(lost, after=min(after, before), before=before)


def described(message: Secret | Ignored, own: StoredDevice, others: Mapping[str, str]) -> port.MessageLost | None:
    """By whom it was and in which chat, None in none; when it came is for the caller to say.

    `others` holds other addresses of these people, where they are known.
    """
    chat, sender = ((who, others.get(who, "")) for who in (message.chat, message.sender))
    is_ours = message.sender.partition("@")[0] in (own.phone, own.lid)
    return translate.lost(message.wa_id, chat, sender, from_me=is_ours)
