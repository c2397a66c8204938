"""Sessions over REST (seed contract W1, W3-W8, and what those systems lacked)."""

from collections.abc import Iterable

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.permissions import Rights
from accounts.views import CompanyAPIView, CompanyRequest
from fleet.states import State
from wharf.api import ok
from wharf.errors import sentence
from wharf.moments import moment
from wharf.schema import envelope
from whatsapp import qr, shapes
from whatsapp.api import lines
from whatsapp.api import serializers as s
from whatsapp.api.repeats import REPEATABLE, repeatable
from whatsapp.models import Session
from whatsapp.services import access, history, sessions
from whatsapp.services.chats import Page

SESSION = envelope("SessionAnswer", s.SessionShape)
CREATED = sentence("The WhatsApp session has been created. Wait for the QR code to authorise it.")
ALREADY_CONNECTED = sentence("WhatsApp is already connected")
NO_QR_YET = sentence("The QR code has not been generated yet. Wait a few seconds and try again.")
SCAN_IT = sentence("Scan the QR code in WhatsApp to authorise it")
CLEANED = sentence("The old sessions have been cleaned up. You can create a new session now.")
DISCONNECTED = sentence("The WhatsApp session has been disconnected")
GRANTED = sentence("The manager's access to WhatsApp has been set up")
REVOKED = sentence("The manager's access to WhatsApp has been revoked")


def shown(session: Session) -> shapes.Shape:
    return shapes.in_words(shapes.session(session))


class SessionsView(CompanyAPIView):
    @extend_schema(
        operation_id="createSession", tags=["sessions"], request=s.NewSession, parameters=[REPEATABLE],
        responses=envelope("CreatedAnswer", s.Created),
    )  # fmt: skip
    @repeatable
    def post(self, request: CompanyRequest) -> Response:
        """Create a session and start it; without a body it is one on WhatsApp, without a name."""
        asked = s.NewSession(data=request.data or {})
        asked.is_valid(raise_exception=True)
        session = sessions.create(company=request.company, by=request.actor, **asked.validated_data)
        return ok({"sessionId": session.pk, "message": gettext(CREATED)})

    @extend_schema(
        operation_id="listSessions", tags=["sessions"], parameters=[s.OptionalPageQuery],
        responses=envelope("SessionsAnswer", s.ListedSessionShape(many=True)),
    )  # fmt: skip
    def get(self, request: CompanyRequest) -> Response:
        """The sessions that the caller may see, newest first; all of them, or a page where one is asked for."""
        asked = s.OptionalPageQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        rows = access.visible_sessions(request.actor).with_counts()
        if not asked.validated_data:
            return ok(_listed(rows, request))
        number, limit = asked.validated_data.get("page", 1), asked.validated_data.get("limit", 50)
        page = Page(number, limit, rows.count())
        answer = ok(_listed(rows[page.offset : page.offset + limit], request))
        answer.data["pagination"] = page.shape
        return answer


def _listed(rows: Iterable[Session], request: CompanyRequest) -> list[shapes.Shape]:
    permitted = access.permissions_by_session(request.actor)
    may_link = {session_id for session_id, permissions in permitted.items() if access.LINK in permissions}
    return [shapes.in_words(shapes.listed_session(row, may_link=row.pk in may_link)) for row in rows]


class CleanupView(CompanyAPIView):
    @extend_schema(operation_id="cleanUpSessions", tags=["sessions"], request=None, responses=envelope("CleanedAnswer"))
    def post(self, request: CompanyRequest) -> Response:
        """Put sessions out of sight that never had a phone and that nobody is linking; history is never touched."""
        sessions.clean_up(company=request.company, by=request.actor)
        return ok(message=gettext(CLEANED))


class SessionView(lines.LineAPIView):
    @extend_schema(operation_id="removeSession", tags=["lines"], responses={200: s.LineMessage})
    def delete(self, request: CompanyRequest, session_id: str) -> Response:
        """Unlink it and put it out of sight; history stays."""
        return lines.remove(request, session_id)

    @extend_schema(operation_id="showSession", tags=["sessions"], responses=SESSION)
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """One session."""
        return ok(shown(access.find_session(session_id, by=request.actor)))

    @extend_schema(operation_id="renameSession", tags=["sessions"], request=s.SessionChange, responses=SESSION)
    def patch(self, request: CompanyRequest, session_id: str) -> Response:
        """Give it a name; say whether what is said in groups is kept."""
        asked = s.SessionChange(data=request.data)
        asked.is_valid(raise_exception=True)
        name, ignores_groups = (asked.validated_data.get(key) for key in ("name", "ignoresGroups"))
        session = sessions.change(
            company=request.company, session_id=session_id, by=request.actor, name=name, ignores_groups=ignores_groups
        )
        return ok(shown(session))


class StartView(CompanyAPIView):
    @extend_schema(operation_id="startSession", tags=["sessions"], request=None, responses={202: SESSION})
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Bring it online; one that is not linked shows QR codes."""
        session = sessions.start(company=request.company, session_id=session_id, by=request.actor)
        return ok(shown(session), status=202)


class PauseView(CompanyAPIView):
    @extend_schema(operation_id="pauseSession", tags=["sessions"], request=None, responses={202: SESSION})
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Take it offline and keep the link."""
        session = sessions.pause(company=request.company, session_id=session_id, by=request.actor)
        return ok(shown(session), status=202)


