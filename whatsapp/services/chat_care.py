"""What people do with a chat beside writing in it: archive, rename, hand it to somebody (seed row 58)."""

from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from accounts.models import Membership
from accounts.permissions import Actor, Permission, permitted
from audit import recording as audit
from audit.verbs import Verb
from tenants.models import Company
from whatsapp import shapes
from whatsapp.errors import ChatCareDenied, ManagerNotFound, NameTooLong
from whatsapp.models import Account, Chat, ManagerAccess, Session
from whatsapp.services import news
from whatsapp.services.access import find_session
from whatsapp.services.chats import find_chat

MAX_NAME: Final = 120


@dataclass(frozen=True)
class ChatChange:
    """What is to be changed; None leaves it as it is. An empty `name` brings the contact's own back, an empty
    `assignee_id` nobody."""

    is_archived: bool | None = None
    name: str | None = None
    assignee_id: str | None = None


@news.writing
def change_chat(*, company: Company, session_id: str, chat_id: str, change: ChatChange, by: Actor) -> Chat:
    """Raises SessionNotFound, ChatCareDenied, ChatNotFound, NameTooLong, and ManagerNotFound for an assignee who is
    not of the company or may not read the session."""
    session = find_session(session_id, by=by, needs=Permission.CHAT_MANAGE, denied=ChatCareDenied)
    chat = find_chat(session, chat_id)
    # In the order in which the worker locks.
    Account.objects.select_for_update(no_key=True).get(pk=chat.account_id)
    fields = _changes(company, session, change)
    before = {name: getattr(chat, name) for name in fields}
    Chat.objects.filter(pk=chat.pk).update(**fields, updated_at=timezone.now())
    if told := audit.changed(before, fields):
        audit.record(Verb.CHAT_CHANGED, audit.chat(chat.pk, chat.label, session_id), by=by, changes=told)
    chat = find_chat(session, chat_id)
    news.tell_of_chat(company, session, chat, "chat.changed", shapes.chat(chat, session.pk, company.pk))
    return chat


def _changes(company: Company, session: Session, change: ChatChange) -> dict[str, object]:
    fields: dict[str, object] = {}
    if change.is_archived is not None:
        fields["is_archived"] = change.is_archived
    if change.name is not None:
        fields["name"] = _checked_name(change.name)
    if change.assignee_id is not None:
        fields["assignee_id"] = _checked_assignee(company, session, change.assignee_id)
    return fields


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME:
        raise NameTooLong(limit=MAX_NAME)
    return name


def _checked_assignee(company: Company, session: Session, user_id: str) -> str | None:
    if not user_id:
        return None
    membership = Membership.objects.filter(company=company, user_id=user_id).first()
    grant = ManagerAccess.objects.filter(session=session, user_id=user_id).first()
    if membership is None:
        raise ManagerNotFound
    theirs = permitted(Actor(user_id=user_id, name="", role=membership.role), grant.rights if grant else None)
    if Permission.CHAT_READ not in theirs:
        raise ManagerNotFound
    return user_id
