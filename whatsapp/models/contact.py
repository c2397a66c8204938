"""A person that the account has to do with: phone number and hidden identity (LID) are one person."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from wharf.ids import ID_LENGTH, new_id
from whatsapp.models.account import Account


class Contact(models.Model):
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="contacts", db_index=False)
    #: Digits; empty while only the LID is known.
    phone_number = models.CharField(max_length=20, blank=True)
    #: Digits of the hidden identity; empty while only the number is known.
    lid = models.CharField(max_length=32, blank=True)
    #: The name that the person gave themselves.
    push_name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("account", "phone_number"), condition=~Q(phone_number=""), name="one_contact_a_number"
            ),
            models.UniqueConstraint(fields=("account", "lid"), condition=~Q(lid=""), name="one_contact_a_lid"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return self.push_name or (f"+{self.phone_number}" if self.phone_number else f"LID {self.lid}")

    @property
    def jid(self) -> str:
        """The address to write to: the phone number where it is known, for the LID is WhatsApp's own business."""
        return f"{self.phone_number}@s.whatsapp.net" if self.phone_number else f"{self.lid}@lid"
