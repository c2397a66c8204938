"""A WhatsApp number of the company. Owns chats, contacts and messages for ever; sessions come and go."""

from typing import ClassVar

from django.db import models

from fleet.models import Network
from wharf.ids import ID_LENGTH, new_id


class Account(models.Model):
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    network = models.CharField(max_length=16, choices=Network.choices)
    #: Digits, with the country code.
    phone_number = models.CharField(max_length=20)
    #: The hidden identity's digits, once WhatsApp has told them.
    lid = models.CharField(max_length=32, blank=True)
    #: The name that its owner gave it on the phone.
    push_name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            # A number of the sandbox and the same number of WhatsApp are two accounts.
            models.UniqueConstraint(fields=("network", "phone_number"), name="one_account_a_number")
        ]

    def __str__(self) -> str:
        return self.phone_number
