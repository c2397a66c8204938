"""What a message brings beside its words, as its sender's phone describes it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from whatsapp.models.message import Message


class Media(models.Model):
    """One row for a message that brings something, and none for any other. Empty and zero is what nobody told.

    A table of its own, so that reading a conversation never reads pictures: `services.media.media_of` leaves them out.
    The database takes the row away with its message (`0014_media`), for some messages are deleted in SQL.
    """

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="media"
    )
    mimetype = models.CharField(max_length=100, blank=True)
    file_name = models.CharField(max_length=255, blank=True)
    #: Bytes, seconds and pixels of the thing itself.
    size = models.PositiveBigIntegerField(default=0)
    pages = models.PositiveIntegerField(default=0)
    seconds = models.PositiveIntegerField(default=0)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    is_voice = models.BooleanField(default=False)
    is_animated = models.BooleanField(default=False)
    #: Meant to be seen once.
    is_once = models.BooleanField(default=False)
    #: A place's name, or that of a link's page; what the page says of itself.
    title = models.CharField(max_length=300, blank=True)
    description = models.CharField(max_length=1000, blank=True)
    address = models.CharField(max_length=300, blank=True)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    #: A poll's answers; the people and numbers of contact cards.
    lines = ArrayField(models.TextField(), default=list, blank=True)
    #: A small JPEG (`engine.jpeg`) and its own size; zero without one.
    preview = models.BinaryField(null=True, blank=True)
    preview_width = models.PositiveSmallIntegerField(default=0)
    preview_height = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"media of {self.pk}"

    @property
    def has_preview(self) -> bool:
        return self.preview_width > 0
