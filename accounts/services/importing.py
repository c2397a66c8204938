"""People of an older system, with the passwords they have there (seed contract 3.1, row 134).

Nobody gets into somebody else's account by being imported. Whoever has an account here keeps it with its password; the
other system's password opens only an account that is made for it. One that a company's admin made there is in that
company's hands here too (`User.keeper`).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Q

from accounts.hashers import imported
from accounts.models import Membership, Registration, Role, User
from accounts.services.people import checked_email
from tenants.models import Company
from wharf.errors import Invalid


@dataclass(frozen=True)
class Newcomer:
    """Somebody as the other system has them; `password` is a bcrypt hash."""

    id: str
    email: str
    password: str
    first_name: str
    last_name: str
    is_active: bool
    created_at: datetime | None


class Welcome(StrEnum):
    """What became of them."""

    #: A new account, or one with this id, with the password they have.
    MADE = "made"
    #: A new account, whose password has to be reset.
    WITHOUT_PASSWORD = "without_password"  # noqa: S105 - no password
    #: They had an account.
    JOINED = "joined"
    #: They had an account whose password another company knows: it opens this one after a reset.
    NOT_OPEN = "not_open"
    #: Inactive there: an account that is active here is not given their rights.
    INACTIVE = "inactive"


@transaction.atomic
def take_member(
    *, company: Company, newcomer: Newcomer, role: Role, account: Newcomer, is_own: bool, made_by: str | None = None
) -> tuple[User | None, Welcome]:
    """Give them their place in `company`; the person is None for those who get none.

    `account` is what a new account is made of: `newcomer`, or who else they are there under the same address. `is_own`
    says that they proved the address; else the account is the company's. Raises EmailWrong.
    """
    email = checked_email(account.email)
    user = User.objects.select_for_update(no_key=True).filter(Q(pk=account.id) | Q(email=email)).order_by("pk").first()
    welcome = Welcome.MADE
    if user is None:
        user, welcome = _make(account, email, keeper=None if is_own else company)
    elif user.pk != account.id:
        welcome = _welcome(user, company, newcomer)
    if welcome == Welcome.INACTIVE:
        return None, welcome
    _join(user, company, role, newcomer, made_by)
    Registration.objects.filter(pk=newcomer.id).delete()
    return user, welcome


def _make(account: Newcomer, email: str, keeper: Company | None) -> tuple[User, Welcome]:
    user = User(pk=account.id, email=email, first_name=account.first_name, last_name=account.last_name, keeper=keeper)
    user.is_active, welcome = account.is_active, Welcome.MADE
    try:
        user.password = imported(account.password)
    except Invalid:
        user.set_unusable_password()
        welcome = Welcome.WITHOUT_PASSWORD
    user.save(force_insert=True)
    if account.created_at:
        User.objects.filter(pk=user.pk).update(created_at=account.created_at)
    return user, welcome


def _welcome(user: User, company: Company, newcomer: Newcomer) -> Welcome:
    if not newcomer.is_active and user.is_active:
        return Welcome.INACTIVE
    return Welcome.JOINED if user.keeper_id in (None, company.pk) else Welcome.NOT_OPEN


def _join(user: User, company: Company, role: Role, newcomer: Newcomer, made_by: str | None) -> None:
    """Whoever is there already stays what they are."""
    is_same = (user.first_name, user.last_name) == (newcomer.first_name, newcomer.last_name)
    names = {} if is_same else {"first_name": newcomer.first_name, "last_name": newcomer.last_name}
    values = {"role": role, "created_by_id": made_by, **names}
    row, is_new = Membership.objects.get_or_create(user=user, company=company, defaults=values)
    if is_new and newcomer.created_at:
        Membership.objects.filter(pk=row.pk).update(created_at=newcomer.created_at)


def take_registration(*, newcomer: Newcomer, company_name: str) -> bool | None:
    """Somebody who never proved the address: a company and its admin once they do. False when it is there already.

    None when somebody has an account with the address. Raises EmailWrong, and Invalid for what is no bcrypt hash.
    """
    email, password = checked_email(newcomer.email), imported(newcomer.password)
    if User.objects.filter(email=email).exists():
        return None
    values = {"email": email, "password": password, "company_name": company_name, "client": ""}
    names = {"first_name": newcomer.first_name, "last_name": newcomer.last_name}
    _, is_new = Registration.objects.get_or_create(pk=newcomer.id, defaults={**values, **names})
    return is_new
