"""What can go wrong with people and their log-ins, each with a sentence for people."""

from math import ceil

from wharf.errors import Kind, NotAuthenticated, PermissionDenied, WharfError, sentence


class WrongCredentials(NotAuthenticated):
    """Unknown e-mail, wrong password, no such membership: never says which."""

    code = "wrong_credentials"
    text = sentence("Wrong e-mail or password")


class SecondFactorMissing(NotAuthenticated):
    """The password is right, and a code is asked for too: say it as `code` beside e-mail and password."""

    code = "second_factor_missing"
    text = sentence("Enter the code of your authenticator app too")


class SecondFactorWrong(NotAuthenticated):
    code = "second_factor_wrong"
    text = sentence("This code is wrong, or has been used already. Wait for the next one")


class SecondFactorIsOn(WharfError):
    code, kind = "second_factor_is_on", Kind.CONFLICT
    text = sentence("The log-in in two steps is on already")


class NoSecondFactor(WharfError):
    code, kind = "no_second_factor", Kind.CONFLICT
    text = sentence("The log-in in two steps is not on")


class UnknownUserType(NotAuthenticated):
    code = "unknown_user_type"
    text = sentence("This type of user is not allowed")


# -- what a socket is refused with, whose clients know these sentences (seed contract 2.2) -----------------------------
class TokenMissing(NotAuthenticated):
    code = "token_missing"
    text = sentence("No authorisation token was given")


class UserUnknown(NotAuthenticated):
    code = "user_unknown"
    text = sentence("User not found")


class ManagerUnknown(NotAuthenticated):
    code = "manager_unknown"
    text = sentence("Manager not found")


class AccountNotReady(NotAuthenticated):
    code = "account_not_ready"
    text = sentence("The account is not active or not verified")


class HandshakeFailed(NotAuthenticated):
    """A token that is not ours, has expired, or was ended by a new password."""

    code = "handshake_failed"
    text = sentence("Authentication failed")


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


class TooManyRequests(TooManyAttempts):
    """Codes, registrations, and what else is counted besides log-ins."""

    code = "too_many_requests"
    text = sentence("Too often, try again in %(minutes)s min.")


class AlreadyLoggedIn(WharfError):
    """What guests ask for, asked with a token (seed contract 1.0)."""

    code, kind = "already_logged_in", Kind.INVALID
    text = sentence("You are logged in already")


class EmailNotVerified(NotAuthenticated):
    """Told only to somebody who knew the registration's password."""

    code = "email_not_verified"
    text = sentence("The e-mail has not been verified")


class WrongCodeMode(WharfError):
    code, kind = "wrong_code_mode", Kind.INVALID
    text = sentence("Wrong mode of sending a code")


class WrongVerificationMode(WharfError):
    code, kind = "wrong_verification_mode", Kind.INVALID
    text = sentence("Wrong mode of verification")


class WrongCode(WharfError):
    """Wrong, expired, used, guessed at too often, or never sent: never says which."""

    code, kind = "wrong_code", Kind.INVALID
    text = sentence("Wrong code")


class ResetNotProven(WharfError):
    code, kind = "reset_not_proven", Kind.INVALID
    text = sentence("Confirm the code for resetting the password first")


class EmailWrong(WharfError):
    code, kind = "email_wrong", Kind.INVALID
    text = sentence("This is not an e-mail address")


class EmailTaken(WharfError):
    code, kind = "email_taken", Kind.INVALID
    text = sentence("A user with this e-mail exists already")


class AlreadyMember(WharfError):
    code, kind = "already_member", Kind.INVALID
    text = sentence("A manager with this e-mail exists in the company already")


class ManagerLimitReached(WharfError):
    """The plan's number of managers is used up; `limit` and `current` say how many (seed contract 1.0)."""

    code, kind = "manager_limit_reached", Kind.FORBIDDEN
    text = sentence("The limit on the number of managers of your plan has been reached")
    told = ("limit", "current")


class LastAdmin(WharfError):
    """For everybody but operators."""

    code, kind = "last_admin", Kind.CONFLICT
    text = sentence("The company needs an administrator. Make somebody else one first.")


class AdminsOnly(PermissionDenied):
    code = "admins_only"
    text = sentence("Access denied. Administrator rights are required")


class OperatorsOnly(PermissionDenied):
    """What a company must not decide for itself, in the sentence that the older systems' clients know."""

    code = "operators_only"
    text = AdminsOnly.text


class ManagerNotFound(WharfError):
    """No manager of this company."""

    code, kind = "manager_not_found", Kind.NOT_FOUND
    text = sentence("Manager not found")


class PersonDecides(PermissionDenied):
    """The account is the person's own, or another company's: this one cannot change how they log in."""

    code = "person_decides"
    text = sentence("This person decides on their e-mail and password themselves")


class NothingToChange(WharfError):
    code, kind = "nothing_to_change", Kind.INVALID
    text = sentence("Name at least one field to change")
    told = ("allowed_fields",)


class PasswordsMissing(WharfError):
    code, kind = "passwords_missing", Kind.INVALID
    text = sentence("The current password and a new password are required")
    told = ("required_fields",)


class WrongCurrentPassword(WharfError):
    code, kind = "wrong_current_password", Kind.INVALID
    text = sentence("Wrong current password")


class ApiKeyNotFound(WharfError):
    code, kind = "api_key_not_found", Kind.NOT_FOUND
    text = sentence("There is no such API key")


class ApiKeyExpired(NotAuthenticated):
    """Told only to who holds the key."""

    code = "api_key_expired"
    text = sentence("This API key has expired")


class KeysAreMadeByPeople(PermissionDenied):
    """A key that makes keys would outlive its own end and its own scopes."""

    code = "keys_are_made_by_people"
    text = sentence("An API key cannot make API keys. Log in as an administrator")


class KeyNameMissing(WharfError):
    code, kind = "key_name_missing", Kind.INVALID
    text = sentence("Give the key a name, so that you know it again")


class NoScopeChosen(WharfError):
    code, kind = "no_scope_chosen", Kind.INVALID
    text = sentence("Choose at least one thing that the key is for: %(scopes)s")


class KeyExpiryPast(WharfError):
    code, kind = "key_expiry_past", Kind.INVALID
    text = sentence("The key would have expired already")


class SettingsMissing(WharfError):
    code, kind = "settings_missing", Kind.INVALID
    text = sentence("Settings are required")


class LimitsMissing(WharfError):
    code, kind = "limits_missing", Kind.INVALID
    text = sentence("Limits are required")


class PasswordWeak(WharfError):
    """`problems` come from the validators, in the reader's language."""

    code, kind = "password_weak", Kind.INVALID
    text = sentence("The password will not do: %(problems)s")


class PasswordShort(PasswordWeak):
    """Most often what is wrong, so the older systems have a sentence for it (seed contract 1.3)."""

    code = "password_short"
    text = sentence("A new password must have at least 6 characters")
