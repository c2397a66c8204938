"""New passwords: by whoever knows the old one, or has proven the address."""

from django.db import transaction

from accounts.errors import ResetNotProven, WrongCurrentPassword
from accounts.models import Purpose, User, normalise_email
from accounts.services import codes
from accounts.services.codes import Client
from accounts.services.people import actor_of, checked_password, record_password
from accounts.tasks import mail_password_changed
from accounts.throttle import CURRENT_PASSWORDS, count_request


def change(*, user: User, current: str, new: str) -> None:
    """Ends all other log-ins and tokens of the person, who is told by mail.

    Raises PasswordShort, PasswordWeak, WrongCurrentPassword, TooManyRequests.
    """
    checked_password(new, user)
    # Outside any transaction: a wrong one must stay counted.
    count_request(CURRENT_PASSWORDS, user.pk)
    if not user.check_password(current):
        raise WrongCurrentPassword
    _set(user, new)


@transaction.atomic
def reset(*, email: str, new: str, token: str, client: Client) -> None:
    """Once for a proven code, by whoever proved it or holds its `token`. Raises ResetNotProven, PasswordShort/Weak.

    From now on the account is the person's own (`User.keeper`).
    """
    email = normalise_email(email)
    proof = codes.proof(email=email, token=token, client=client)
    user = User.objects.filter(email=email, is_active=True).first()
    if proof is None or user is None:
        raise ResetNotProven
    checked_password(new, user)
    codes.use_up(email, Purpose.RESET)
    User.objects.filter(pk=user.pk).update(keeper=None)
    _set(user, new)


@transaction.atomic
def _set(user: User, password: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password", "updated_at"])
    record_password(user, by=actor_of(user))
    mail_password_changed.defer(user_id=user.pk)
