"""Logging in with e-mail and password: one answer for every wrong guess, at the same price."""

from typing import NoReturn

from django.contrib.auth.hashers import check_password, get_hashers, identify_hasher, is_password_usable
from django.contrib.auth.models import update_last_login
from django.db.models import Q

from accounts.callers import Caller, find_caller, first_company_of, note_seen
from accounts.errors import AccountInactive, CompanyNotNamed, EmailNotVerified, WrongCredentials
from accounts.models import Membership, Registration, User, normalise_email
from accounts.services import second_factor
from accounts.throttle import count_attempt, forget_attempts
from audit.recording import person, record_in
from audit.verbs import Verb
from tenants.models import Company
from wharf.errors import NotAuthenticated


def authenticate(*, email: str, password: str, address: str) -> User:
    """The person; `address` is where they ask from.

    Raises WrongCredentials, AccountInactive, EmailNotVerified or TooManyAttempts.
    """
    email = normalise_email(email)
    count_attempt(email, address)
    user = User.objects.filter(email=email).first()
    if user is None or not user.check_password(password):
        _refuse(email, password, user)
    forget_attempts(email, address)
    if not user.is_active:
        raise AccountInactive
    return user


def _refuse(email: str, password: str, user: User | None) -> NoReturn:
    """Say that it is wrong; or, to whoever registered with this very password, that the address is not proven.

    Also when the address has an account: whoever registers with somebody else's must not learn that from a log-in. It
    costs the same then, and forgets no guesses: registering must not be a way to go on guessing.
    """
    _spend(password, user.password if user else "")
    waiting = Registration.objects.filter(email=email).order_by("-created_at", "-pk").first()
    if waiting is not None and check_password(password, waiting.password):
        raise EmailNotVerified
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
    *, email: str, password: str, address: str, company: str = "", code: str = "", host_company: Company | None = None
) -> Caller:
    """The person in one company: the one named by slug or id, the host's, or else their first.

    Raises what `authenticate` and `second_factor.check` do.
    """
    user = authenticate(email=email, password=password, address=address)
    second_factor.check(user, code)
    caller = find_caller_in(user, company, host_company)
    update_last_login(None, user)  # type: ignore[arg-type]
    note_seen(caller)
    record_login(caller)
    return caller


def record_login(caller: Caller) -> None:
    """In the company that they log in to."""
    target = person(caller.user.pk, caller.user.full_name)
    record_in(caller.company, Verb.LOGIN, target, by=caller.actor)


def find_caller_in(user: User, company: str, host_company: Company | None) -> Caller:
    """Raises WrongCredentials for a company that `user` has no part in, as if it were not there, and AccountInactive
    for one that keeps them out.

    People of a company whose subscription is over log in too: its settings stay within their reach.
    """
    try:
        company_id = _company_id(user, company, host_company)
        return find_caller(user_id=user.pk, company_id=company_id, host_company=host_company, even_expired=True)
    except NotAuthenticated as error:
        raise (AccountInactive if _is_kept_out(user, company) else WrongCredentials) from error


def _is_kept_out(user: User, company: str) -> bool:
    """Of the company that they name, or of every one that they are in."""
    named = Q(company=company) | Q(company__slug=company) if company else Q()
    places = list(Membership.objects.filter(named, user=user).values_list("is_active", flat=True))
    return bool(places) and not any(places)


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
