"""People are made here alone: members of companies and the platform's operators."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypedDict, Unpack

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts.departures import membership_changed
from accounts.errors import (
    AdminsOnly,
    AlreadyMember,
    EmailTaken,
    EmailWrong,
    LastAdmin,
    ManagerLimitReached,
    PasswordShort,
    PasswordWeak,
)
from accounts.models import Membership, Role, User, normalise_email
from accounts.permissions import Actor, Permission, require
from audit.recording import Changes as Recorded
from audit.recording import Target, changed, person, record_in
from audit.verbs import Verb
from tenants.models import Company
from wharf.errors import NotFound, PermissionDenied

#: What the column holds, and mail too (RFC 5321).
MAX_EMAIL: Final = 254


@dataclass(frozen=True)
class NewMember:
    """`password` is there to be shown once, and only when it was made here; `is_new_person` tells a fresh account.

    A fresh one that was of this company before, and nobody else's, counts as new too.
    """

    membership: Membership
    is_new_person: bool
    password: str | None


@dataclass(frozen=True)
class NewOperator:
    user: User
    password: str | None


class Changes(TypedDict, total=False):
    first_name: str
    last_name: str
    language: str
    is_active: bool


@transaction.atomic
def create_member(
    *,
    company: Company,
    email: str,
    role: Role,
    by: Actor,
    first_name: str = "",
    last_name: str = "",
    password: str | None = None,
) -> NewMember:
    """Give a person a role in `company`, making their account when they have none.

    Whoever has an account keeps their name and password: one company cannot change how a person logs in to another.
    And an account whose password is in another company's hands opens this one only once its owner has proven the
    address (`User.keeper`). Raises ManagerLimitReached for all but operators.
    """
    require_over(by, company, Permission.PEOPLE_MANAGE)
    email = checked_email(email)
    if role == Role.MANAGER and not by.is_operator:
        _require_room(company)
    names = {"first_name": first_name, "last_name": last_name}
    user, is_known, made = _account_for(company, email, password, by, names)
    if Membership.objects.filter(user=user, company=company).exists():
        raise AlreadyMember
    values = {"role": role, "created_by_id": by.user_id, **(names if is_known else {})}
    membership = _insert_membership(user, company, values)
    record_in(company, Verb.PERSON_ADDED, target_of(membership), by=by, changes={"role": (None, role.value)})
    return NewMember(membership, is_new_person=not is_known, password=made)


def _account_for(
    company: Company, email: str, password: str | None, by: Actor, names: dict[str, str]
) -> tuple[User, bool, str | None]:
    """The account, whether somebody has it already, and the password if it was made here."""
    known = User.objects.select_for_update(no_key=True).filter(email=email).first()
    if known is None:
        user, made = _create_user(email=email, password=password, keeper=None if by.is_operator else company, **names)
        return user, False, made
    if known.keeper_id != company.pk or known.memberships.exists():
        # Costs what a new account costs: an admin, too, is not told who has one.
        make_password(password or generated_password())
        return known, True, None
    # It was a member's of this company and of no other, and its owner never took it over: it is as good as new.
    made = generated_password() if password is None else None
    known.first_name, known.last_name = names["first_name"], names["last_name"]
    known.set_password(made or checked_password(password or "", known))
    known.save(update_fields=["first_name", "last_name", "password", "updated_at"])
    return known, False, made


def _insert_membership(user: User, company: Company, values: Mapping[str, object]) -> Membership:
    try:
        with transaction.atomic():
            return Membership.objects.create(user=user, company=company, **values)
    except IntegrityError as error:
        raise AlreadyMember from error


def _require_room(company: Company) -> None:
    """Under a lock: two managers made at once are counted one after the other."""
    plan: Company = Company.objects.select_for_update(no_key=True).get(pk=company.pk)
    current = Membership.objects.filter(company=company, role=Role.MANAGER).count()
    if current >= plan.max_managers:
        raise ManagerLimitReached(limit=plan.max_managers, current=current)


def _require_another_admin(membership: Membership) -> None:
    """One who can come in. Under a lock: of two who take each other's role one stays."""
    Company.objects.select_for_update(no_key=True).get(pk=membership.company_id)
    admins = Membership.objects.confirmed().filter(company=membership.company_id, role=Role.ADMIN)
    if not admins.filter(user__is_active=True).exclude(pk=membership.pk).exists():
        raise LastAdmin


@transaction.atomic
def create_operator(*, email: str, by: Actor, password: str | None = None) -> NewOperator:
    """An account that sees all companies. Only an operator, or the machine's owner, makes one."""
    if not by.is_operator:
        raise NotFound
    user, made = _create_user(email=checked_email(email), password=password, is_staff=True, is_superuser=True)
    return NewOperator(user, made)


