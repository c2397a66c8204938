"""Who did what in a company, when, and from where: rows that are added and never changed.

The database itself refuses to change or delete one (a trigger, `audit/migrations/0001_initial.py`).
"""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils import timezone

from wharf.ids import ID_LENGTH


class Entry(models.Model):
    """One deed. Names are those of its moment: what they were then is what the row is for."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    verb = models.CharField(max_length=40)
    actor_kind = models.CharField(max_length=16)
    #: The person; with a key its maker; empty for signed programs and the platform.
    actor_id = models.CharField(max_length=ID_LENGTH, blank=True)
    actor_name = models.CharField(max_length=160)
    #: The name of the key that it was done with.
    key_name = models.CharField(max_length=80, blank=True)
    target_kind = models.CharField(max_length=16)
    target_id = models.CharField(max_length=64, blank=True)
    target_name = models.CharField(max_length=160, blank=True)
    #: The session that it is about, for all that happens inside of one.
    session_id = models.CharField(max_length=ID_LENGTH, blank=True)
    #: What was and what is: `{field: [before, after]}`. Never a secret, nor what people write to each other.
    changes = models.JSONField(default=dict)
    #: Where the request came from, as far as that is known.
    address = models.CharField(max_length=64, blank=True)
    #: Makes a deed that is often repeated one row; see `audit.recording.record_once`.
    once = models.CharField(max_length=160, null=True)

    class Meta:
        verbose_name_plural = "entries"
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(fields=("actor_id", "-id"), name="audit_of_a_person"),
            models.Index(fields=("verb", "-id"), name="audit_of_a_verb"),
            models.Index(fields=("session_id", "-id"), name="audit_of_a_session", condition=~models.Q(session_id="")),
            # Rows come in the order of their time, so this one costs next to nothing.
            BrinIndex(fields=("at",), name="audit_by_time"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("once",), condition=models.Q(once__isnull=False), name="audit_once")
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_name}: {self.verb} {self.target_name}"
