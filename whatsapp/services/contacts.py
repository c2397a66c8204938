"""People of an account: finding or making them by phone number and LID, and joining the two when both are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet

from wharf.sql import Answer, Ask, together
from whatsapp.models import Account, Chat, Contact, Message, MessageStatus, Reaction


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
    people = list(people)
    with together() as asking:
        answer = ask(asking, account, people)
    return settle(account, people, answer.load(Contact))[0]


#: Of an account, by phone numbers and LIDs. The indexes leave out what is empty, which has to be said: of a list of
#: unknown length the planner cannot know it, and would read everybody.
NAMED: Final = "account_id = %s AND (phone_number = ANY(%s) AND phone_number <> '' OR lid = ANY(%s) AND lid <> '')"
#: Said in SQL, as every query on the way of a message (docs/architecture.md, database).
_KNOWN: Final = f"SELECT * FROM whatsapp_contact WHERE {NAMED}"  # noqa: S608  # of words of ours


def ask(asking: Ask, account: Account, people: Iterable[Identity]) -> Answer:
    """Whom we know of `people`."""
    return asking(_KNOWN, [account.pk, *addresses(people)])


def addresses(people: Iterable[Identity]) -> tuple[list[str], list[str]]:
    """(phone numbers, LIDs)"""
    people = list(people)
    return list({one.phone for one in people} - {""}), list({one.lid for one in people} - {""})


def settle(
    account: Account, people: Iterable[Identity], known: Iterable[Contact]
) -> tuple[dict[Identity, Contact], bool]:
    """A contact for each of `people`, out of those that are known of them; and whether any were merged."""
    wanted = [person for person in dict.fromkeys(people) if person.phone or person.lid]
    book = _Book(account, known)
    for person in wanted:
        book.note(person)
    book.write_new()
    # Only now: who was named first may have been merged into somebody who was named later.
    return {person: book.find(person) for person in wanted}, book.has_merged


class _Book:
    """The contacts in question, by both addresses, kept true while they are made, completed and merged."""

    def __init__(self, account: Account, known: Iterable[Contact]) -> None:
        self.has_merged = False
        self._account = account
        self._by_phone: dict[str, Contact] = {}
        self._by_lid: dict[str, Contact] = {}
        #: Not written yet: a burst may come from hundreds of people who never wrote before.
        self._new: dict[str, Contact] = {}
        for row in known:
            self._enter(row)

    def _enter(self, row: Contact) -> None:
        if row.phone_number:
            self._by_phone[row.phone_number] = row
        if row.lid:
            self._by_lid[row.lid] = row

    def note(self, person: Identity) -> None:
        """Make sure that there is one contact for all that `person` says."""
        by_phone, by_lid = self._by_phone.get(person.phone), self._by_lid.get(person.lid)
        if by_phone and by_lid and by_phone is not by_lid:
            self._merge(into=by_phone, other=by_lid)
        row = by_phone or by_lid or self._another()
        if _complete(row, person) and row.pk not in self._new:
            row.save()
        self._enter(row)

    def _another(self) -> Contact:
        row = Contact(account=self._account)
        self._new[row.pk] = row
        return row

    def write_new(self) -> None:
        Contact.objects.bulk_create(self._new.values())
        self._new.clear()

    def _merge(self, *, into: Contact, other: Contact) -> None:
        self.has_merged = True
        self.write_new()
        for known in (self._by_phone, self._by_lid):
            known.update({address: into for address, row in known.items() if row is other})
        _merge(into=into, other=other)

    def find(self, person: Identity) -> Contact:
        return self._by_phone.get(person.phone) or self._by_lid[person.lid]


def _complete(row: Contact, person: Identity) -> bool:
    """Enter what `person` adds to what we knew; whether that is anything."""
    known = (row.phone_number, row.lid, row.push_name)
    # People change their number, and keep the hidden identity.
    row.phone_number = person.phone or row.phone_number
    row.lid = person.lid or row.lid
    row.push_name = person.name[:120] or row.push_name
    return known != (row.phone_number, row.lid, row.push_name)


def _merge(*, into: Contact, other: Contact) -> None:
    """They were one person all along: `other`'s history becomes `into`'s, and `other` goes."""
    ours, theirs = (Chat.objects.filter(contact=row).first() for row in (into, other))
    said_by_into, said_by_other = (Message.objects.filter(sender=row) for row in (into, other))
    _drop_twins(said_by_into, said_by_other, "chat")
    said_by_other.update(sender=into)
    put_by_into, put_by_other = (Reaction.objects.filter(contact=row) for row in (into, other))
    _keep_newer(put_by_into, put_by_other, "wa_id", "chat")
    put_by_other.update(contact=into)
    if theirs and ours:
        _merge_chats(into=ours, other=theirs)
    elif theirs:
        Chat.objects.filter(pk=theirs.pk).update(contact=into)
    into.push_name = into.push_name or other.push_name
    lid, other.lid = other.lid, ""
    other.delete()
    into.lid = into.lid or lid
    into.save()
    _count_unread(into)


def _drop_twins(keep: QuerySet[Message], drop: QuerySet[Message], *same: str) -> None:
    """One message that came under both names is one message; a copy that could be read is the better one."""
    fields = {name: OuterRef(name) for name in ("wa_id", "from_me", *same)}
    keep, drop = keep.exclude(wa_id=""), drop.exclude(wa_id="")
    readable = drop.exclude(status=MessageStatus.UNREADABLE).filter(**fields)
    keep.filter(Exists(readable), status=MessageStatus.UNREADABLE).delete()
    drop.filter(Exists(keep.filter(**fields))).delete()


def _keep_newer(ones: QuerySet[Reaction], others: QuerySet[Reaction], *same: str) -> None:
    """Of two reactions that turned out to be one person's to one message, the newer one stays."""
    fields = {name: OuterRef(name) for name in same}
    others.filter(Exists(ones.filter(at__gte=OuterRef("at"), **fields))).delete()
    ones.filter(Exists(others.filter(**fields))).delete()


def _count_unread(sender: Contact) -> None:
    """Copies that were dropped had been counted."""
    for chat in Chat.objects.filter(messages__sender=sender).distinct():
        unread = Message.objects.filter(chat=chat, from_me=False, is_read=False).count()
        Chat.objects.filter(pk=chat.pk).update(unread_count=unread)


def _merge_chats(*, into: Chat, other: Chat) -> None:
    ours, theirs = Message.objects.filter(chat=into), Message.objects.filter(chat=other)
    _drop_twins(ours, theirs)
    theirs.update(chat=into)
    _move_reactions(into=into, other=other)
    into.has_written = into.has_written or other.has_written
    if other.last_message_at and (into.last_message_at is None or other.last_message_at > into.last_message_at):
        into.last_message_at, into.last_message_text = other.last_message_at, other.last_message_text
    other.delete()
    into.save()


def _move_reactions(*, into: Chat, other: Chat) -> None:
    for is_own in (True, False):
        # Our own have no contact to compare, and SQL's NULL equals nothing.
        ones, others = (Reaction.objects.filter(chat=chat, contact__isnull=is_own) for chat in (into, other))
        _keep_newer(ones, others, "wa_id", *(() if is_own else ("contact",)))
        others.update(chat=into)
