"""What managers were granted on sessions. A grant is taken once: what is changed or revoked here stays so."""

from collections.abc import Mapping
from typing import Final

from accounts.models import Membership, Role
from whatsapp.imports import parsing
from whatsapp.imports.intake import Intake
from whatsapp.imports.report import Cause
from whatsapp.imports.source import Row
from whatsapp.models import ManagerAccess

WHAT: Final = "access"


def take_access(intake: Intake) -> None:
    known = intake.known("access")
    members = Membership.objects.filter(company=intake.company)
    roles = dict(members.values_list("user_id", "role"))
    rows = intake.source.grants(intake.company.pk)
    intake.each(WHAT, rows, lambda row: _take(intake, row, known, roles))


def _take(intake: Intake, row: Row, known: Mapping[str, str], roles: Mapping[str, str]) -> Cause | bool:
    access_id, session_id = parsing.kept_id(row["id"]), parsing.kept_id(row["sessionId"] or "")
    user_id = intake.people.get(parsing.kept_id(row["managerId"] or ""), "")
    if access_id in known:
        return False
    if session_id not in intake.sessions:
        return Cause.NO_SESSION
    if roles.get(user_id) != Role.MANAGER:
        return Cause.ADMIN if roles.get(user_id) == Role.ADMIN else Cause.NO_MANAGER
    values = {
        "id": access_id,
        "granted_by_id": intake.people.get(parsing.kept_id(row["grantedBy"] or "")),
        # What is not said is not granted.
        "can_read": row["canRead"] is True,
        "can_write": row["canWrite"] is True,
        "can_manage_chats": row["canManageChats"] is True,
    }
    grant, is_new = ManagerAccess.objects.get_or_create(session_id=session_id, user_id=user_id, defaults=values)
    if is_new and (granted_at := parsing.moment(row["grantedAt"])):
        ManagerAccess.objects.filter(pk=grant.pk).update(granted_at=granted_at)
    intake.remember("access", row["id"], grant.pk)
    return is_new
