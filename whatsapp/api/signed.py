"""The inbound webhook, `POST /webhook/whatsapp/baileys` (seed 4.2): a company's own programs send texts, signed.

And its secret, for the company's admins. `docs/webhooks.md` says how to sign.
"""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.views import CompanyAPIView, CompanyRequest
from tenants.context import run_in
from tenants.models import Company
from wharf.api import ok
from wharf.moments import moment
from wharf.schema import envelope
from whatsapp.api.lines import OlderFailures, flat
from whatsapp.api.repeats import kept, replayed
from whatsapp.api.serializers import GatewayText
from whatsapp.errors import UnknownAction
from whatsapp.models import InboundSecret
from whatsapp.services import lines, repeats, signed
from whatsapp.services.repeats import Asked
from whatsapp.services.signed import SignedRequest

#: What a request may ask for; the older system sent whatever it did not know.
ACTIONS: Final = ("", "send")
_HEADERS: Final = [
    OpenApiParameter("X-Timestamp", location=OpenApiParameter.HEADER, required=True, description="Seconds, or ms."),
    OpenApiParameter("X-Signature", location=OpenApiParameter.HEADER, required=True, description="HMAC-SHA256, hex."),
]


class SignedText(GatewayText):
    action = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    id = serializers.CharField(
        max_length=repeats.MAX_KEY, required=False, allow_blank=True, default="",
        help_text="The program's own id of this text: said again within 24 hours, also signed anew, it is sent once.",
    )  # fmt: skip


class SignedAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    companyId = serializers.CharField()
    phone = serializers.CharField()
    messageId = serializers.CharField(help_text="Ours.")
    status = serializers.CharField()
    timestamp = serializers.DateTimeField()


class SecretShape(serializers.Serializer[Any]):
    enabled = serializers.BooleanField(help_text="Without a secret nothing is believed.")
    createdAt = serializers.DateTimeField(allow_null=True)
    previousSecretUntil = serializers.DateTimeField(allow_null=True)


class MadeSecret(SecretShape):
    secret = serializers.CharField(help_text="Shown only now.")


class InboundView(OlderFailures, APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="inboundWebhook", tags=["webhooks"], auth=[], request=SignedText, parameters=_HEADERS,
        responses=SignedAnswer,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Send a text, signed with the company's secret instead of a credential; the same request sends it once."""
        raw: bytes = request._request.body  # as it was signed
        headers = request.headers.get("X-Timestamp", ""), request.headers.get("X-Signature", "")
        asked = SignedRequest("POST", request.get_full_path(), *headers, raw)
        signed.check_headers(asked)
        host_company = getattr(request, "host_company", None)
        company = signed.company_of(asked, _reference(request.data), host_company)
        return run_in(company, _send, company, asked, request.data)


def _reference(data: Any) -> str:
    """Whom an unproven body names; PostgreSQL's texts cannot hold NUL."""
    found = data.get("companyId") if isinstance(data, dict) else None
    return found[:80].replace("\0", "") if isinstance(found, str) else signed.DEFAULT


def _send(company: Company, asked: SignedRequest, body: Any) -> Response:
    checked = SignedText(data=body)
    checked.is_valid(raise_exception=True)
    data = checked.validated_data
    if data["action"] not in ACTIONS:
        raise UnknownAction
    key = f"id:{data['id']}" if data["id"] else f"signature:{asked.digest}"
    fingerprint = repeats.fingerprint({name: value for name, value in data.items() if name != "id"})
    once = Asked("inbound webhook", repeats.checked_key(key), fingerprint)
    return replayed(repeats.once(once, lambda: kept(_sent(company, checked, data))))


def _sent(company: Company, checked: SignedText, data: Any) -> Response:
    reference = data["companyId"]
    line = company.pk if reference in ("", signed.DEFAULT) else reference
    row = lines.send_text(
        line, company=company, by=signed.actor_for(company), phone=data["phone"], text=data["message"],
        delivery=checked.delivery(data),
    )  # fmt: skip
    return flat(
        message="Webhook processed", companyId=reference or signed.DEFAULT, phone=data["phone"], messageId=row.pk,
        status=row.status, timestamp=moment(row.timestamp),
    )  # fmt: skip


# -- the secret ------------------------------------------------------------------------------------------------------
def shape(row: InboundSecret | None) -> dict[str, Any]:
    if row is None:
        return {"enabled": False, "createdAt": None, "previousSecretUntil": None}
    until = moment(row.previous_secret_until)
    return {"enabled": True, "createdAt": moment(row.created_at), "previousSecretUntil": until}


class SecretView(CompanyAPIView):
    @extend_schema(
        operation_id="showInboundSecret", tags=["webhooks"], responses=envelope("InboundSecret", SecretShape)
    )
    def get(self, request: CompanyRequest) -> Response:
        """Whether signed requests are believed, and since when the secret is good."""
        return ok(shape(signed.look(by=request.actor)))

    @extend_schema(
        operation_id="deleteInboundSecret", tags=["webhooks"], responses={200: envelope("InboundSecretDeleted")}
    )
    def delete(self, request: CompanyRequest) -> Response:
        """Believe nothing that is signed, from now on."""
        signed.remove(company=request.company, by=request.actor)
        return ok()


class RotateView(CompanyAPIView):
    @extend_schema(
        operation_id="rotateInboundSecret", tags=["webhooks"], request=None,
        responses=envelope("InboundSecretMade", MadeSecret),
    )  # fmt: skip
    def post(self, request: CompanyRequest) -> Response:
        """A new secret, the first one too; shown only now. The one before is good for another 24 hours."""
        row, secret = signed.rotate(company=request.company, by=request.actor)
        return ok(shape(row) | {"secret": secret})
