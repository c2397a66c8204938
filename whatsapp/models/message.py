"""A message, ours or a contact's; never deleted with a session, and never in two rows."""

from datetime import datetime
from typing import ClassVar, Final

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone

from wharf.ids import ID_LENGTH, new_id
from whatsapp.models.account import Account
from whatsapp.models.chat import Chat
from whatsapp.models.contact import Contact
from whatsapp.models.public import to_public
from whatsapp.models.session import Session


class MessageStatus(models.TextChoices):
    """How far a message of ours is known to have come; `received` is a contact's.

    `sent`: handed to the engine, WhatsApp has not answered. `server_ack`: WhatsApp has it. `unconfirmed`: it may have
    left and nobody can tell; never sent again by itself. `cancelled`: taken back before it left.
    """

    RECEIVED = "received"
    UNREADABLE = "unreadable"
    QUEUED = "queued"
    SENT = "sent"
    SERVER_ACK = "server_ack"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    CANCELLED = "cancelled"


#: Statuses that a receipt may raise, lowest first. A receipt proves that a message arrived after all, whatever we
#: had made of WhatsApp's answer.
CLIMB: Final = (
    MessageStatus.FAILED,
    MessageStatus.QUEUED,
    MessageStatus.UNCONFIRMED,
    MessageStatus.SENT,
    MessageStatus.SERVER_ACK,
    MessageStatus.DELIVERED,
    MessageStatus.READ,
)


#: `error_code` of an unreadable one of which nothing but the fact that it came is left.
LOST: Final = "message_lost"


def this_second() -> datetime:
    """WhatsApp tells time in whole seconds. So do we: within one, the order of the ids decides, and an answer never
    sorts before its question for having a fraction more or less."""
    return timezone.now().replace(microsecond=0)


class Message(models.Model):
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="messages", db_index=False)
    #: The linked device that it came or went through.
    session = models.ForeignKey(
        Session, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages", db_index=False
    )
    #: WhatsApp's id; empty until it is known.
    wa_id = models.CharField(max_length=64, blank=True)
    from_me = models.BooleanField()
    sender = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    #: The person here who wrote it; empty for contacts' and for what was written on the phone itself.
    sent_by = to_public("accounts.User", null=True, blank=True)
    kind = models.CharField(max_length=16, default="text")
    body = models.TextField(blank=True)
    #: When it was said: WhatsApp's time, and ours until that is known.
    timestamp = models.DateTimeField(default=this_second)
    status = models.CharField(max_length=16, choices=MessageStatus.choices)
    #: Why it failed or is unconfirmed, as a stable code, and in WhatsApp's words.
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=200, blank=True)
    #: Of a refused one: when WhatsApp may take such a message again.
    retry_at = models.DateTimeField(null=True, blank=True)
    is_read = models.BooleanField(default=False)
    #: Of ours: what is higher leaves first; within one priority the older one does.
    priority = models.SmallIntegerField(default=0)
    #: Not to leave before, and not any more after.
    send_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    #: Goes into the message and into the device store before it leaves, so that a crash cannot make us send twice.
    secret = models.BinaryField(max_length=32, null=True, blank=True)
    #: Of an imported row: when it was made there.
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("chat", "wa_id", "sender", "from_me"),
                condition=~Q(wa_id=""),
                nulls_distinct=False,
                name="one_row_a_message",
            )
        ]
        # A text is stored once and changed three times, and each time goes into nearly all of these. So there is one
        # for what is asked, and none besides: foreign keys have no index of their own.
        indexes: ClassVar = [
            models.Index(fields=("chat", "-timestamp", "-id"), name="message_newest_first"),
            models.Index(fields=("account", "wa_id"), name="message_by_wa_id"),
            # Two contacts that turn out to be one person.
            models.Index(fields=("sender",), condition=Q(sender__isnull=False), name="message_by_sender"),
            # What leaves next. Those for later and those that run out stand apart: an ordinary text is in neither.
            models.Index(
                fields=("session", "-priority", "id"),
                condition=Q(status="queued", send_at__isnull=True),
                name="message_waiting",
            ),
            models.Index(
                fields=("session", "send_at"),
                condition=Q(status="queued", send_at__isnull=False),
                name="message_scheduled",
            ),
            models.Index(
                fields=("session", "expires_at"),
                condition=Q(status="queued", expires_at__isnull=False),
                name="message_expiring",
            ),
            models.Index(fields=("session", "id"), condition=Q(status="sent"), name="message_in_flight"),
            # Rows lie nearly in the order of their times, so a few kilobytes tell where a day's are.
            BrinIndex(fields=("timestamp",), name="message_times", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"


class EarlyReceipt(models.Model):
    """A receipt for a message of ours whose id we do not know yet: the receipt overtook the answer to the send."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    wa_id = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=MessageStatus.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("account", "wa_id", "status"), name="one_early_receipt")
        ]

    def __str__(self) -> str:
        return f"{self.wa_id} {self.status}"
