"""A company's managers: made, changed and let go by its admins (seed contract 1.5); other admins are made here too."""

from typing import Final, TypedDict, Unpack

from django.db import IntegrityError, transaction

from accounts.departures import membership_changed
from accounts.errors import AdminsOnly, AlreadyMember, EmailTaken, ManagerNotFound, PersonDecides
from accounts.models import Membership, MembershipQuerySet, Purpose, Role, User, normalise_email
from accounts.permissions import Actor, Permission, require
from accounts.services import people, registration
from accounts.services.codes import Client
from accounts.tasks import mail_password_changed, mail_welcome
from accounts.throttle import EMAILS_PER_COMPANY, MANAGERS_PER_COMPANY, count_request
from audit.recording import changed, record_in
from audit.verbs import Verb
from tenants.models import Company

NAMES: Final = ("first_name", "last_name")


class Changes(TypedDict, total=False):
    email: str
    first_name: str
    last_name: str
    password: str
    is_active: bool


@transaction.atomic
def create(
    *,
    company: Company,
    by: Actor,
    email: str,
    first_name: str,
    last_name: str,
    password: str | None,
    role: Role = Role.MANAGER,
) -> Membership:
    """A manager, told so by mail, without the password. With None, the mail asks them to choose one themselves.

    Somebody who has an account elsewhere keeps it as it is, the password too (`people.create_member`). Raises
    AdminsOnly, ManagerLimitReached, AlreadyMember, EmailWrong, PasswordShort, PasswordWeak, TooManyRequests.
    """
    people.require_over(by, company, Permission.PEOPLE_MANAGE)
    count_request(MANAGERS_PER_COMPANY, company.pk)
    # Said to whoever asks, so that a weak one does not tell that nobody has the address yet.
    if password is not None:
        people.checked_password(password, User(email=email, first_name=first_name, last_name=last_name))
    made = people.create_member(
        company=company,
        email=email,
        role=role,
        by=by,
        first_name=first_name,
        last_name=last_name,
        password=password,
    )
    mail_welcome.defer(membership_id=made.membership.pk, is_invited=password is None)
    return made.membership


def list_all(*, company: Company, by: Actor) -> list[Membership]:
    """Newest first; whoever made them."""
    require(by, Permission.PEOPLE_MANAGE, denied=AdminsOnly)
    return list(_managers(company).order_by("-created_at", "-pk"))


def find(*, company: Company, manager_id: str, by: Actor) -> Membership:
    """`manager_id` is the person's. Raises AdminsOnly, ManagerNotFound."""
    require(by, Permission.PEOPLE_MANAGE, denied=AdminsOnly)
    membership: Membership | None = _managers(company).filter(user_id=manager_id).first()
    if membership is None:
        raise ManagerNotFound
    return membership


def change(*, company: Company, manager_id: str, by: Actor, **changes: Unpack[Changes]) -> Membership:
    """Write what is given. Raises AdminsOnly, ManagerNotFound, AlreadyMember, EmailTaken, PersonDecides and people's.

    Names of somebody whose account is not the company's own are this company's alone. `is_active=False` keeps the
    person out of this company for now: live connections end at once; their account, and what they were granted, stay.
    """
    membership = find(company=company, manager_id=manager_id, by=by)
    if normalise_email(changes.get("email", "")) in ("", membership.user.email):
        changes.pop("email", None)
    if not membership.is_kept_here and {"email", "password"} & set(changes):
        raise PersonDecides
    if "email" in changes:
        # Outside the transaction: one that is taken must stay counted.
        count_request(EMAILS_PER_COMPANY, company.pk)
    _apply(membership, changes, by)
    return membership


@transaction.atomic
def _apply(membership: Membership, changes: Changes, by: Actor) -> None:
    before = _told(membership)
    names = {name: str(value) for name, value in changes.items() if name in NAMES}
    _rename(membership.user if membership.is_kept_here else membership, names)
    if "email" in changes:
        _change_email(membership, changes["email"])
    if "password" in changes:
        _change_password(membership.user, changes["password"], by)
    was_active, membership.is_active = membership.is_active, changes.get("is_active", membership.is_active)
    membership.save(update_fields=["is_active", "updated_at"])
    if told := changed(before, _told(membership)):
        record_in(membership.company, Verb.PERSON_CHANGED, people.target_of(membership), by=by, changes=told)
    if membership.is_active != was_active:
        verb = Verb.PERSON_ACTIVATED if membership.is_active else Verb.PERSON_DEACTIVATED
        record_in(membership.company, verb, people.target_of(membership), by=by)
    if "is_active" in changes:
        membership_changed(membership.company, membership.user_id)


def _told(membership: Membership) -> dict[str, str]:
    first_name, last_name = membership.names
    return {"first_name": first_name, "last_name": last_name, "email": membership.user.email}


def remove(*, company: Company, manager_id: str, by: Actor) -> None:
    """The person and what they wrote stay; what they were granted ends, live too.

    Raises AdminsOnly, ManagerNotFound.
    """
    people.remove_member(membership=find(company=company, manager_id=manager_id, by=by), by=by)


def send_password_code(*, company: Company, manager_id: str, by: Actor, client: Client) -> Membership:
    """Mail a manager the code with which they choose a new password; nobody here learns it.

    Raises AdminsOnly, ManagerNotFound, TooManyRequests.
    """
    membership = find(company=company, manager_id=manager_id, by=by)
    count_request(MANAGERS_PER_COMPANY, company.pk)
    registration.send_code(email=membership.user.email, mode=Purpose.RESET, client=client)
    return membership


def _managers(company: Company) -> MembershipQuerySet:
    rows = Membership.objects.select_related("user", "company")
    return rows.filter(company=company, role=Role.MANAGER)


def _rename(row: Membership | User, names: dict[str, str]) -> None:
    for name, value in names.items():
        setattr(row, name, value)
    row.save(update_fields=[*names, "updated_at"])


def _change_email(membership: Membership, email: str) -> None:
    email, user = people.checked_email(email), membership.user
    if Membership.objects.filter(company=membership.company, user__email=email).exists():
        raise AlreadyMember
    user.email = email
    try:
        with transaction.atomic():
            user.save(update_fields=["email", "updated_at"])
    except IntegrityError as error:
        raise EmailTaken from error


def _change_password(user: User, password: str, by: Actor) -> None:
    user.set_password(people.checked_password(password, user))
    user.save(update_fields=["password", "updated_at"])
    people.record_password(user, by=by)
    mail_password_changed.defer(user_id=user.pk)
