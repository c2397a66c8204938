"""Sessions as their cards show them: what each is called, how it is, and what its reader may do with it now."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from accounts.permissions import Actor, Permission
from fleet.models import Network
from fleet.states import State, Wanted
from whatsapp import phones
from whatsapp.models import Session
from whatsapp.pages.words import Face, face_of
from whatsapp.services import access, chats

Permissions = frozenset[Permission]


@dataclass(frozen=True)
class Offers:
    """The buttons that make sense now and that the reader may press."""

    link: bool = False
    start: bool = False
    pause: bool = False
    unlink: bool = False
    archive: bool = False
    rename: bool = False
    chats: bool = False
    grants: bool = False
    hold: bool = False
    release: bool = False


@dataclass(frozen=True)
class Card:
    id: str
    label: str
    number: str
    owner: str
    is_sandbox: bool
    is_linked: bool
    is_connected: bool
    face: Face
    since: datetime
    next_retry_at: datetime | None
    unread: int
    #: Nothing leaves since then.
    queue_paused_at: datetime | None
    can: Offers


def cards_for(by: Actor) -> list[Card]:
    """Everything that `by` may see, newest first, in a fixed number of queries."""
    rows: list[Session] = list(access.visible_sessions(by))
    may = access.permissions_by_session(by)
    unread = chats.unread_by_account(row.account_id for row in rows if Permission.CHAT_READ in may[row.pk])
    return [card_of(row, may[row.pk], unread=unread.get(row.account_id or "", 0)) for row in rows]


def card_of(row: Session, may: Permissions, *, unread: int = 0) -> Card:
    """Needs `with_placement()`."""
    placement = row.placement
    return Card(
        id=row.pk,
        label=row.label or gettext("New number"),
        number=phones.shown(row.account.phone_number) if row.account else "",
        owner=row.account.push_name if row.account else "",
        is_sandbox=row.network == Network.SANDBOX,
        is_linked=placement.is_linked,
        is_connected=placement.shown_state == State.CONNECTED,
        face=face_of(placement),
        since=placement.since,
        next_retry_at=placement.next_retry_at if placement.wanted == Wanted.RUNNING else None,
        unread=unread,
        queue_paused_at=row.queue_paused_at,
        can=offers(row, may),
    )


def offers(row: Session, may: Permissions) -> Offers:
    placement, has_history = row.placement, row.account_id is not None
    linked, runs = placement.is_linked, placement.wanted == Wanted.RUNNING
    leaving = placement.wanted == Wanted.UNLINKED
    control = Permission.SESSION_CONTROL in may
    may_link = Permission.SESSION_LINK in may and not leaving
    may_hold, is_held = Permission.CHAT_MANAGE in may and has_history, row.queue_paused_at is not None
    waits = placement.next_retry_at is not None and placement.state != State.CONNECTED
    return Offers(
        link=may_link and not linked,
        start=may_link and linked and (not runs or waits),
        pause=control and runs,
        unlink=control and linked and not leaving,
        archive=control and not linked,
        rename=control,
        chats=Permission.CHAT_READ in may and has_history,
        grants=Permission.ACCESS_GRANT in may,
        hold=may_hold and not is_held,
        release=may_hold and is_held,
    )
