"""What happened, in the order in which it was committed: one log for everybody who wants to know."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from wharf.ids import ID_LENGTH, new_id


class Event(models.Model):
    """Written in the transaction that made the change, and never changed (`whatsapp.services.events`)."""

    #: Its place among all of the company's; a greater one was committed later.
    position = models.BigIntegerField(primary_key=True)
    #: One in the world, and the same whenever and wherever it is told.
    id = models.CharField(max_length=ID_LENGTH, default=new_id, editable=False)
    #: Its place among the session's: 1, 2, 3, without gaps. Empty for what is about no session.
    seq = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=40)
    session_id = models.CharField(max_length=ID_LENGTH, blank=True)
    account_id = models.CharField(max_length=ID_LENGTH, blank=True)
    chat_id = models.CharField(max_length=ID_LENGTH, blank=True)
    #: Of what concerns one person only.
    user_id = models.CharField(max_length=ID_LENGTH, blank=True)
    #: WhatsApp's time where it tells one, else ours.
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    data = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("id",), name="one_event_an_id"),
            models.UniqueConstraint(fields=("session_id", "seq"), condition=~Q(session_id=""), name="one_event_a_seq"),
        ]
        # Rows lie in the order of their times, so a few kilobytes tell where a day begins.
        indexes: ClassVar = [BrinIndex(fields=("recorded_at",), name="event_times", autosummarize=True)]

    def __str__(self) -> str:
        return f"{self.position} {self.kind}"


class EventCounter(models.Model):
    """The last number given: of a session's events under its id, of the company's under the empty key.

    A row of its own, that nothing but the log locks: whoever writes news waits here last, and for nothing afterwards.
    """

    key = models.CharField(primary_key=True, max_length=ID_LENGTH)
    value = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.key or 'company'}: {self.value}"
