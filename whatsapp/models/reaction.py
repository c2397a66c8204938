"""What somebody put on a message: at most one emoji each."""

from typing import ClassVar

from django.db import models

from whatsapp.models.chat import Chat
from whatsapp.models.contact import Contact


class Reaction(models.Model):
    """It names its message as WhatsApp does, by its id in the chat, and so may be here before it.

    A reaction that was taken back stays as an empty one: an older one that is told again must not bring it back.
    """

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="reactions")
    #: WhatsApp's id of the message it is about.
    wa_id = models.CharField(max_length=64)
    #: Whose it is; empty for the number's own.
    contact = models.ForeignKey(Contact, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    emoji = models.CharField(max_length=32, blank=True)
    #: WhatsApp's time.
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("chat", "wa_id", "contact"), nulls_distinct=False, name="one_reaction_each")
        ]

    def __str__(self) -> str:
        return f"{self.wa_id} ({self.pk})"
