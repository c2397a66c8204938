"""A linked session of acme, owned by a worker, and what an engine would tell of it: for tests without an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from accounts.permissions import SYSTEM
from fleet import leases
from fleet.leases import Lease
from fleet.models import Placement, Worker
from tenants.models import Company
from tests.jpegs import SMALL
from whatsapp.engine.port import (
    Connected,
    EngineEvent,
    Media,
    MessageLost,
    MessageReceived,
    MessageUnreadable,
    Person,
    Preview,
    ReceiptKind,
    ReceiptReceived,
    SendFinished,
    SendOutcome,
    SendReaction,
    SendText,
)
from whatsapp.models import Chat, Message, Session
from whatsapp.services import outbound, owning, reports, sessions
from whatsapp.services.handing import Handed
from whatsapp.services.reports import Stored

SHOP: Final = "4915550000001"
SHOP_LID: Final = "81000000000001"
BOB: Final = Person(pn="4915550000099", lid="99000000000001", name="Bob")
BOB_BY_NUMBER: Final = Person(pn=BOB.pn, name="Bob")
BOB_BY_LID: Final = Person(lid=BOB.lid, name="Bob")
EVE: Final = Person(pn="4915550000088", lid="88000000000001", name="Eve")
GROUP: Final = "120363000000000001@g.us"
PHOTO: Final = Media(mimetype="image/jpeg", size=81_000, width=1600, height=1200, preview=Preview(SMALL, 72, 54))
BILL: Final = Media(mimetype="application/pdf", file_name="bill.pdf", size=77_000, pages=3)
VOICE: Final = Media(mimetype="audio/ogg; codecs=opus", size=9_000, seconds=7, is_voice=True)
#: WhatsApp's times are whole seconds.
NOON: Final = 1_767_268_800.0


@dataclass
class Desk:
    """Use it inside the company's schema (the `desk` fixture is)."""

    company: Company
    worker: Worker
    session_id: str

    @classmethod
    def open(cls, company: Company, number: str = SHOP, name: str = "Front desk", profile: str = "Shop") -> "Desk":
        """A session of `number` that has just connected."""
        desk = cls.unlinked(company, name)
        desk.tell(Connected(f"{number}:1@s.whatsapp.net", lid=SHOP_LID, push_name=profile))
        # Most tests of groups are about what is kept of them.
        Session.objects.filter(pk=desk.session_id).update(ignores_groups=False)
        return desk

    @classmethod
    def unlinked(cls, company: Company, name: str = "Front desk") -> "Desk":
        """A session that has just been started."""
        worker = leases.register(name=f"worker of {name}", pid=1, capacity=10, store_id="disk")
        session = sessions.create(company=company, by=SYSTEM, name=name)
        leases.claim(worker, limit=10)
        desk = cls(company, worker, session.pk)
        reports.record_start(company=company, lease=desk.lease)
        return desk

    @property
    def lease(self) -> Lease:
        return Lease(self.session_id, self.worker.pk, self.placement.fence)

    @property
    def placement(self) -> Placement:
        return Placement.objects.get(pk=self.session_id)

    @property
    def session(self) -> Session:
        row: Session = Session.objects.with_placement().get(pk=self.session_id)
        return row

    # -- the engine ------------------------------------------------------------------------------------------------
    def tell(self, *events: EngineEvent) -> Stored:
        return reports.record(company=self.company, lease=self.lease, events=events)

    def queue(self, text: str = "Hello", *, phone: str = BOB.pn, chat_id: str = "") -> str:
        phone = "" if chat_id else f"+{phone}"
        options = {"session_id": self.session_id, "text": text, "by": SYSTEM}
        return outbound.queue_text(company=self.company, phone=phone, chat_id=chat_id, **options).pk  # type: ignore[arg-type]

    def take(self, limit: int = 10) -> list[SendText]:
        """Texts to send; reactions that waited are handed over too, see `take_reactions`."""
        return [order for order in self.hand_over(limit).orders if isinstance(order, SendText)]

    def take_reactions(self, limit: int = 10) -> list[SendReaction]:
        return [order for order in self.hand_over(limit).orders if isinstance(order, SendReaction)]

    def hand_over(self, limit: int = 10) -> Handed:
        return owning.take_queued(company=self.company, lease=self.lease, limit=limit)

    def send(self, text: str = "Hello", *, phone: str = BOB.pn) -> str:
        """Queued and handed to the engine."""
        message_id = self.queue(text, phone=phone)
        self.take()
        return message_id

    # -- the rows --------------------------------------------------------------------------------------------------
    def chat(self) -> Chat:
        """The only chat."""
        return Chat.objects.select_related("contact").get()

    def bodies(self) -> list[str]:
        """As a list of messages shows them."""
        return list(Message.objects.order_by("timestamp", "id").values_list("body", flat=True))

    def status(self, message_id: str) -> str:
        return Message.objects.get(pk=message_id).status


def text(
    body: str = "Hello",
    *,
    wa_id: str = "",
    at: float = NOON,
    peer: Person = BOB,
    sender: Person | None = None,
    group: str = "",
    from_me: bool = False,
) -> MessageReceived:
    return MessageReceived(
        wa_id=wa_id or f"IN-{body}"[:64],
        at=at,
        from_me=from_me,
        group=group,
        peer=Person() if group else peer,
        sender=sender or (Person(pn=SHOP) if from_me else peer),
        kind="text",
        text=body,
    )


def bringing(media: Media, kind: str = "image", body: str = "", **said: Any) -> MessageReceived:
    """A message with something beside its words; `said` as in `text`."""
    plain = text(body, wa_id=said.pop("wa_id", f"IN-{kind}-{body}"), **said)
    return replace(plain, kind=kind, media=media)


def unreadable(wa_id: str, *, at: float = NOON, peer: Person = BOB, from_me: bool = False) -> MessageUnreadable:
    return MessageUnreadable(wa_id, at, "", peer, Person(pn=SHOP) if from_me else peer, from_me)


def lost(wa_id: str, *, after: float = NOON, group: str = "", from_me: bool = False) -> MessageLost:
    sender = Person(pn=SHOP) if from_me else BOB
    return MessageLost(wa_id, after, after + 60, group, Person() if group else BOB, sender, from_me)


def receipt(
    *wa_ids: str, kind: ReceiptKind = ReceiptKind.DELIVERED, group: str = "", from_me: bool = False
) -> ReceiptReceived:
    return ReceiptReceived(wa_ids, kind, NOON, group, Person() if group else BOB, from_me)


def acknowledged(message_id: str, wa_id: str = "OUT", *, at: float = NOON, peer: Person = BOB) -> SendFinished:
    return SendFinished(message_id, SendOutcome.ACKNOWLEDGED, wa_id=wa_id, at=at, peer=peer)


def failed(message_id: str, outcome: SendOutcome, wa_id: str = "", detail: str = "") -> SendFinished:
    return SendFinished(message_id, outcome, wa_id=wa_id, detail=detail)


def orders_of(rows: Sequence[SendText | SendReaction]) -> list[str]:
    """The texts among them."""
    return [row.text for row in rows if isinstance(row, SendText)]
