"""Webhooks: where a company's events are sent, how far each endpoint has come, and what became of it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from wharf.ids import ID_LENGTH, new_id
from whatsapp.models.public import to_public


class DisabledReason(models.TextChoices):
    """Why nothing is sent: a person said so, or the receiver."""

    BY_PERSON = "by_person", "by_person"
    #: It answered 410.
    GONE = "gone", "gone"
    #: Nothing has come through for as long as we try.
    UNREACHABLE = "unreachable", "unreachable"
    #: The platform's key is another one than the one that sealed its secret.
    SECRET_UNREADABLE = "secret_unreadable", "secret_unreadable"  # a reason, no secret


class WebhookEndpoint(models.Model):
    """An address of a receiver. Whose turn it is to deliver stands in `fleet.EndpointPlacement`."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    #: Which events: all where these are empty.
    kinds = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    session_ids = ArrayField(models.CharField(max_length=ID_LENGTH), default=list, blank=True)
    #: Messages of one chat that follow each other within so many seconds are sent together; 0: each by itself.
    batch_quiet_seconds = models.PositiveSmallIntegerField(default=0)
    batch_max_messages = models.PositiveSmallIntegerField(default=10)
    #: The receiver's own headers, as sealed JSON; nobody sees their values again.
    sealed_headers = models.BinaryField(default=b"")
    sealed_secret = models.BinaryField()
    #: Signs beside the new one for a while, so that receivers can change over.
    sealed_previous_secret = models.BinaryField(default=b"")
    previous_secret_until = models.DateTimeField(null=True)

    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=24, blank=True, choices=DisabledReason.choices)
    disabled_at = models.DateTimeField(null=True)

    #: Everything up to this position of the log was delivered, or is a lane's own business.
    cursor = models.BigIntegerField()
    #: Failures in a row, of whatever lane; since when nothing has come through; when the next try is due.
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    open_until = models.DateTimeField(null=True)

    created_by = to_public("accounts.User", null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.url


class WebhookLane(models.Model):
    """Events of an endpoint that go their own way, one after another: a session's that fell behind, or a replay's.

    A session has one only from a failure until it has caught up; the rest follow the endpoint's own cursor. Where
    messages are sent together it is a chat that has one, and from the first message that may be followed by others.
    """

    #: `<endpoint>.<session>`, `<endpoint>.chat.<chat or session>`, `<endpoint>.replay.<id>` or `<endpoint>.rest.<id>`.
    key = models.CharField(primary_key=True, max_length=80)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="lanes", db_index=False)
    #: Empty for the events that are about no session.
    session_id = models.CharField(max_length=ID_LENGTH, blank=True)
    #: Null: all of the session's events. Else one chat's; empty for what is about the session and no chat.
    chat_id = models.CharField(max_length=ID_LENGTH, blank=True, null=True)  # empty says something else
    is_replay = models.BooleanField(default=False)
    #: Of a replay: these events alone, where any are named.
    event_ids = ArrayField(models.CharField(max_length=ID_LENGTH), default=list)
    #: Everything of the lane up to here was delivered.
    cursor = models.BigIntegerField()
    #: Where a replay ends, or what is left of a lane from before batches were switched on or off; another lane ends
    #: where it has caught up.
    until = models.BigIntegerField(null=True)
    #: Of its next event: how often it was tried, since when, and when it is tried again.
    attempts = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=("endpoint", "created_at"), name="lanes_of_an_endpoint")]

    def __str__(self) -> str:
        return self.key


class Delivery(models.Model):
    """One try, for people who look into what happened; nothing is decided by it."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event_id = models.CharField(max_length=ID_LENGTH)
    event_kind = models.CharField(max_length=40)
    session_id = models.CharField(max_length=ID_LENGTH, blank=True)
    attempt = models.PositiveIntegerField()
    is_replay = models.BooleanField(default=False)
    is_delivered = models.BooleanField()
    #: HTTP's, where there was an answer; else what went wrong (`whatsapp.webhooks.posting`).
    status = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=24, blank=True)
    #: Milliseconds until the answer was read.
    duration = models.PositiveIntegerField()
    #: The first of the answer, for people.
    response = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=("endpoint", "-id"), name="deliveries_newest"),
            BrinIndex(fields=("at",), name="delivery_times", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.status or self.error}"


class DeadLetter(models.Model):
    """An event that an endpoint would not take for as long as we try. It is kept whole, whatever the log forgets."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_id, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="dead_letters", db_index=False)
    event_id = models.CharField(max_length=ID_LENGTH)
    event_kind = models.CharField(max_length=40)
    session_id = models.CharField(max_length=ID_LENGTH, blank=True)
    #: What was sent.
    body = models.JSONField()
    attempts = models.PositiveIntegerField()
    status = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=24, blank=True)
    died_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("endpoint", "event_id"), name="one_dead_letter_an_event")
        ]

    def __str__(self) -> str:
        return self.event_id
