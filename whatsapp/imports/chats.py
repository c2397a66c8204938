"""Chats of system A, joined with those that the account has: one chat a contact, however many sessions it had."""

from collections.abc import Mapping
from typing import Final

from whatsapp.imports import parsing
from whatsapp.imports.intake import Intake, TakenChat
from whatsapp.imports.parsing import Address
from whatsapp.imports.report import Cause
from whatsapp.imports.source import Row
from whatsapp.models import Account, Chat, Contact
from whatsapp.services.contacts import Identity, resolve
from whatsapp.services.inbound import PREVIEW

WHAT: Final = "chats"


def take_chats(intake: Intake) -> None:
    known = intake.known("chat")
    intake.each(WHAT, intake.source.chats(intake.company.pk), lambda row: _take(intake, row, known))


def _take(intake: Intake, row: Row, known: Mapping[str, str]) -> Cause | bool:
    source_id, account_id = parsing.kept_id(row["id"]), intake.accounts.get(parsing.kept_id(row["sessionId"] or ""))
    place = parsing.address(row["chatId"])
    if place is None:
        return Cause.BROADCAST if parsing.is_broadcast(row["chatId"]) else Cause.JID
    if account_id is None:
        return Cause.NO_SESSION
    chat = Chat.objects.filter(pk=known.get(source_id), account=account_id).first() if source_id in known else None
    is_old = chat is not None
    if chat is None:
        chat, is_old = _find_or_make(account_id, place, row)
    if source_id not in known:
        intake.remember("chat", row["id"], chat.pk)
    intake.chats[source_id] = TakenChat(chat.pk, account_id, chat.contact_id, is_old)
    return source_id not in known


def _find_or_make(account_id: str, place: Address, row: Row) -> tuple[Chat, bool]:
    """Under the account's lock, as the worker does it."""
    account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
    contact = None if place.group else _contact(account, place, row)
    same = {"contact": contact} if contact else {"group_jid": place.group}
    known = Chat.objects.filter(account=account, **same).first()
    if known:
        return known, True
    return Chat.objects.create(id=parsing.kept_id(row["id"]), account=account, **same, **_values(place, row)), False


def _contact(account: Account, place: Address, row: Row) -> Contact:
    """A name that is known here is the newer one."""
    same = {"phone_number": place.phone} if place.phone else {"lid": place.lid}
    named = Contact.objects.filter(account=account, **same).exclude(push_name="")
    name = "" if named.exists() else parsing.contact_name(row["chatName"], place.phone or place.lid)
    person = Identity(phone=place.phone, lid=place.lid, name=name)
    return resolve(account, [person])[person]


def _values(place: Address, row: Row) -> dict[str, object]:
    """The last message is told anew by the messages, where there are any."""
    values: dict[str, object] = {
        "is_archived": bool(row["isArchived"]),
        "last_message_at": parsing.moment(row["lastMessageAt"]),
        "last_message_text": parsing.name(row["lastMessageText"], PREVIEW),
    }
    if place.group:
        values["subject"] = parsing.contact_name(row["chatName"], place.group)
    if created_at := parsing.moment(row["createdAt"]):
        values["created_at"] = created_at
    return values
