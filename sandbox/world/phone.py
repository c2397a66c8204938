"""A virtual phone: a person with a number, a Signal device of its own, companions, and an inbox."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from sandbox.protocol.appstate import AppState
from sandbox.protocol.node import JID, LID, USER
from sandbox.protocol.sender_key import SenderKey
from sandbox.protocol.signal_device import SignalDevice
from sandbox.world.companion import Companion, Handed
from sandbox.world.message import Message

LOG = MAX_MESSAGES = 10_000


@dataclass
class Owner:
    """One row of the store: whose phone it is."""

    number: str
    name: str
    lid: str
    platform: str = "android"
    business: str = ""
    next_device: int = 1


@dataclass(frozen=True)
class ReceiptSeen:
    """A receipt that reached this phone, newest last in `Phone.receipts`."""

    id: str
    type: str
    sender: str


@dataclass(frozen=True)
class Acknowledged:
    """A linked device said that it needs a message no more; `how` as in `queues.acknowledge`.

    `handed`: each time that it had been sent to it, oldest first.
    """

    seq: int
    at: float
    device: int
    id: str
    how: str
    handed: tuple[Handed, ...] = ()


@dataclass(eq=False)
class Phone:
    owner: Owner
    signal: SignalDevice = field(default_factory=SignalDevice)
    app_state: AppState = field(default_factory=AppState)
    companions: dict[int, Companion] = field(default_factory=dict)
    messages: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    received: dict[tuple[str, str], Message] = field(default_factory=dict)  # (who wrote it, message id)
    written: dict[str, Message] = field(default_factory=dict)  # by id, here or on a companion
    sender_keys: dict[str, SenderKey] = field(default_factory=dict)  # "group|sender's address"
    sender_key_holders: dict[str, set[str]] = field(default_factory=dict)  # group -> devices that have mine
    receipts: deque[ReceiptSeen] = field(default_factory=lambda: deque(maxlen=LOG))
    acknowledged: deque[Acknowledged] = field(default_factory=lambda: deque(maxlen=LOG))
    undecryptable: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=LOG))
    reactions: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)  # (peer, message) -> who: emoji
    typing: dict[tuple[str, str], float] = field(default_factory=dict)  # (peer, who) -> until when, monotonic
    asked_again: dict[str, int] = field(default_factory=dict)  # message -> times we asked for it again

    @property
    def number(self) -> str:
        return self.owner.number

    @property
    def name(self) -> str:
        return self.owner.name

    @property
    def jid(self) -> JID:
        return JID(self.owner.number, USER)

    @property
    def lid(self) -> JID:
        return JID(self.owner.lid, LID)

    @property
    def inbox(self) -> list[Message]:
        """What others wrote, oldest first."""
        return [m for m in self.messages.values() if not m.from_me and not m.is_reaction]

    @property
    def shown(self) -> list[Message]:
        """What a conversation shows as messages, oldest first."""
        return [m for m in self.messages.values() if not m.is_reaction]

    def find(self, message_id: str) -> Message | None:
        """A shown message by its id; in a group two people's may have one, and then it is the newest."""
        return next((m for m in reversed(self.messages.values()) if m.id == message_id and not m.is_reaction), None)

    def reactions_to(self, message: Message) -> dict[str, str]:
        """Who put what on it."""
        return self.reactions.get((message.peer, message.id), {})

    @property
    def unread(self) -> int:
        return sum(not m.read for m in self.inbox)

    def remember(self, message: Message) -> list[int]:
        """Add to the conversation; returns the oldest, forgotten for it."""
        self.messages[message.seq] = message
        if message.is_reaction:
            self._put(message)
        if message.from_me:
            self.written[message.id] = message
        else:
            self.received[message.sender, message.id] = message
        return [self._forget_oldest() for _ in range(len(self.messages) - MAX_MESSAGES)]

    def _put(self, reaction: Message) -> None:
        on = self.reactions.setdefault((reaction.peer, reaction.reacts_to), {})
        on.pop(reaction.sender, None)
        if reaction.text:
            on[reaction.sender] = reaction.text

    def _forget_oldest(self) -> int:
        seq, oldest = self.messages.popitem(last=False)
        self.written.pop(oldest.id, None)
        self.received.pop((oldest.sender, oldest.id), None)
        if not oldest.is_reaction:
            self.reactions.pop((oldest.peer, oldest.id), None)
        return seq

    @property
    def waiting(self) -> int:
        """Messages that a linked device has not acknowledged, each device for itself."""
        return sum(node.tag == "message" for c in self.companions.values() for node in c.queue.values())

    def address_of(self, companion: Companion) -> str:
        """The Signal address of one of its devices."""
        return str(JID(self.owner.lid, LID, companion.device))
