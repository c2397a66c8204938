"""A conversation of an account: with one contact, or in a group."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from wharf.ids import ID_LENGTH, new_id
from whatsapp.models.account import Account
from whatsapp.models.contact import Contact
from whatsapp.models.public import to_public


class Chat(models.Model):
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="chats", db_index=False)
    contact = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.PROTECT, related_name="chats", db_index=False
    )
    #: The group's JID; empty for a chat with one person.
    group_jid = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=120, blank=True)
    #: What people here call it; empty for the contact's or the group's own name.
    name = models.CharField(max_length=120, blank=True)
    #: Who looks after it.
    assignee = to_public("accounts.User", null=True, blank=True)
    is_archived = models.BooleanField(default=False)
    last_message_at = models.DateTimeField(null=True, blank=True)
    last_message_text = models.CharField(max_length=200, blank=True)
    unread_count = models.PositiveIntegerField(default=0)
    #: Whether anybody there ever wrote to us: WhatsApp is stricter about texts to those who never did.
    has_written = models.BooleanField(default=False)
    #: Of an imported row: when it was made there.
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    #: Not a column: the query on a message's way asks it along (`services.inbound`), and most have none.
    has_early_reactions = False

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("account", "contact"), name="one_chat_a_contact"),
            models.UniqueConstraint(
                fields=("account", "group_jid"), condition=~Q(group_jid=""), name="one_chat_a_group"
            ),
            models.CheckConstraint(
                condition=Q(contact__isnull=False) ^ ~Q(group_jid=""), name="chat_is_with_one_or_a_group"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=("account", "-last_message_at", "-id"), name="chat_newest_first"),
            models.Index(fields=("contact",), condition=Q(contact__isnull=False), name="chat_by_contact"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_group(self) -> bool:
        return bool(self.group_jid)

    @property
    def label(self) -> str:
        if self.contact:
            return self.name or self.contact.label
        return self.name or self.subject or self.group_jid

    @property
    def is_new(self) -> bool:
        """Whether a text there goes to somebody who never wrote to us. Groups are nobody's first contact."""
        return not self.is_group and not self.has_written

    @property
    def jid(self) -> str:
        return self.contact.jid if self.contact else self.group_jid
