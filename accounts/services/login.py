"""Logging in with e-mail and password: one answer for every wrong guess, at the same price."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import update_last_login
from django.db.models import Q

from accounts.callers import Caller, find_caller, first_company_of
from accounts.errors import AccountInactive, CompanyNotNamed, WrongCredentials
from accounts.models import User, normalise_email
from accounts.throttle import count_attempt, forget_attempts
from tenants.models import Company
from wharf.errors import NotAuthenticated


def authenticate(*, email: str, password: str, address: str) -> User:
    """The person. Raises WrongCredentials, AccountInactive or TooManyAttempts; `address` is where they ask from."""
    email = normalise_email(email)
    count_attempt(email, address)
    user = User.objects.filter(email=email).first()
    if user is None:
        make_password(password)  # costs what a check costs, so that time does not tell who exists
        raise WrongCredentials
    if not user.check_password(password):
        raise WrongCredentials
    forget_attempts(email, address)
    if not user.is_active:
        raise AccountInactive
    return user


def log_in(
    *, email: str, password: str, address: str, company: str = "", host_company: Company | None = None
) -> Caller:
    """The person in one company: the one named by slug or id, the host's, or else their first."""
    user = authenticate(email=email, password=password, address=address)
    caller = find_caller_in(user, company, host_company)
    update_last_login(None, user)  # type: ignore[arg-type]
    return caller


def find_caller_in(user: User, company: str, host_company: Company | None) -> Caller:
    """Raises WrongCredentials for a company that `user` has no part in, as if it were not there."""
    try:
        company_id = _company_id(user, company, host_company)
        return find_caller(user_id=user.pk, company_id=company_id, host_company=host_company)
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
