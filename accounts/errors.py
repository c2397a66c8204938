"""What can go wrong with people and their log-ins, each with a sentence for people."""

from math import ceil

from wharf.errors import Kind, NotAuthenticated, WharfError, sentence


class WrongCredentials(NotAuthenticated):
    """Unknown e-mail, wrong password, no such membership: never says which."""

    code = "wrong_credentials"
    text = sentence("Wrong e-mail or password")


class UnknownUserType(NotAuthenticated):
    code = "unknown_user_type"
    text = sentence("This type of user is not allowed")


class AccountInactive(WharfError):
    """Told only to somebody who knew the password."""

    code, kind = "account_inactive", Kind.FORBIDDEN
    text = sentence("The account is not active")


class CompanyNotNamed(WharfError):
    """An operator belongs to no company, so the log-in has to name one."""

    code, kind = "company_not_named", Kind.INVALID
    text = sentence("Name the company to log in to")


class TooManyAttempts(WharfError):
    code, kind = "too_many_attempts", Kind.TOO_MANY
    text = sentence("Too many attempts to log in, try again in %(minutes)s min.")

    def __init__(self, *, seconds: float) -> None:
        self.retry_after = ceil(seconds)
        super().__init__(minutes=ceil(seconds / 60))


class EmailWrong(WharfError):
    code, kind = "email_wrong", Kind.INVALID
    text = sentence("This is not an e-mail address")


class EmailTaken(WharfError):
    code, kind = "email_taken", Kind.INVALID
    text = sentence("A user with this e-mail exists already")


class AlreadyMember(WharfError):
    code, kind = "already_member", Kind.INVALID
    text = sentence("A manager with this e-mail exists in the company already")


class PasswordWeak(WharfError):
    """`problems` come from the validators, in the reader's language."""

    code, kind = "password_weak", Kind.INVALID
    text = sentence("The password will not do: %(problems)s")
