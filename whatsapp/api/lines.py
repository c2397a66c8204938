"""The older system B's routes (seed 4.1): a line in the place of a session, flat answers, English sentences.

`reference` is a session's id, or the company's (its id or slug, with or without `company_`).
"""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.views import CompanyAPIView, CompanyRequest
from fleet.states import State, Wanted
from wharf.api import on_error
from wharf.moments import moment
from whatsapp import qr, shapes
from whatsapp.api import serializers as s
from whatsapp.api.repeats import REPEATABLE, repeatable
from whatsapp.api.waiting import wait_for
from whatsapp.errors import CodeRefused, QrTimeout
from whatsapp.models import Session
from whatsapp.services import access, diagnosis, lines, sessions
from whatsapp.services.stats import metrics

#: The steps on the phone (seed 4.5), in the older system's language.
INSTRUCTIONS = (
    "Open WhatsApp on your phone",
    "Go to Settings → Linked devices",
    "Tap Link a device",
    "Tap Link with phone number instead",
    "Enter the code",
)
CODE_SECONDS = 10.0


def flat(**fields: Any) -> Response:
    return Response({"success": True, **fields})


class OlderFailures(APIView):
    """Failures have the older system's keys beside ours: `error`, and for bad input `errors`."""

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        body: dict[str, Any] = response.data
        body["error"] = body["message"]
        if response.status_code == status.HTTP_400_BAD_REQUEST:
            body["errors"] = _validator_errors(body)
        return response


class LineAPIView(OlderFailures, CompanyAPIView):
    def line(self, request: CompanyRequest, reference: str, **needs: Any) -> Session:
        return lines.need_line(reference, company=request.company, by=request.actor, **needs)


def _validator_errors(body: dict[str, Any]) -> list[dict[str, str]]:
    """As express-validator lists them; without a `path` what is wrong with no single field."""
    fields: dict[str, list[str]] = body.get("fields") or {}
    named = [{"path": name, "msg": text} for name, problems in fields.items() for text in problems]
    return [{"type": "field", "location": "body", **one} for one in named or [{"msg": str(body["message"])}]]


class StatusView(LineAPIView):
    @extend_schema(operation_id="lineStatus", tags=["lines"], responses=s.LineStatus)
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """Whether the line is connected, in system B's words; `not_initialized` while the company has none."""
        line = lines.find_line(session_id, company=request.company, by=request.actor)
        placement = line.placement if line else None
        return flat(
            companyId=session_id,
            sessionId=line.pk if line else None,
            connected=lines.word_for(line) == "connected",
            status=lines.word_for(line),
            phoneNumber=line.account.phone_number if line and line.account else None,
            reconnectAttempts=placement.attempts if placement else 0,
            health=health_of(line, session_id),
            uptime=diagnosis.uptime(line) if line else 0,
        )


def health_of(line: Session | None, reference: str) -> shapes.Shape:
    problem = diagnosis.problem_of(line)
    if problem:
        return {"healthy": False, "reason": problem, "companyId": reference}
    number = line.account.phone_number if line and line.account else None
    return {"healthy": True, "companyId": reference, "phoneNumber": number}


class HealthView(LineAPIView):
    @extend_schema(operation_id="lineHealth", tags=["lines"], responses={200: s.LineHealth, 503: s.LineHealth})
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """200 while the line is connected, 503 with the reason otherwise. Looks at rows alone and touches nothing."""
        health = health_of(lines.find_line(session_id, company=request.company, by=request.actor), session_id)
        return Response({"success": health["healthy"], **health}, status=200 if health["healthy"] else 503)


class DiagnosticsView(LineAPIView):
    @extend_schema(operation_id="lineDiagnostics", tags=["lines"], responses=s.LineDiagnostics)
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """What is the matter, and what to do about it."""
        line = lines.find_line(session_id, company=request.company, by=request.actor)
        advice = [{"level": a.level, "message": a.message, "action": a.action} for a in diagnosis.advice(line)]
        return flat(
            companyId=session_id,
            timestamp=diagnosis.timestamp(),
            health=health_of(line, session_id),
            recommendations=advice,
        )


class MetricsView(LineAPIView):
    @extend_schema(operation_id="lineMetrics", tags=["lines"], responses=s.LineMetrics)
    def get(self, request: CompanyRequest) -> Response:
        """System B's eight numbers, over the sessions that the caller may see; counted from rows, so never below 0."""
        counted = metrics(request.actor)
        now = diagnosis.timestamp()
        totals = {
            "total": counted.sessions,
            "connected": counted.connected,
            "disconnected": counted.sessions - counted.connected,
        }
        return flat(metrics={**counted.shape, "timestamp": now}, sessions=totals, timestamp=now)


