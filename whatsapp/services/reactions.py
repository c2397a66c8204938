"""Reactions: what people put on messages, and the messages they are about."""

from collections.abc import Iterable

from whatsapp.models import Message, Reaction

#: The reactions to each message, by its id; messages without any are not in it.
ByMessage = dict[str, list[Reaction]]


def reactions_to(rows: Iterable[Message]) -> ByMessage:
    """Those on show, oldest first, in one query; none at all when no message is known to WhatsApp yet."""
    # In a group two people's messages may have one id.
    messages: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.wa_id:
            messages.setdefault((row.chat_id, row.wa_id), []).append(row.pk)
    if not messages:
        return {}
    chats, wa_ids = (set(each) for each in zip(*messages, strict=True))
    found: ByMessage = {}
    shown = Reaction.objects.filter(chat__in=chats, wa_id__in=wa_ids).exclude(emoji="").select_related("contact")
    for reaction in shown.order_by("at", "pk"):
        for message_id in messages.get((reaction.chat_id, reaction.wa_id), []):
            found.setdefault(message_id, []).append(reaction)
    return found