class UnlinkView(CompanyAPIView):
    @extend_schema(operation_id="unlinkSession", tags=["sessions"], request=None, responses={202: SESSION})
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Log the device out at WhatsApp and erase its keys; history stays."""
        session = sessions.unlink(company=request.company, session_id=session_id, by=request.actor)
        return ok(shown(session), status=202)


class ArchiveView(CompanyAPIView):
    @extend_schema(operation_id="archiveSession", tags=["sessions"], request=None, responses=SESSION)
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Put an unlinked session out of sight; history stays."""
        session = sessions.archive(company=request.company, session_id=session_id, by=request.actor)
        return ok(shown(session))


class DisconnectView(CompanyAPIView):
    @extend_schema(
        operation_id="disconnectSession", tags=["sessions"], request=None, responses=envelope("DisconnectedAnswer")
    )
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Unlink it and put it out of sight in one step."""
        sessions.disconnect(company=request.company, session_id=session_id, by=request.actor)
        return ok(message=gettext(DISCONNECTED))


class QrView(CompanyAPIView):
    @extend_schema(operation_id="showQr", tags=["linking"], responses=envelope("QrAnswer", s.QrShape))
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """The QR code on show, or why there is none."""
        session = access.find_session(session_id, by=request.actor, needs=access.LINK)
        return ok(_qr_answer(session))


def _qr_answer(session: Session) -> shapes.Shape:
    if session.placement.shown_state == State.CONNECTED:
        shape = shapes.session(session)
        keys = ("isConnected", "phoneNumber", "displayName")
        return {key: shape[key] for key in keys} | {"message": gettext(ALREADY_CONNECTED)}
    if not session.current_qr:
        return {"isConnected": False, "message": gettext(NO_QR_YET)}
    return {
        "isConnected": False,
        "qrCode": qr.png_data_url(session.current_qr),
        "qr": session.current_qr,
        "expiresAt": moment(session.qr_expires_at),
        "message": gettext(SCAN_IT),
    }


class TransitionsView(CompanyAPIView):
    @extend_schema(
        operation_id="listTransitions", tags=["sessions"], parameters=[s.PageQuery],
        responses=envelope("TransitionsAnswer", s.TransitionShape(many=True)),
    )  # fmt: skip
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """What happened to the session, newest first."""
        asked = s.PageQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        number, limit = asked.validated_data["page"], asked.validated_data["limit"]
        rows = history.transitions_of(session_id, by=request.actor, number=number, limit=limit)
        return ok([shapes.in_words(shapes.transition(row)) for row in rows])


class ManagersView(CompanyAPIView):
    """The older documentation's words for access: `permissions` is a list of `read`, `write`, `manage`."""

    @extend_schema(
        operation_id="addManager", tags=["access"], request=s.ManagerPermissions,
        responses=envelope("ManagerAnswer", s.GrantShape),
    )  # fmt: skip
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Give a manager rights on the session, by the names of the permissions."""
        asked = s.ManagerPermissions(data=request.data)
        asked.is_valid(raise_exception=True)
        given = set(asked.validated_data["permissions"])
        rights = Rights("read" in given, "write" in given, "manage" in given)
        return ok(_granted(request, session_id, asked.validated_data["managerId"], rights), message=gettext(GRANTED))

    @extend_schema(
        operation_id="listManagers", tags=["access"],
        responses=envelope("ManagersAnswer", s.ListedGrantShape(many=True)),
    )  # fmt: skip
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """Who has rights on the session."""
        return ok(_grants(request, session_id))


def _grants(request: CompanyRequest, session_id: str) -> list[shapes.Shape]:
    rows = access.grants_of(session_id, by=request.actor)
    return [shapes.listed_grant(row, request.company.pk) for row in rows]


def _granted(request: CompanyRequest, session_id: str, manager_id: str, rights: Rights) -> shapes.Shape:
    row = access.grant(
        company=request.company, session_id=session_id, manager_id=manager_id, rights=rights, by=request.actor
    )
    return shapes.grant(row, request.company.pk)


class AccessView(CompanyAPIView):
    @extend_schema(
        operation_id="grantAccess", tags=["access"], request=s.Grant, responses=envelope("GrantAnswer", s.GrantShape)
    )
    def post(self, request: CompanyRequest, session_id: str) -> Response:
        """Give a manager rights on the session, or change them."""
        asked = s.Grant(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        rights = Rights(data["canRead"], data["canWrite"], data["canManageChats"])
        return ok(_granted(request, session_id, data["managerId"], rights), message=gettext(GRANTED))

    @extend_schema(
        operation_id="listAccess", tags=["access"], responses=envelope("GrantsAnswer", s.ListedGrantShape(many=True))
    )
    def get(self, request: CompanyRequest, session_id: str) -> Response:
        """Who has rights on the session."""
        return ok(_grants(request, session_id))


class ManagerAccessView(CompanyAPIView):
    @extend_schema(operation_id="revokeAccess", tags=["access"], responses={200: envelope("RevokedAnswer")})
    def delete(self, request: CompanyRequest, session_id: str, manager_id: str) -> Response:
        """Take a manager's rights away; live connections end with them."""
        access.revoke(company=request.company, session_id=session_id, manager_id=manager_id, by=request.actor)
        return ok(message=gettext(REVOKED))


@extend_schema(operation_id="removeManager")
class ManagerView(ManagerAccessView):
    """The older documentation's address for it."""
