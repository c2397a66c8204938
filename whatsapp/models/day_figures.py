"""What went through a number on a day that is over: counted once, read ever after."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from wharf.ids import ID_LENGTH


class DayFigures(models.Model):
    """Of one account; with an empty one it only says that the day has been counted."""

    #: By whose midnight, as IANA names time zones: another zone has other days.
    zone = models.CharField(max_length=64)
    day = models.DateField()
    account_id = models.CharField(max_length=ID_LENGTH, blank=True)
    incoming = models.PositiveIntegerField(default=0)
    outgoing = models.PositiveIntegerField(default=0)
    #: How many answers came within each of `figures.REPLY_BOUNDS`, and how many messages within `figures.LAG_BOUNDS`.
    replies = ArrayField(models.PositiveIntegerField())
    lags = ArrayField(models.PositiveIntegerField())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("zone", "day", "account_id"), name="one_row_a_day_and_account")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.account_id}"
