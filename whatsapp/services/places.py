"""Where something was said, or is to be said: the chats of a batch and the people in them, read in one trip and made
where there are none. The account must be locked."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from wharf.ids import new_id
from wharf.sql import Answer, Ask, together
from whatsapp.models import Account, Chat, Contact
from whatsapp.services import contacts
from whatsapp.services.contacts import Identity

#: The chats of people as they are known by now, and of groups: each kind out of an index of its own, for with an OR
#: between them all chats of the number would be read.
_CHATS: Final = f"""
SELECT chat.*, reaction.is_there IS TRUE AS has_early_reactions FROM (
    SELECT * FROM whatsapp_chat WHERE account_id = %s AND group_jid = ANY(%s) AND group_jid <> ''
    UNION ALL
    SELECT chat.* FROM whatsapp_chat chat
    JOIN (SELECT id FROM whatsapp_contact WHERE {contacts.NAMED}) AS partner ON chat.contact_id = partner.id
) AS chat
LEFT JOIN LATERAL (
    SELECT true AS is_there FROM whatsapp_reaction WHERE chat_id = chat.id AND wa_id = ANY(%s) LIMIT 1
) AS reaction ON true
"""  # noqa: S608  # of words of ours


@dataclass(frozen=True)
class Sought:
    """What a batch is about: everybody named in it, with whom of them there is a chat, and the groups.

    `wa_ids`: messages of which `Chat.has_early_reactions` tells.
    """

    people: Collection[Identity]
    partners: Collection[Identity]
    groups: Collection[str] = ()
    wa_ids: Collection[str] = ()


@dataclass
class Places:
    """`has_merged`: two contacts turned out to be one, and what was read of their chats before is not so any more."""

    people: dict[Identity, Contact] = field(default_factory=dict)
    has_merged: bool = False
    _chats: dict[str, Chat] = field(default_factory=dict)

    def chat(self, partner: Identity, group: str = "") -> Chat:
        return self._chats[group or self.people[partner].pk]

    def chats(self) -> Iterable[Chat]:
        return self._chats.values()


class Lookup:
    """Made inside `together`; `settle` after it."""

    def __init__(self, ask: Ask, account: Account, sought: Sought) -> None:
        self._account, self._sought = account, sought
        self._people = contacts.ask(ask, account, sought.people)
        self._chats = self._ask_for_chats(ask)

    def _ask_for_chats(self, ask: Ask) -> Answer:
        sought, account_id = self._sought, self._account.pk
        phones, lids = contacts.addresses(sought.partners)
        return ask(_CHATS, [account_id, list(sought.groups), account_id, phones, lids, list(sought.wa_ids)])

    def settle(self) -> Places:
        """Make what is missing, complete and merge whom we know more of now."""
        people, has_merged = contacts.settle(self._account, self._sought.people, self._people.load(Contact))
        if has_merged:
            with together() as ask:
                self._chats = self._ask_for_chats(ask)
        partners = {row.pk: row for row in (people[partner] for partner in self._sought.partners)}
        return Places(people, has_merged, self._made(self._known(partners), partners))

    def _known(self, partners: dict[str, Contact]) -> dict[str, Chat]:
        chats = {}
        for row in self._chats.load(Chat):
            if row.contact_id in partners:
                row.contact = partners[row.contact_id]
            chats[row.group_jid or str(row.contact_id)] = row
        return chats

    def _made(self, chats: dict[str, Chat], partners: dict[str, Contact]) -> dict[str, Chat]:
        groups, account = set(self._sought.groups), self._account
        missing = [Chat(id=new_id(), account=account, group_jid=jid) for jid in groups - chats.keys()]
        missing += [Chat(id=new_id(), account=account, contact=row) for pk, row in partners.items() if pk not in chats]
        Chat.objects.bulk_create(missing)
        return chats | {row.group_jid or str(row.contact_id): row for row in missing}
