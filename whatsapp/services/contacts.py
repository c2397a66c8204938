"""People of an account: finding or making them by phone number and LID, and joining the two when both are known."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from whatsapp.models import Account, Chat, Contact, Message


@dataclass(frozen=True)
class Identity:
    """Somebody as WhatsApp named them in one place; either address may be missing, digits only."""

    phone: str = ""
    lid: str = ""
    name: str = ""


def resolve(account: Account, people: Iterable[Identity]) -> dict[Identity, Contact]:
    """A contact for each of `people`, with a fixed number of queries however many they are.

    Call it inside a transaction that has locked the account: it may make, complete and merge contacts.
    """
    wanted = [person for person in dict.fromkeys(people) if person.phone or person.lid]
    book = _Book(account, wanted)
    return {person: book.contact_for(person) for person in wanted}


class _Book:
    """The contacts in question, by both addresses, kept true while they are made, completed and merged."""

    def __init__(self, account: Account, people: list[Identity]) -> None:
        self._account = account
        self._by_phone: dict[str, Contact] = {}
        self._by_lid: dict[str, Contact] = {}
        phones = {person.phone for person in people} - {""}
        lids = {person.lid for person in people} - {""}
        if not people:
            return
        for row in Contact.objects.filter(Q(phone_number__in=phones) | Q(lid__in=lids), account=account):
            self._enter(row)

    def _enter(self, row: Contact) -> None:
        if row.phone_number:
            self._by_phone[row.phone_number] = row
        if row.lid:
            self._by_lid[row.lid] = row

    def contact_for(self, person: Identity) -> Contact:
        by_phone = self._by_phone.get(person.phone) if person.phone else None
        by_lid = self._by_lid.get(person.lid) if person.lid else None
        if by_phone and by_lid and by_phone.pk != by_lid.pk:
            _merge(into=by_phone, other=by_lid)
        row = by_phone or by_lid or Contact(account=self._account)
        _complete(row, person)
        self._enter(row)
        return row


def _complete(row: Contact, person: Identity) -> None:
    """Write down what `person` adds to what we knew."""
    known = (row.phone_number, row.lid, row.push_name)
    row.phone_number = row.phone_number or person.phone
    row.lid = person.lid or row.lid
    row.push_name = person.name[:120] or row.push_name
    if row._state.adding or known != (row.phone_number, row.lid, row.push_name):
        row.save()


def _merge(*, into: Contact, other: Contact) -> None:
    """They were one person all along: `other`'s history becomes `into`'s, and `other` goes."""
    ours, theirs = (Chat.objects.filter(contact=row).first() for row in (into, other))
    Message.objects.filter(sender=other).update(sender=into)
    if theirs and ours:
        _merge_chats(into=ours, other=theirs)
    elif theirs:
        Chat.objects.filter(pk=theirs.pk).update(contact=into)
    into.push_name = into.push_name or other.push_name
    lid, other.lid = other.lid, ""
    other.delete()
    into.lid = into.lid or lid
    into.save()


def _merge_chats(*, into: Chat, other: Chat) -> None:
    # A message that stands in both is one message: the other chat's copy goes with it.
    known = Message.objects.filter(chat=into).exclude(wa_id="").values("wa_id")
    Message.objects.filter(chat=other).exclude(wa_id__in=known).update(chat=into)
    if other.last_message_at and (into.last_message_at is None or other.last_message_at > into.last_message_at):
        into.last_message_at, into.last_message_text = other.last_message_at, other.last_message_text
    into.unread_count += other.unread_count
    other.delete()
    into.save()


def learn(account: Account, person: Identity) -> Contact | None:
    """Note that these two addresses are one person."""
    return next(iter(resolve(account, [person]).values()), None)
