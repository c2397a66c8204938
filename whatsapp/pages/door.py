"""Coming in and going out: log in, log out, a new password, the company and the language."""

import time
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login as remember
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.callers import Caller, operator_actor
from accounts.errors import CompanyNotNamed, PasswordWeak
from accounts.models import Membership, Purpose, User
from accounts.pages import COMPANY_KEY
from accounts.services import codes, login, passwords, people, registration, second_factor
from tenants.errors import CompanyInactive
from wharf.errors import Kind, WharfError
from wharf.meanings import meaning, say


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The same service as the API's log-in, so guesses are counted together and answered alike."""
    if request.method != "POST":
        return redirect(_next(request)) if request.user.is_authenticated else _form(request)
    try:
        to = _enter(request, email=request.POST.get("email", ""), password=request.POST.get("password", ""))
    except WharfError as error:
        return _form(request, error)
    return redirect(to)


def _enter(request: HttpRequest, *, email: str, password: str) -> str:
    """Log in and say where to go on; to the second step, for who has one."""
    if "\x00" in email + password:
        email = ""
    user = login.authenticate(email=email, password=password, address=request.META.get("REMOTE_ADDR", ""))
    stays = bool(request.POST.get("stay"))
    if second_factor.is_on(user):
        # Who has a company is found out before, so that both steps refuse alike.
        _caller_to_start_as(request, user)
        return _begin_second_step(request, user, stays=stays)
    _let_in(request, user, stays=stays)
    return _next(request)


