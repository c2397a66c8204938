"""A company's own tables: one file a noun."""

from whatsapp.models.access import ManagerAccess
from whatsapp.models.account import Account
from whatsapp.models.chat import Chat
from whatsapp.models.code_attempt import CodeAttempt
from whatsapp.models.contact import Contact
from whatsapp.models.day_figures import DayFigures
from whatsapp.models.event import Event, EventCounter
from whatsapp.models.imported import Imported
from whatsapp.models.inbound_secret import InboundSecret
from whatsapp.models.media import Media
from whatsapp.models.message import EarlyReceipt, Message, MessageStatus
from whatsapp.models.pacing import Pacing
from whatsapp.models.reaction import Reaction, ReactionStatus
from whatsapp.models.repeat import IdempotencyKey
from whatsapp.models.session import Session
from whatsapp.models.snapshot import DeviceSnapshot
from whatsapp.models.transition import Transition
from whatsapp.models.webhook import DeadLetter, Delivery, WebhookEndpoint, WebhookLane

__all__ = [
    "Account",
    "Chat",
    "CodeAttempt",
    "Contact",
    "DayFigures",
    "DeadLetter",
    "Delivery",
    "DeviceSnapshot",
    "EarlyReceipt",
    "Event",
    "EventCounter",
    "IdempotencyKey",
    "Imported",
    "InboundSecret",
    "ManagerAccess",
    "Media",
    "Message",
    "MessageStatus",
    "Pacing",
    "Reaction",
    "ReactionStatus",
    "Session",
    "Transition",
    "WebhookEndpoint",
    "WebhookLane",
]
