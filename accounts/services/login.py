"""Logging in with e-mail and password: one answer for every wrong guess, at the same price."""

from django.contrib.auth.hashers import check_password, get_hashers, identify_hasher, is_password_usable
from django.contrib.auth.models import update_last_login
from django.db.models import Q

from accounts.callers import Caller, find_caller, first_company_of
from accounts.errors import AccountInactive, CompanyNotNamed, EmailNotVerified, WrongCredentials
from accounts.models import Registration, User, normalise_email
from accounts.throttle import count_attempt, forget_attempts
from tenants.models import Company
from wharf.errors import NotAuthenticated


def authenticate(*, email: str, password: str, address: str) -> User:
    """The person; `address` is where they ask from.

    Raises WrongCredentials, AccountInactive, EmailNotVerified or TooManyAttempts.
    """
    email = normalise_email(email)
    count_attempt(email, address)
    user = User.objects.filter(email=email).first()
    waiting = Registration.objects.filter(email=email).order_by("-created_at", "-pk").first()
    if user is None:
        _refuse(password, waiting)
    elif not user.check_password(password):
        _spend(password, user.password)
        raise WrongCredentials
    forget_attempts(email, address)
    if user is None:
        raise EmailNotVerified
    if not user.is_active:
        raise AccountInactive
    return user


def _refuse(password: str, waiting: Registration | None) -> None:
    """For an e-mail without an account: returns only for the right password of a registration that is not verified."""
    is_right = waiting is not None and check_password(password, waiting.password)
    if not is_right:
        _spend(password, waiting.password if waiting else "")
        raise WrongCredentials


def _spend(password: str, checked: str) -> None:
    """What a wrong guess costs is one check of every kind, so that time does not tell who exists.

    `checked` is the hash that the password was compared with already.
    """
    spent = identify_hasher(checked).algorithm if checked and is_password_usable(checked) else ""
    for hasher in get_hashers():
        if hasher.algorithm != spent:
            hasher.encode(password, hasher.salt())


def log_in(
    *, email: str, password: str, address: str, company: str = "", host_company: Company | None = None
) -> Caller:
    """The person in one company: the one named by slug or id, the host's, or else their first."""
    user = authenticate(email=email, password=password, address=address)
    caller = find_caller_in(user, company, host_company)
    update_last_login(None, user)  # type: ignore[arg-type]
    return caller


def find_caller_in(user: User, company: str, host_company: Company | None) -> Caller:
    """Raises WrongCredentials for a company that `user` has no part in, as if it were not there.

    People of a company whose subscription is over log in too: its settings stay within their reach.
    """
    try:
        company_id = _company_id(user, company, host_company)
        return find_caller(user_id=user.pk, company_id=company_id, host_company=host_company, even_expired=True)
    except NotAuthenticated as error:
        raise WrongCredentials from error


def _company_id(user: User, company: str, host_company: Company | None) -> str:
    if company:
        named = Company.objects.filter(Q(pk=company) | Q(slug=company)).first()
        return named.id if named else ""
    if host_company is not None:
        return host_company.id
    first = first_company_of(user)
    if first is None and user.is_superuser:
        raise CompanyNotNamed
    return first or ""
