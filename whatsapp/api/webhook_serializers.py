"""What requests about webhooks may hold, and how answers look in the API's description."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from whatsapp.api.serializers import Moment
from whatsapp.models.webhook import DisabledReason
from whatsapp.services import batches, webhooks

Input = serializers.Serializer[Any]
MAX_LIMIT = 200


# -- in ------------------------------------------------------------------------------------------------------------
class WebhookChange(Input):
    url = serializers.CharField(required=False, max_length=2000)
    description = serializers.CharField(required=False, allow_blank=True, max_length=200)
    types = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        max_length=100,
        help_text="Names from the catalogue of events: only these; all where it is empty.",
    )
    sessionIds = serializers.ListField(
        child=serializers.CharField(max_length=32), required=False, max_length=1000,
        help_text="Only what is about these sessions; everything where it is empty.",
    )  # fmt: skip
    headers = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), required=False,
        help_text="Sent with every request. Values are never shown again.",
    )  # fmt: skip
    batchQuietSeconds = serializers.IntegerField(
        required=False, min_value=0, max_value=batches.MOST_QUIET_SECONDS,
        help_text="Messages of one chat that follow each other within so many seconds come together, as one "
        "`message.batch`; 0, which is the default: each by itself.",
    )  # fmt: skip
    batchMaxMessages = serializers.IntegerField(
        required=False, min_value=2, max_value=batches.MOST_MESSAGES, help_text="In one `message.batch`; 10 by default."
    )
    isActive = serializers.BooleanField(required=False)


class NewWebhook(WebhookChange):
    url = serializers.CharField(max_length=2000)


class Replay(Input):
    to = Moment(required=False)
    ids = serializers.ListField(
        child=serializers.CharField(max_length=32), required=False, allow_empty=False, max_length=webhooks.MAX_IDS
    )

    def get_fields(self) -> dict[str, Any]:
        # A word of Python's own, so it cannot be said as the others are.
        return super().get_fields() | {"from": Moment(required=False)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("from" in attrs or "to" in attrs) or ("from" in attrs) != ("to" in attrs):
            raise serializers.ValidationError(_("Give either `from` and `to`, or `ids`"))
        return attrs


class DeliveryQuery(Input):
    before = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1, default=None)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT, default=50)
    event = serializers.CharField(required=False, allow_blank=True, default="", max_length=32)
    delivered = serializers.BooleanField(required=False, allow_null=True, default=None)


class DeadLetterQuery(Input):
    before = serializers.CharField(required=False, allow_blank=True, default="", max_length=32)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MAX_LIMIT, default=50)


# -- out -----------------------------------------------------------------------------------------------------------
class WebhookShape(Input):
    id = serializers.CharField()
    url = serializers.CharField()
    description = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField())
    sessionIds = serializers.ListField(child=serializers.CharField())
    batchQuietSeconds = serializers.IntegerField(help_text="0: each message by itself.")
    batchMaxMessages = serializers.IntegerField()
    headers = serializers.ListField(child=serializers.CharField(), help_text="Their names.")
    isActive = serializers.BooleanField()
    disabledReason = serializers.ChoiceField(DisabledReason.choices, allow_null=True)
    disabledAt = serializers.DateTimeField(allow_null=True)
    cursor = serializers.CharField(help_text="Everything up to here was delivered, but for `sessionsBehind`.")
    failures = serializers.IntegerField(help_text="In a row.")
    failingSince = serializers.DateTimeField(allow_null=True)
    nextTryAt = serializers.DateTimeField(allow_null=True, help_text="While the receiver is spared.")
    sessionsBehind = serializers.ListField(child=serializers.CharField())
    replays = serializers.IntegerField(help_text="Under way.")
    previousSecretUntil = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class MadeWebhook(WebhookShape):
    secret = serializers.CharField(help_text="Shown only now.")


class TestAnswer(Input):
    eventId = serializers.CharField()
    delivered = serializers.BooleanField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    durationMs = serializers.IntegerField()
    response = serializers.CharField(help_text="Its first characters.")


class DeliveryShape(TestAnswer):
    id = serializers.CharField()
    type = serializers.CharField()
    sessionId = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField()
    isReplay = serializers.BooleanField()
    at = serializers.DateTimeField()


class DeadLetterShape(Input):
    id = serializers.CharField()
    eventId = serializers.CharField()
    type = serializers.CharField()
    sessionId = serializers.CharField(allow_null=True)
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    diedAt = serializers.DateTimeField()
    body = serializers.DictField(help_text="The event, as it was sent.")


class Replayed(Input):
    events = serializers.IntegerField(help_text="How many are sent again.")
