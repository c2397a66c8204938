"""The outbound queue over REST: looking at it, stopping it, taking texts back, and how fast it goes."""

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.views import CompanyAPIView, CompanyRequest
from wharf.api import ok
from wharf.moments import moment
from wharf.schema import envelope
from whatsapp import shapes
from whatsapp.api import serializers as s
from whatsapp.api.sessions import SESSION, shown
from whatsapp.services import pacing, queue
from whatsapp.services.pacing import Rules, Wait
from whatsapp.services.queue import Queue, Waiting


class QueueView(CompanyAPIView):
    @extend_schema(
        operation_id="showQueue", tags=["queue"], parameters=[s.PageQuery],
        responses=envelope("QueueAnswer", s.QueueShape),
    )  # fmt: skip
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """What waits to leave, in the order in which it leaves, each with what it waits for."""
        asked = s.PageQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found, rows, page = queue.look(
            company=request.company,
            session_id=session_id,
            by=request.actor,
            number=asked.validated_data["page"],
            limit=asked.validated_data["limit"],
        )
        listed = [_waiting(row, found, request.company.pk) for row in rows]
        return ok({"queue": _state(found), "messages": listed, "pagination": page.shape})


def held(wait: Wait | None) -> shapes.Shape:
    """Why it waits, as a code and in the reader's language, and until when if anybody can tell."""
    if wait is None:
        return {"heldReason": None, "heldText": "", "retryAt": None}
    return {"heldReason": wait.reason, "heldText": gettext(pacing.WHY[wait.reason]), "retryAt": moment(wait.until)}


def _waiting(row: Waiting, found: Queue, company_id: str) -> shapes.Shape:
    own = found.session.account.phone_number if found.session.account else ""
    shape = shapes.message(row.message, found.session.pk, company_id, own)
    return shape | {"position": row.position} | held(row.wait)


def _state(found: Queue) -> shapes.Shape:
    at = found.session.queue_paused_at
    return {
        "sessionId": found.session.pk,
        "isPaused": at is not None,
        "pausedAt": moment(at),
        **held(found.wait),
        "newChats": {"isHeld": found.new_wait is not None, "refusals": found.refusals, **held(found.new_wait)},
        "pace": _pace(found.rules),
        "waiting": found.waiting,
        "scheduled": found.scheduled,
        "inFlight": found.in_flight,
    }


def _pace(rules: Rules) -> shapes.Shape:
    return {
        "minGap": rules.min_gap,
        "maxGap": rules.max_gap,
        "dailyLimit": rules.daily_limit,
        "newChatLimit": rules.new_chat_limit,
    }


class PauseView(CompanyAPIView):
    @extend_schema(operation_id="pauseQueue", tags=["queue"], request=None, responses=SESSION)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Let nothing leave; the number stays connected, and texts are still taken."""
        return ok(shown(queue.pause(company=request.company, session_id=session_id, by=request.actor)))


class ResumeView(CompanyAPIView):
    @extend_schema(operation_id="resumeQueue", tags=["queue"], request=None, responses=SESSION)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Let what has waited leave."""
        return ok(shown(queue.resume(company=request.company, session_id=session_id, by=request.actor)))


class PaceView(CompanyAPIView):
    @extend_schema(
        operation_id="setPace", tags=["queue"], request=s.Pace, responses=envelope("PaceAnswer", s.Pace)
    )  # fmt: skip
    def put(self, request: CompanyRequest, session_id: str) -> Response:
        """Set how fast the session sends; what is left out is set to no limit. For admins."""
        asked = s.Pace(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        rules = Rules(data["minGap"], data["maxGap"], data["dailyLimit"], data["newChatLimit"])
        return ok(_pace(queue.set_pace(company=request.company, session_id=session_id, rules=rules, by=request.actor)))


class CancelView(CompanyAPIView):
    @extend_schema(
        operation_id="cancelMessage", tags=["queue"], request=None,
        responses=envelope("CancelledAnswer", s.MessageShape),
    )  # fmt: skip
    def post(self, request: CompanyRequest, session_id: str, message_id: str) -> Response:
        """Take a text back that has not left; 409 when it has, or may have."""
        row = queue.cancel(company=request.company, session_id=session_id, message_id=message_id, by=request.actor)
        return ok(shapes.message(row, session_id, request.company.pk, row.account.phone_number))
