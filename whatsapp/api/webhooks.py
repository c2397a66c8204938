"""Webhook endpoints over REST, for the company's admins (docs/webhooks.md)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.views import CompanyAPIView, CompanyRequest
from wharf.api import ok
from wharf.schema import envelope
from whatsapp import shapes
from whatsapp.api import webhook_serializers as s
from whatsapp.models import WebhookEndpoint
from whatsapp.services import webhooks
from whatsapp.webhooks.trying import try_out

#: What the API calls a thing, and what the services do.
_NAMES = {
    "types": "kinds",
    "sessionIds": "session_ids",
    "batchQuietSeconds": "batch_quiet_seconds",
    "batchMaxMessages": "batch_max_messages",
    "isActive": "is_active",
}


def shape(row: WebhookEndpoint) -> shapes.Shape:
    return shapes.webhook(row, webhooks.header_names(row))


def words(data: dict[str, Any]) -> Any:
    return {_NAMES.get(name, name): value for name, value in data.items()}


class WebhooksView(CompanyAPIView):
    @extend_schema(
        operation_id="listWebhooks", tags=["webhooks"], responses=envelope("Webhooks", s.WebhookShape(many=True))
    )
    def get(self, request: CompanyRequest) -> Response:
        """The company's endpoints, oldest first."""
        return ok([shape(row) for row in webhooks.endpoints_of(by=request.actor)])

    @extend_schema(
        operation_id="createWebhook", tags=["webhooks"], request=s.NewWebhook,
        responses={201: envelope("WebhookMade", s.MadeWebhook)},
    )  # fmt: skip
    def post(self, request: CompanyRequest) -> Response:
        """Send what happens from now on to an address. The secret that signs it is shown only now."""
        asked = s.NewWebhook(data=request.data)
        asked.is_valid(raise_exception=True)
        row, secret = webhooks.create(company=request.company, by=request.actor, **words(asked.validated_data))
        return ok(shape(row) | {"secret": secret}, status=201)


class WebhookView(CompanyAPIView):
    @extend_schema(operation_id="showWebhook", tags=["webhooks"], responses=envelope("Webhook", s.WebhookShape))
    def get(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """One endpoint, and how it is doing."""
        return ok(shape(webhooks.find(endpoint_id, by=request.actor)))

    @extend_schema(
        operation_id="changeWebhook", tags=["webhooks"], request=s.WebhookChange,
        responses=envelope("WebhookChanged", s.WebhookShape),
    )  # fmt: skip
    def patch(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """Change what is given. Switched on again, an endpoint goes on where it stopped."""
        asked = s.WebhookChange(data=request.data)
        asked.is_valid(raise_exception=True)
        given = words(asked.validated_data)
        row = webhooks.change(company=request.company, endpoint_id=endpoint_id, by=request.actor, **given)
        return ok(shape(row))

    @extend_schema(operation_id="deleteWebhook", tags=["webhooks"], responses={200: envelope("WebhookDeleted")})
    def delete(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """Remove it with its log and its dead letters."""
        webhooks.delete(company=request.company, endpoint_id=endpoint_id, by=request.actor)
        return ok()


class RotateView(CompanyAPIView):
    @extend_schema(
        operation_id="rotateWebhookSecret", tags=["webhooks"], request=None,
        responses=envelope("WebhookSecret", s.MadeWebhook),
    )  # fmt: skip
    def post(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """A new secret, shown only now. For 24 hours every request is signed with the one before too."""
        row, secret = webhooks.rotate_secret(company=request.company, endpoint_id=endpoint_id, by=request.actor)
        return ok(shape(row) | {"secret": secret})


class TestView(CompanyAPIView):
    @extend_schema(
        operation_id="testWebhook", tags=["webhooks"], request=None, responses=envelope("WebhookTest", s.TestAnswer)
    )
    def post(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """Send a `webhook.test` now, also to one that is switched off, and say what the receiver said."""
        tried = try_out(company=request.company, endpoint_id=endpoint_id, by=request.actor)
        return ok({"eventId": tried.event_id, **shapes.attempt(tried.answer)})


class DeliveriesView(CompanyAPIView):
    @extend_schema(
        operation_id="listDeliveries", tags=["webhooks"], parameters=[s.DeliveryQuery],
        responses=envelope("Deliveries", s.DeliveryShape(many=True)),
    )  # fmt: skip
    def get(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """Every try of the last days, the newest first; `before` is the id of the last one of the page before."""
        asked = s.DeliveryQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        filters = {"event_id": data["event"]} if data["event"] else {}
        if data["delivered"] is not None:
            filters["is_delivered"] = data["delivered"]
        rows = webhooks.deliveries_of(
            endpoint_id, by=request.actor, before=data["before"], limit=data["limit"], **filters
        )
        return ok([shapes.delivery(row) for row in rows])


class RedeliverView(CompanyAPIView):
    @extend_schema(
        operation_id="redeliver", tags=["webhooks"], request=None,
        responses={202: envelope("Redelivered", s.Replayed)},
    )  # fmt: skip
    def post(self, request: CompanyRequest, endpoint_id: str, delivery_id: int) -> Response:
        """Send the event of one delivery again, with the same id."""
        count = webhooks.redeliver(
            company=request.company, endpoint_id=endpoint_id, delivery_id=delivery_id, by=request.actor
        )
        return ok({"events": count}, status=202)


class ReplayView(CompanyAPIView):
    @extend_schema(
        operation_id="replayEvents", tags=["webhooks"], request=s.Replay,
        responses={202: envelope("ReplayBegun", s.Replayed)},
    )  # fmt: skip
    def post(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """Send events again, with the same ids and in order, beside what is new: `from` and `to`, or `ids`."""
        asked = s.Replay(data=request.data)
        asked.is_valid(raise_exception=True)
        data: dict[str, Any] = asked.validated_data
        again: Any = webhooks.replay_between
        names = {"begin": data.get("from"), "end": data.get("to")}
        if "ids" in data:
            again, names = webhooks.replay_events, {"event_ids": data["ids"]}
        count = again(company=request.company, endpoint_id=endpoint_id, by=request.actor, **names)
        return ok({"events": count}, status=202)


class DeadLettersView(CompanyAPIView):
    @extend_schema(
        operation_id="listDeadLetters", tags=["webhooks"], parameters=[s.DeadLetterQuery],
        responses=envelope("DeadLetters", s.DeadLetterShape(many=True)),
    )  # fmt: skip
    def get(self, request: CompanyRequest, endpoint_id: str) -> Response:
        """Events that the receiver would not take for three days; they are kept until a replay has delivered them."""
        asked = s.DeadLetterQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return ok(
            [shapes.dead_letter(row) for row in webhooks.dead_letters_of(endpoint_id, by=request.actor, **asked.data)]
        )