class InitialiseView(LineAPIView):
    @extend_schema(operation_id="initialiseLine", tags=["lines"], request=None, responses=s.LineInitialised)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Start the line and wait for its QR code; one that is linked keeps its link."""
        line = lines.initialise(session_id, company=request.company, by=request.actor)
        if line.placement.is_linked:
            return flat(companyId=session_id, sessionId=line.pk, connected=True, message="Session already connected")
        found = wait_for(lambda: _with_qr(line.pk), seconds=settings.LINKING_SECONDS)
        if found is None or not found.current_qr:
            raise QrTimeout
        return flat(companyId=session_id, sessionId=line.pk, **_codes(found.current_qr))


def _codes(text: str) -> shapes.Shape:
    return {
        "qr": text,
        "qrDataUrl": qr.png_data_url(text),
        "qrTerminal": qr.terminal(text),
        "message": "Please scan the QR code with WhatsApp",
    }


def _with_qr(session_id: str) -> Session | None:
    """The session once there is something to show, or nothing to wait for."""
    row = Session.objects.with_placement().get(pk=session_id)
    is_over = row.placement.wanted != Wanted.RUNNING and row.placement.state != State.CONNECTING
    return row if row.current_qr or is_over else None


class PairingView(LineAPIView):
    @extend_schema(
        operation_id="requestPairingCode",
        tags=["linking"],
        request=s.PairingRequest,
        responses={200: s.Paired, 202: s.Paired},
    )
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Ask for a pairing code for a phone number, and wait a little for it.

        202 without a code when WhatsApp takes its time: it comes live and by GET. 400 when WhatsApp gives none, with
        the address of the QR code (`alternativeUrl`).
        """
        asked = s.PairingRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        line = self.line(request, session_id, needs=access.LINK)
        sessions.request_code(
            company=request.company, session_id=line.pk, phone=asked.validated_data["phoneNumber"], by=request.actor
        )
        found = wait_for(lambda: _with_code(line.pk), seconds=min(CODE_SECONDS, settings.LINKING_SECONDS))
        if found is not None and not found.current_code:
            return _refused(found)
        return _paired(found or Session.objects.with_placement().get(pk=line.pk), session_id)

    @extend_schema(operation_id="showPairingCode", tags=["linking"], responses=s.CodeAnswer)
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """The pairing code on show; an expired one is never shown."""
        shape = shapes.challenge(self.line(request, session_id, needs=access.LINK))
        data = {
            "code": shape["code"],
            "phoneNumber": shape["codePhone"],
            "expiresAt": shape["codeExpiresAt"],
            "error": shape["codeError"],
        }
        return flat(data=data)


def _with_code(session_id: str) -> Session | None:
    row = Session.objects.with_placement().get(pk=session_id)
    return row if row.current_code or row.pairing_error or row.placement.wanted != Wanted.RUNNING else None


def _paired(line: Session, reference: str) -> Response:
    answer = flat(
        companyId=reference,
        sessionId=line.pk,
        code=line.current_code,
        expiresIn=diagnosis.seconds_until(line.pairing_code_expires_at) if line.current_code else 0,
        expiresAt=moment(line.pairing_code_expires_at),
        instructions=list(INSTRUCTIONS),
        data=shapes.in_words(shapes.session(line)),
    )
    answer.status_code = 200 if line.current_code else 202
    return answer


def _refused(line: Session) -> Response:
    answer = on_error(CodeRefused())
    answer.data |= {"error": answer.data["message"], "alternativeUrl": reverse("link", args=[line.pk])}
    return answer


class SendView(LineAPIView):
    @extend_schema(
        operation_id="sendFromLine", tags=["lines"], request=s.TextToNumber, parameters=[REPEATABLE],
        responses=s.LineSent,
    )  # fmt: skip
    @repeatable
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Queue a text to a phone number, at most 30 a minute to one; 503 while no phone is linked."""
        asked = s.TextToNumber(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        phone, text, delivery = data["phone"], data["message"], asked.delivery(data)
        row = lines.send_text(
            session_id, company=request.company, by=request.actor, phone=phone, text=text, delivery=delivery
        )
        return flat(
            companyId=session_id, phone=phone, messageId=row.pk, status=row.status, timestamp=moment(row.timestamp)
        )


class ReactionView(LineAPIView):
    @extend_schema(operation_id="reactFromLine", tags=["lines"], request=s.LineReaction, responses=s.LineReacted)
    def post(self, request: CompanyRequest) -> Response:
        """Put an emoji on a message of the chat with a number, at most ten a minute to one; 503 while no phone is
        linked."""
        asked = s.LineReaction(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        reference, phone, message_id = data["companyId"] or request.company.pk, data["phone"], data["messageId"]
        row = lines.react(
            reference,
            company=request.company,
            by=request.actor,
            phone=phone,
            message_id=message_id,
            emoji=data["emoji"],
        )
        return flat(companyId=reference, phone=phone, messageId=message_id, **shapes.reacted(row))


class ReconnectView(LineAPIView):
    @extend_schema(operation_id="reconnectLine", tags=["lines"], request=None, responses=s.LineMessage)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Try again now instead of at the end of the back-off. The link and its keys are never touched."""
        line = self.line(request, session_id)
        sessions.start(company=request.company, session_id=line.pk, by=request.actor)
        return flat(companyId=session_id, message="Reconnection initiated")


def remove(request: CompanyRequest, session_id: str) -> Response:
    """DELETE of a line: unlink it and put it out of sight; its history stays."""
    line = lines.need_line(session_id, company=request.company, by=request.actor)
    sessions.disconnect(company=request.company, session_id=line.pk, by=request.actor)
    return flat(companyId=session_id, message="Session removed successfully")
