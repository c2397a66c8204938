"""System B's second set of addresses, `/webhook/whatsapp/baileys/…` (seed 4.2): its tools ask these about a line.

The same questions as in `whatsapp.api.lines`; only paths and shapes differ. With a credential, where the older system
asked for none.
"""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.views import CompanyRequest
from whatsapp import shapes
from whatsapp.api import serializers as s
from whatsapp.api.lines import LineAPIView, flat, health_of
from whatsapp.api.lines import SendView as LineSendView
from whatsapp.api.repeats import REPEATABLE
from whatsapp.models import Session
from whatsapp.services import access, diagnosis, lines, sessions


def _state(line: Session | None) -> shapes.Shape:
    word = lines.word_for(line)
    return {
        "connected": word == "connected",
        "status": word,
        "reconnectAttempts": line.placement.attempts if line else 0,
        "uptime": diagnosis.uptime(line) if line else 0,
    }


class StatusView(LineAPIView):
    @extend_schema(operation_id="gatewayStatus", tags=["lines"], responses=s.GatewayStatus)
    def get(self, request: CompanyRequest, session_id: str = "") -> Response:
        """The line's state; without an id the company's own."""
        reference = session_id or request.company.pk
        line = lines.find_line(reference, company=request.company, by=request.actor)
        return flat(companyId=reference, status=_state(line))


class QrView(LineAPIView):
    @extend_schema(operation_id="gatewayQr", tags=["lines"], responses=s.GatewayQr)
    def get(self, request: CompanyRequest, session_id: str = "") -> Response:
        """The code on show, a pairing code before a QR code; null while there is none. Looking starts nothing."""
        reference = session_id or request.company.pk
        line = lines.find_line(reference, company=request.company, by=request.actor, needs=access.LINK)
        return flat(companyId=reference, qr=_code(line) if line else None)


def _code(line: Session) -> shapes.Shape | None:
    if line.current_code:
        return {"type": "pairing", "code": line.current_code}
    return {"type": "qr", "code": line.current_qr} if line.current_qr else None


class HealthView(LineAPIView):
    @extend_schema(operation_id="gatewayHealth", tags=["lines"], responses={200: s.GatewayHealth, 503: s.GatewayHealth})
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """As the line's health, with its state and what to do; looks at rows alone."""
        line = lines.find_line(session_id, company=request.company, by=request.actor)
        advice = [one.action for one in diagnosis.advice(line) if one != diagnosis.FINE]
        health = health_of(line, session_id)
        shape = {**health, "timestamp": diagnosis.timestamp(), "connection": _state(line), "recommendations": advice}
        is_healthy = bool(health["healthy"])
        return Response({"success": is_healthy, **shape}, status=200 if is_healthy else 503)


class SessionsView(LineAPIView):
    @extend_schema(operation_id="gatewaySessions", tags=["lines"], responses=s.GatewaySessions)
    def get(self, request: CompanyRequest) -> Response:
        """All lines that the caller may see."""
        seen = access.visible_sessions(request.actor)
        rows = [{"companyId": request.company.pk, "sessionId": row.pk, **_state(row)} for row in seen]
        return flat(count=len(rows), sessions=rows)


class StartView(LineAPIView):
    @extend_schema(operation_id="gatewayStart", tags=["lines"], request=None, responses=s.LineMessage)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Start the line, made if there is none; answers at once."""
        lines.initialise(session_id, company=request.company, by=request.actor)
        return flat(companyId=session_id, message="Session initialization started")


class PauseView(LineAPIView):
    @extend_schema(operation_id="gatewayPause", tags=["lines"], request=None, responses=s.LineMessage)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Take the line offline and keep the link."""
        line = self.line(request, session_id)
        sessions.pause(company=request.company, session_id=line.pk, by=request.actor)
        return flat(companyId=session_id, message="Session disconnected")


class SendView(LineSendView):
    @extend_schema(
        operation_id="gatewaySend", tags=["lines"], request=s.GatewayText, parameters=[REPEATABLE],
        responses=s.LineSent,
    )  # fmt: skip
    def post(self, request: CompanyRequest, session_id: str = "") -> Response:
        """Queue a text; the line is named in the body (`companyId`)."""
        return super().post(request, _named(request.data) or request.company.pk)


def _named(data: Any) -> str:
    asked = s.GatewayText(data=data)
    asked.is_valid(raise_exception=True)
    return str(asked.validated_data["companyId"])
