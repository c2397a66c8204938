"""A second proof at the log-in: a code of an authenticator app (TOTP, RFC 6238), or a recovery code, once.

Optional, for members and operators. The secret is sealed, of recovery codes only keyed digests are kept, and each code
opens once: the step that was used last is remembered.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.errors import NoSecondFactor, OperatorsOnly, SecondFactorIsOn, SecondFactorMissing, SecondFactorWrong
from accounts.models import SecondFactor, User
from accounts.permissions import Actor
from accounts.services.people import actor_of, record_everywhere
from accounts.throttle import SECOND_FACTORS, SECOND_FACTORS_A_DAY, count_request
from audit.verbs import Verb
from wharf import seals

#: What authenticator apps show above the address.
ISSUER: Final = "Wharf"
RECOVERY_CODES: Final = 10
_PURPOSE: Final = "second factor 1"
_STEP_SECONDS: Final = 30
#: A clock may be so many steps off.
_TOLERANCE: Final = (0, -1, 1)
_DIGITS: Final = re.compile(r"[0-9]{6}")
#: No letter or digit that is read for another one.
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Offer:
    """What the app has to know: `secret` to type, `uri` to scan."""

    secret: str
    uri: str


def is_on(user: User) -> bool:
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


# -- turning it on and off -------------------------------------------------------------------------------------------
@transaction.atomic
def offer(user: User) -> Offer:
    """A secret that counts once a code of it has been said. The same until then. Raises SecondFactorIsOn."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    row = SecondFactor.objects.filter(user=user).first()
    if row is not None and row.confirmed_at:
        raise SecondFactorIsOn
    secret = _secret_of(row) if row else b""
    if not secret:
        secret = secrets.token_bytes(20)
        sealed = seals.seal(secret, purpose=_PURPOSE, about=user.pk)
        SecondFactor.objects.update_or_create(user=user, defaults={"sealed_secret": sealed})
    shown = base64.b32encode(secret).decode()
    return Offer(" ".join(re.findall(".{1,4}", shown)), _totp(secret).get_provisioning_uri(user.email, ISSUER))


def turn_on(user: User, code: str) -> Sequence[str]:
    """The recovery codes, shown only now. Raises SecondFactorWrong, SecondFactorIsOn, NoSecondFactor."""
    _count(user)
    return _turn_on(user, code)


@transaction.atomic
def _turn_on(user: User, code: str) -> Sequence[str]:
    row = _locked(user)
    if row.confirmed_at:
        raise SecondFactorIsOn
    if not _takes_app_code(row, code):
        raise SecondFactorWrong
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    row.recovery = [_digest(user, code) for code in codes]
    row.confirmed_at = timezone.now()
    row.save()
    record_everywhere(user, Verb.SECOND_FACTOR_ON, by=actor_of(user))
    return codes


def turn_off(user: User, code: str) -> None:
    """By whoever still has the app, or a recovery code. Raises NoSecondFactor, and what `check` does."""
    if not is_on(user):
        raise NoSecondFactor
    check(user, code)
    _remove(user, by=actor_of(user))


def take_away(user: User, *, by: Actor) -> None:
    """For somebody who has lost both, by an operator who knows who asks. Raises OperatorsOnly, NoSecondFactor."""
    if not by.is_operator:
        raise OperatorsOnly
    if not is_on(user):
        raise NoSecondFactor
    _remove(user, by=by)


@transaction.atomic
def _remove(user: User, *, by: Actor) -> None:
    SecondFactor.objects.filter(user=user).delete()
    record_everywhere(user, Verb.SECOND_FACTOR_OFF, by=by)


# -- at the log-in ---------------------------------------------------------------------------------------------------
def check(user: User, code: str) -> None:
    """After a right password. Nothing to do for who has none.

    Raises SecondFactorMissing (ask for it), SecondFactorWrong, TooManyRequests.
    """
    if not is_on(user):
        return
    if not code.strip():
        raise SecondFactorMissing
    _count(user)
    if not _take(user, code):
        raise SecondFactorWrong


def _count(user: User) -> None:
    """Outside any transaction: a wrong one must stay counted."""
    count_request(SECOND_FACTORS, user.pk)
    count_request(SECOND_FACTORS_A_DAY, user.pk)


@transaction.atomic
def _take(user: User, code: str) -> bool:
    row = _locked(user)
    is_right = _takes_app_code(row, code) or _takes_recovery_code(row, user, code)
    if is_right:
        row.save()
    return is_right


def _locked(user: User) -> SecondFactor:
    """Two who say one code at once take turns, and the second finds it used."""
    row = SecondFactor.objects.select_for_update().filter(user=user).first()
    if row is None:
        raise NoSecondFactor
    return row


def _takes_app_code(row: SecondFactor, said: str) -> bool:
    said = "".join(said.split())
    secret = _secret_of(row)
    if not secret or not _DIGITS.fullmatch(said):
        return False
    now = int(timezone.now().timestamp()) // _STEP_SECONDS
    for step in (now + off for off in _TOLERANCE):
        if step > row.last_step and hmac.compare_digest(_totp(secret).generate(step * _STEP_SECONDS), said.encode()):
            row.last_step = step
            return True
    return False


def _takes_recovery_code(row: SecondFactor, user: User, said: str) -> bool:
    digest = _digest(user, said)
    left = [each for each in row.recovery if not hmac.compare_digest(each, digest)]
    is_one = len(left) < len(row.recovery)
    row.recovery = left
    return is_one


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, 6, SHA1(), _STEP_SECONDS)  # noqa: S303  # what authenticator apps know (RFC 6238)


def _secret_of(row: SecondFactor) -> bytes:
    """Empty where the platform's key is another one now: then a recovery code is none either, and operators help."""
    try:
        return seals.unseal(bytes(row.sealed_secret), purpose=_PURPOSE, about=row.user_id)
    except seals.SealBroken:
        return b""


def _recovery_code() -> str:
    """About 49 bits, typed without trouble."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"


def _digest(user: User, code: str) -> str:
    plain = "".join(letter for letter in code.lower() if letter in _LETTERS)
    return salted_hmac(f"accounts.recovery_code {user.pk}", plain, algorithm="sha256").hexdigest()