def _let_in(request: HttpRequest, user: User, *, stays: bool) -> None:
    caller = _caller_to_start_as(request, user)
    remember(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    if caller:
        request.session[COMPANY_KEY] = caller.company.pk
        login.record_login(caller)
    if not stays:
        request.session.set_expiry(0)


# -- the second step -------------------------------------------------------------------------------------------------
#: Where the log-in session keeps who has said the right password and no code yet.
_HALF: Final = "half_logged_in"
_HALF_SECONDS: Final = 600


def _begin_second_step(request: HttpRequest, user: User, *, stays: bool) -> str:
    """The password is right; nobody is logged in yet."""
    request.session.cycle_key()
    stamp = user.get_session_auth_hash()
    request.session[_HALF] = {"user": user.pk, "stamp": stamp, "at": time.time(), "stays": stays}
    return f"{reverse('second-step')}?{urlencode({'next': _next(request)})}"


def _half_logged_in(request: HttpRequest) -> tuple[User, bool] | None:
    """Who it is, and whether they stay; None when that was too long ago, or the password is another one by now."""
    half = request.session.get(_HALF)
    if not half or not 0 <= time.time() - half["at"] <= _HALF_SECONDS:
        return None
    user = User.objects.filter(pk=half["user"], is_active=True).first()
    is_good = user is not None and constant_time_compare(user.get_session_auth_hash(), half["stamp"])
    return (user, bool(half["stays"])) if user is not None and is_good else None


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """The code, after the password. Whoever comes without one begins anew."""
    half = _half_logged_in(request)
    if half is None:
        return redirect(settings.LOGIN_URL)
    if request.method != "POST":
        return _second_form(request)
    user, stays = half
    try:
        second_factor.check(user, request.POST.get("code", "").replace("\x00", ""))
        _let_in(request, user, stays=stays)
    except WharfError as error:
        return _second_form(request, error)
    request.session.pop(_HALF, None)
    return redirect(_next(request))


def _second_form(request: HttpRequest, error: WharfError | None = None) -> HttpResponse:
    status = meaning(error).http_status if error and error.kind != Kind.UNAUTHENTICATED else 200
    context = {"error": say(error) if error else "", "next": _next(request)}
    response = render(request, "pages/second_step.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _caller_to_start_as(request: HttpRequest, user: User) -> Caller | None:
    """None for an operator of no company, who gets a hint instead of a page."""
    try:
        return login.find_caller_in(user, "", getattr(request, "host_company", None))
    except CompanyNotNamed:
        return None


def _form(request: HttpRequest, error: WharfError | None = None) -> HttpResponse:
    status = meaning(error).http_status if error else 200
    # 401 would promise a way of logging in that browsers know; and it is the same page again.
    status = 200 if error and error.kind == Kind.UNAUTHENTICATED else status
    context: dict[str, Any] = {
        "error": say(error) if error else "",
        "email": request.POST.get("email", ""),
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "is_suspended": isinstance(error, CompanyInactive),
    }
    response = render(request, "pages/login.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _next(request: HttpRequest) -> str:
    """Where they wanted to go; only on this very host."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else settings.LOGIN_REDIRECT_URL


@sensitive_post_parameters("code", "password", "token")
@require_http_methods(["GET", "HEAD", "POST"])
def new_password(request: HttpRequest) -> HttpResponse:
    """A new password, also the first one: by a code that goes to the person's address (the API's, seed contract 1.3).

    Asked for the address first, then for the code and the password. Whether there is such an account is not told.
    """
    email = request.POST.get("email", "").replace("\x00", "")
    if request.method != "POST":
        return _ask_for_password(request)
    try:
        if "password" not in request.POST:
            registration.send_code(email=email, mode=Purpose.RESET, client=client_of(request))
            return _ask_for_password(request, email=email, is_sent=True)
        token = request.POST.get("token") or _prove(request, email)
    except WharfError as error:
        return _ask_for_password(request, error, email=email, is_sent="password" in request.POST)
    try:
        passwords.reset(email=email, new=request.POST["password"], token=token, client=client_of(request))
    except PasswordWeak as error:
        return _ask_for_password(request, error, email=email, is_sent=True, token=token)
    except WharfError as error:
        return _ask_for_password(request, error, email=email)
    messages.success(request, gettext("Your password has been changed. Log in with it."))
    return redirect(settings.LOGIN_URL)


def _prove(request: HttpRequest, email: str) -> str:
    """What the code proves, to be said with the password. The password is looked at first: a code is good once."""
    people.checked_password(request.POST["password"], User(email=email))
    guess = request.POST.get("code", "").replace(" ", "").replace("\x00", "")
    code = registration.verify(email=email, mode=Purpose.RESET, guess=guess, client=client_of(request))
    return codes.reset_token(code)


def _ask_for_password(
    request: HttpRequest, error: WharfError | None = None, *, email: str = "", is_sent: bool = False, token: str = ""
) -> HttpResponse:
    """`token` stands in the form of whoever has proven the address and said a password that will not do."""
    context = {
        "error": say(error) if error else "",
        "email": email,
        "is_sent": is_sent,
        "token": token,
        "minutes": int(codes.LIFETIME.total_seconds() // 60),
    }
    status = meaning(error).http_status if error else 200
    response = render(request, "pages/password.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def client_of(request: HttpRequest) -> codes.Client:
    return codes.Client(address=request.META.get("REMOTE_ADDR", ""), agent=request.headers.get("User-Agent", ""))


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@require_POST
def choose_company(request: HttpRequest) -> HttpResponse:
    """For people who work in several. A company of others is as unknown as one that is not there."""
    company_id = request.POST.get("company", "").replace("\x00", "")
    user_id = request.user.pk if request.user.is_authenticated else None
    rows = Membership.objects.confirmed().filter(user=user_id, company=company_id, company__is_active=True)
    host_company = getattr(request, "host_company", None)
    if not rows.exists() or (host_company is not None and host_company.pk != company_id):
        raise Http404
    request.session[COMPANY_KEY] = company_id
    return redirect(_next(request))


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Kept with the person, and in a cookie for the pages before the log-in."""
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise Http404
    if isinstance(request.user, User):
        people.change_person(user=request.user, by=operator_actor(request.user), language=language)
    translation.activate(language)
    response: HttpResponseRedirect = redirect(_next(request))
    remember_language(response, language)
    return response


def remember_language(response: HttpResponse, language: str) -> None:
    """For the pages before the log-in; without a language it is the browser's again."""
    if language:
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, max_age=365 * 24 * 3600, samesite="Lax")
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
