"""A pairing code that somebody asked for: WhatsApp blocks numbers for which too many are asked."""

from typing import ClassVar

from django.db import models


class CodeAttempt(models.Model):
    phone = models.CharField(max_length=20)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=("phone", "-at"), name="code_attempt_newest_first")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"