@transaction.atomic
def set_password(*, user: User, password: str | None, by: Actor) -> str:
    """Give `user` a new password, a made one when none is said; their tokens and log-ins end. Returns it."""
    if not (by.is_operator or by.user_id == user.pk):
        raise NotFound
    _require_themselves(by)
    new = generated_password() if password is None else checked_password(password, user)
    user.set_password(new)
    user.save(update_fields=["password", "updated_at"])
    record_password(user, by=by)
    return new


def actor_of(user: User) -> Actor:
    """Somebody who acts for themselves, in no company in particular."""
    return Actor(user_id=user.pk, name=user.full_name)


def record_password(user: User, *, by: Actor) -> None:
    """That there is a new one, and nothing of it."""
    record_everywhere(user, Verb.PASSWORD_CHANGED, by=by)


def record_everywhere(user: User, verb: Verb, *, by: Actor, changes: Recorded | None = None) -> None:
    """In every company that they work in: it is one account."""
    for membership in user.memberships.confirmed().select_related("company", "user"):
        record_in(membership.company, verb, target_of(membership), by=by, changes=changes)


def target_of(membership: Membership) -> Target:
    """The person, by the name that the company knows; the address where there is none."""
    return person(membership.user_id, " ".join(membership.names).strip() or membership.user.email)


def require_over(by: Actor, company: Company, permission: Permission) -> None:
    """Strangers do not learn that the company exists; members without the right are told so."""
    if not by.is_operator and by.company_id != company.pk:
        raise NotFound
    require(by, permission, denied=AdminsOnly)


def _require_themselves(by: Actor) -> None:
    """A program whose key is for something else does not decide on its maker's account."""
    if not by.is_themselves:
        raise PermissionDenied


def checked_email(email: str) -> str:
    email = normalise_email(email)
    if len(email) > MAX_EMAIL:
        raise EmailWrong
    try:
        validate_email(email)
    except ValidationError as error:
        raise EmailWrong from error
    return email


def checked_password(password: str, user: User | None = None) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        is_short = any(problem.code == "password_too_short" for problem in error.error_list)
        raise (PasswordShort if is_short else PasswordWeak)(problems=" ".join(error.messages)) from error
    return password


def generated_password() -> str:
    """96 bits, typed without trouble."""
    return secrets.token_urlsafe(12)


def _create_user(*, email: str, password: str | None, **fields: object) -> tuple[User, str | None]:
    """The saved user, and the password if it was made here."""
    made = generated_password() if password is None else None
    user = User(email=email, **fields)
    user.set_password(made or checked_password(password or "", user))
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken from error
    return user, made


@transaction.atomic
def change_role(*, membership: Membership, role: Role, by: Actor) -> None:
    """Raises AdminsOnly, and for all but operators ManagerLimitReached and LastAdmin."""
    require_over(by, membership.company, Permission.PEOPLE_MANAGE)
    # Asked of the database: a form may have set the new one on the object.
    before = Membership.objects.values_list("role", flat=True).get(pk=membership.pk)
    if before == role:
        return
    if role == Role.MANAGER and not by.is_operator:
        _require_room(membership.company)
        _require_another_admin(membership)
    membership.role = role
    membership.save(update_fields=["role", "updated_at"])
    changes = changed({"role": before}, {"role": role.value})
    record_in(membership.company, Verb.PERSON_CHANGED, target_of(membership), by=by, changes=changes)
    membership_changed(membership.company, membership.user_id)


@transaction.atomic
def remove_member(*, membership: Membership, by: Actor) -> None:
    """The person keeps their account, and their name stays on what they wrote; all that they were granted ends.

    Raises AdminsOnly, and LastAdmin for all but operators.
    """
    require_over(by, membership.company, Permission.PEOPLE_MANAGE)
    if membership.role == Role.ADMIN and not by.is_operator:
        _require_another_admin(membership)
    record_in(membership.company, Verb.PERSON_REMOVED, target_of(membership), by=by)
    membership.delete()
    membership_changed(membership.company, membership.user_id)


@transaction.atomic
def change_person(*, user: User, by: Actor, **changes: Unpack[Changes]) -> None:
    """Write what is given and nothing else. Only operators make an account inactive."""
    if not (by.is_operator or (by.user_id == user.pk and "is_active" not in changes)):
        raise NotFound
    _require_themselves(by)
    before = User.objects.values("first_name", "last_name", "is_active").get(pk=user.pk)
    for name, value in changes.items():
        setattr(user, name, value)
    user.save(update_fields=[*changes, "updated_at"])
    _record_change(user, by, changed(before, {name: getattr(user, name) for name in before}))


def _record_change(user: User, by: Actor, changes: Recorded) -> None:
    """What language somebody reads is nobody's business."""
    renamed = {name: pair for name, pair in changes.items() if name != "is_active"}
    if renamed:
        record_everywhere(user, Verb.PERSON_CHANGED, by=by, changes=renamed)
    if "is_active" in changes:
        verb = Verb.PERSON_ACTIVATED if user.is_active else Verb.PERSON_DEACTIVATED
        record_everywhere(user, verb, by=by)
