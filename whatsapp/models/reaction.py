"""What somebody put on a message: at most one emoji each."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from whatsapp.models.chat import Chat
from whatsapp.models.contact import Contact
from whatsapp.models.public import to_public
from whatsapp.models.session import Session


class ReactionStatus(models.TextChoices):
    """How far a reaction that somebody here has put on a message has come; `sending`: the engine has it."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Reaction(models.Model):
    """It names its message as WhatsApp does, by its id in the chat, and so may be here before it.

    A reaction that was taken back stays as an empty one: an older one that is told again must not bring it back.
    """

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="reactions", db_index=False)
    #: WhatsApp's id of the message it is about.
    wa_id = models.CharField(max_length=64)
    #: Whose it is; empty for the number's own.
    contact = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    emoji = models.CharField(max_length=32, blank=True)
    #: WhatsApp's time; of one that has not left, when it was put here.
    at = models.DateTimeField()

    # Of those that were put here. What was done on a phone has no status.
    status = models.CharField(max_length=16, choices=ReactionStatus.choices, blank=True)
    #: Why it failed, as a stable code.
    error_code = models.CharField(max_length=40, blank=True)
    #: The linked device that it goes through, and the person who put it there.
    session = models.ForeignKey(
        Session, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    sent_by = to_public("accounts.User", null=True, blank=True)
    #: What WhatsApp was last known to have, for as long as `emoji` is only a wish.
    settled = models.CharField(max_length=32, blank=True)
    #: Grows with each wish: an answer about an earlier one says nothing of this one.
    turn = models.PositiveIntegerField(default=0)
    #: How often this one was sent without an answer.
    unanswered = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("chat", "wa_id", "contact"), nulls_distinct=False, name="one_reaction_each")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("session", "id"), condition=Q(status__in=("queued", "sending")), name="reaction_outgoing"
            ),
            models.Index(fields=("contact",), condition=Q(contact__isnull=False), name="reaction_by_contact"),
        ]

    @property
    def is_under_way(self) -> bool:
        return self.status in (ReactionStatus.QUEUED, ReactionStatus.SENDING)

    def __str__(self) -> str:
        return f"{self.wa_id} ({self.pk})"
