"""Users and managers of system A as people and memberships (`accounts.services.importing` says who gets in)."""

from collections.abc import Mapping
from typing import Final

from accounts.errors import EmailWrong
from accounts.models import Membership, Role, User, normalise_email
from accounts.services.importing import Newcomer, Welcome, take_member, take_registration
from tenants.models import Company
from wharf.errors import Invalid
from whatsapp.imports import companies, parsing
from whatsapp.imports.intake import Intake, take_each
from whatsapp.imports.report import Cause, Report
from whatsapp.imports.source import Row, Source

USERS: Final = "users"
MANAGERS: Final = "managers"
REGISTRATIONS: Final = "registrations"

_NOTES: Final = {
    Welcome.WITHOUT_PASSWORD: Cause.PASSWORD,
    Welcome.JOINED: Cause.OWN_PASSWORD,
    Welcome.NOT_OPEN: Cause.NOT_OPEN,
}

#: Those who proved their address there, by address: who has several accounts there has this one here.
Owners = Mapping[str, Newcomer]


def newcomer(row: Row) -> Newcomer:
    return Newcomer(
        id=parsing.kept_id(row["id"] or ""),
        email=row["email"] or "",
        password=row["password"] or "",
        first_name=parsing.name(row["firstName"], 60),
        last_name=parsing.name(row["lastName"], 60),
        # Managers cannot be inactive there.
        is_active=row.get("isActive") is not False,
        created_at=parsing.moment(row["createdAt"]),
    )


def read_owners(source: Source) -> Owners:
    owners: dict[str, Newcomer] = {}
    for row in source.verified_users():
        if row["id"] and row["email"]:
            owners.setdefault(normalise_email(row["email"]), newcomer(row))
    return owners


def is_only_registered(source: Source, company_id: str) -> bool:
    """Whether nobody has ever got in: its users never proved their address, and there is nothing else."""
    users = list(source.users(company_id))
    nobody = bool(users) and not any(row["isVerified"] for row in users)
    return nobody and source.has_nothing_but_users(company_id) and not Company.objects.filter(pk=company_id).exists()


def take_registrations(source: Source, company: Row, report: Report) -> None:
    report.leave_out(companies.WHAT, Cause.ONLY_REGISTERED, company["id"])
    name = companies.name_of(company)
    take_each(report, REGISTRATIONS, source.users(company["id"]), lambda row: _take_registration(row, name))


def _take_registration(row: Row, company_name: str) -> Cause | bool:
    try:
        is_new = take_registration(newcomer=newcomer(row), company_name=company_name)
    except EmailWrong:
        return Cause.EMAIL
    except Invalid:
        return Cause.NO_HASH
    return Cause.ADDRESS_TAKEN if is_new is None else is_new


def take_people(intake: Intake, owners: Owners) -> None:
    """Admins first: they are who managers of the same address are."""
    users, managers = intake.known("user"), intake.known("manager")
    intake.people.update(users | managers)
    intake.each(USERS, intake.source.users(intake.company.pk), lambda row: _take_user(intake, row, users, owners))
    rows = intake.source.managers(intake.company.pk)
    intake.each(MANAGERS, rows, lambda row: _take_manager(intake, row, managers, owners))
    admins = Membership.objects.confirmed().filter(company=intake.company, role=Role.ADMIN, user__is_active=True)
    if not admins.exists():
        intake.report.note(companies.WHAT, Cause.NO_ADMIN, intake.company.pk)


def _take_user(intake: Intake, row: Row, known: Mapping[str, str], owners: Owners) -> Cause | bool:
    if parsing.kept_id(row["id"]) in known:
        return False
    if not row["isVerified"]:
        return Cause.NOT_VERIFIED
    role = (row["role"] or "admin").strip().lower()
    if role not in Role.values:
        return Cause.ROLE
    return _take(intake, "user", row, Role(role), owners)


def _take_manager(intake: Intake, row: Row, known: Mapping[str, str], owners: Owners) -> Cause | bool:
    if parsing.kept_id(row["id"]) in known:
        return False
    return _take(intake, "manager", row, Role.MANAGER, owners)


def _take(intake: Intake, kind: str, row: Row, role: Role, owners: Owners) -> Cause | bool:
    person = newcomer(row)
    owner = owners.get(normalise_email(person.email))
    made_by = intake.people.get(parsing.kept_id(row.get("adminId") or ""))
    try:
        user, welcome = take_member(
            company=intake.company,
            newcomer=person,
            role=role,
            account=owner or person,
            is_own=owner is not None,
            made_by=made_by,
        )
    except EmailWrong:
        return Cause.EMAIL
    if user is None:
        return Cause.INACTIVE
    _remember(intake, kind, row, user, welcome)
    return True


def _remember(intake: Intake, kind: str, row: Row, user: User, welcome: Welcome) -> None:
    source_id = parsing.kept_id(row["id"])
    intake.remember(kind, row["id"], user.pk)
    intake.people[source_id] = user.pk
    cause = _NOTES.get(welcome, Cause.OWN_PASSWORD if user.pk != source_id else None)
    if cause:
        intake.report.note(f"{kind}s", cause, row["id"])
