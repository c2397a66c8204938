"""What happened to a session, one row a change: its history, and what an operator reads first."""

from typing import ClassVar

from django.db import models

from whatsapp.models.public import to_public
from whatsapp.models.session import Session


class Transition(models.Model):
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="transitions", db_index=False)
    at = models.DateTimeField(auto_now_add=True)
    happening = models.CharField(max_length=24)
    before = models.CharField(max_length=16)
    after = models.CharField(max_length=16)
    reason = models.CharField(max_length=32, blank=True)
    #: The engine's or the system's own words, for whoever looks closer.
    detail = models.CharField(max_length=300, blank=True)
    #: The person who asked for it, or the worker that saw it.
    by_user = to_public("accounts.User", null=True, blank=True)
    worker_id = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [models.Index(fields=("session", "-id"), name="transition_newest_first")]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
