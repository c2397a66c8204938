"""Sessions of system A as accounts, which keep the history, and sessions that are to be linked again.

Credentials stay there: one client library's keys are of no use to another (seed row 134).
"""

from collections.abc import Mapping
from typing import Final

from django.utils import timezone

from fleet.models import Network, Placement
from fleet.reasons import Reason
from fleet.states import State
from whatsapp.imports import parsing
from whatsapp.imports.intake import Intake
from whatsapp.imports.report import Cause
from whatsapp.imports.source import Row
from whatsapp.models import Account, Session, Transition

WHAT: Final = "sessions"


def take_sessions(intake: Intake) -> None:
    known = intake.known("session")
    intake.each(WHAT, intake.source.sessions(intake.company.pk), lambda row: _take(intake, row, known))


def _take(intake: Intake, row: Row, known: Mapping[str, str]) -> Cause | bool:
    session_id, number = parsing.kept_id(row["id"]), parsing.own_number(row["phoneNumber"])
    if not number and row["phoneNumber"] != "pending":
        return Cause.NO_NUMBER
    if session_id not in known and not number and not row["isActive"]:
        return Cause.NEVER_LINKED
    account = _account(number, row) if number else None
    if session_id not in known:
        _make(intake, row, account)
    elif account:
        # It was waiting for its phone when it was taken, and has been linked there since.
        untouched = Session.objects.filter(pk=session_id, account=None, placement__reason=Reason.IMPORTED)
        untouched.update(account=account)
    intake.sessions.add(session_id)
    if account:
        intake.accounts[session_id] = account.pk
    return session_id not in known


def _account(number: str, row: Row) -> Account:
    shown = parsing.name(row["displayName"], 120)
    values = {"push_name": "" if shown == "Unknown" else shown}
    account, _ = Account.objects.get_or_create(network=Network.WHATSAPP, phone_number=number, defaults=values)
    return account


def _make(intake: Intake, row: Row, account: Account | None) -> None:
    session_id, created_at = parsing.kept_id(row["id"]), parsing.moment(row["createdAt"])
    Placement.objects.create(session_id=session_id, company=intake.company, reason=Reason.IMPORTED)
    session = Session.objects.create(
        id=session_id,
        placement_id=session_id,
        account=account,
        created_by_id=intake.people.get(parsing.kept_id(row["adminId"] or "")),
        archived_at=None if _is_shown(intake, row, account) else parsing.moment(row["updatedAt"]) or timezone.now(),
    )
    if created_at:
        Session.objects.filter(pk=session.pk).update(created_at=created_at)
    still = State.UNPAIRED
    Transition.objects.create(session=session, happening="imported", before=still, after=still, reason=Reason.IMPORTED)
    intake.remember("session", row["id"], session_id)


def _is_shown(intake: Intake, row: Row, account: Account | None) -> bool:
    """As it was there; but a number is on show in one session only."""
    is_twin = account is not None and Session.objects.live().filter(account=account).exists()
    if row["isActive"] and is_twin:
        intake.report.note(WHAT, Cause.ARCHIVED, row["id"])
    return bool(row["isActive"]) and not is_twin
