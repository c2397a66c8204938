"""What we write to people by mail: plain text, in their language, and never a password."""

import re
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import EmailCode, Membership, Role, User
from wharf.errors import sentence

#: So that no holiday notice answers, and no filter takes us for a person.
HEADERS: Final = {"Auto-Submitted": "auto-generated"}


def code_to_register(code: EmailCode, digits: str, minutes: int) -> EmailMessage:
    assert code.registration is not None, "there is nothing to verify without one"
    with translation.override(code.language):
        text = gettext(
            "Your code is %(code)s\n\n"
            "It completes the registration of %(company)s and is good for %(minutes)s minutes, once.\n"
            "If it was not you who registered, do nothing: without the code nothing is made."
        )
        values = {"code": digits, "company": _no_link(code.registration.company_name), "minutes": minutes}
        return _mail(code.email, gettext("Code to complete your registration"), text % values)


def known_already(code: EmailCode) -> EmailMessage:
    """Instead of a code: the address has an account, which whoever asked is not told."""
    with translation.override(code.language):
        text = gettext(
            "Somebody wants to register a company with this address, which has an account already.\n\n"
            "If it was you, log in at %(url)s; a forgotten password can be reset.\n"
            "If it was not you, do nothing: nothing has changed."
        )
        return _mail(code.email, gettext("You have an account already"), text % {"url": settings.PUBLIC_URL})


def code_to_reset(code: EmailCode, digits: str, minutes: int) -> EmailMessage:
    with translation.override(code.language):
        text = gettext(
            "Your code is %(code)s\n\n"
            "It lets you choose a new password at %(url)s and is good for %(minutes)s minutes, once.\n"
            "If neither you nor your administrator asked for it, do nothing, and tell the code to nobody."
        )
        values = {"code": digits, "minutes": minutes, "url": password_page()}
        return _mail(code.email, gettext("Code to reset your password"), text % values)


def password_changed(user: User, language: str) -> EmailMessage:
    with translation.override(language):
        text = gettext(
            "Your password at %(url)s has been changed, and all other log-ins have ended.\n\n"
            "If it was not you, reset the password at once and tell your administrator."
        )
        return _mail(user.email, gettext("Your password has been changed"), text % {"url": settings.PUBLIC_URL})


_WELCOMES: Final = {
    Role.MANAGER: (
        sentence("You are a manager of %(company)s now. Log in at %(url)s with this address.\n\n%(password)s"),
        sentence("You are a manager of %(company)s"),
    ),
    Role.ADMIN: (
        sentence("You are an administrator of %(company)s now. Log in at %(url)s with this address.\n\n%(password)s"),
        sentence("You are an administrator of %(company)s"),
    ),
}


def welcome(membership: Membership, *, is_invited: bool = False) -> EmailMessage:
    """To somebody whom an admin has let in; one who is invited has yet to choose a password."""
    with translation.override(membership.user.language or membership.company.language):
        text, title = (gettext(words) for words in _WELCOMES[Role(membership.role)])
        values = {
            "company": _no_link(membership.company.name),
            "url": settings.PUBLIC_URL,
            "password": gettext(_about_the_password(membership, is_invited)) % {"page": password_page()},
        }
        return _mail(membership.user.email, title % values, text % values)


def password_page() -> str:
    """Where a code is asked for and a new password is chosen."""
    return f"{settings.PUBLIC_URL}/password"


def _about_the_password(membership: Membership, is_invited: bool) -> str:
    if membership.is_kept_here and is_invited:
        return translation.gettext_noop("Before the first time choose a password: ask for a code at %(page)s.")
    if membership.is_kept_here:
        return translation.gettext_noop("Your administrator tells you the password.")
    if membership.is_confirmed:
        return translation.gettext_noop("Your password is the one that you have.")
    return translation.gettext_noop("First prove that the address is yours: reset your password at %(page)s.")


def _no_link(name: str) -> str:
    """Anybody may call a company anything, and have that sent to anybody: what a reader could click goes."""
    return " ".join(re.sub(r"[.:/@\\]", " ", name).split())


def _mail(to: str, subject: str, text: str) -> EmailMessage:
    return EmailMessage(subject=" ".join(subject.split()), body=text + "\n", to=[to], headers=HEADERS)
