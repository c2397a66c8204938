"""What a company's own programs sign their requests with."""

from typing import Final

from django.db import models

from whatsapp.models.public import to_public

#: A company has one row or none.
ONLY: Final = 1


class InboundSecret(models.Model):
    """Without this row nothing that is signed is believed (`whatsapp.services.signed`)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    sealed_secret = models.BinaryField()
    #: Is believed beside the new one for a while, so that programs can change over.
    sealed_previous_secret = models.BinaryField(default=b"")
    previous_secret_until = models.DateTimeField(null=True)
    created_by = to_public("accounts.User", null=True)
    #: Of the secret that is good now.
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=ONLY), name="one_inbound_secret"),)

    def __str__(self) -> str:
        return f"since {self.created_at:%Y-%m-%d}"
