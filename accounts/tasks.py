"""Mails, sent by jobs that were queued with the rows they tell of, and housekeeping. All may run twice without harm.

A job knows ids alone: no code, no address, no password is in the queue. A mail server that is away loses nothing; what
is no longer worth sending when it is back is not sent.
"""

from datetime import timedelta
from typing import Final

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from accounts import mails, throttle
from accounts.models import EmailCode, Membership, Purpose, Registration, User
from accounts.services import codes

#: 2, 4, 8 ... seconds: for about nine hours.
RETRY: Final = RetryStrategy(max_attempts=14, exponential_wait=2)
MINUTES: Final = int(codes.LIFETIME.total_seconds() // 60)
CODES_KEPT: Final = timedelta(days=1)
#: How long somebody may take to find the mail.
REGISTRATIONS_KEPT: Final = timedelta(days=7)


@app.task(retry=RETRY)
def mail_code(code_id: str) -> None:
    """The code, or what its address is told instead, or nothing: only here it is looked up who has an account."""
    code = EmailCode.objects.select_related("registration").filter(pk=code_id).first()
    if code is None or not codes.is_open(code):
        return
    user = User.objects.filter(email=code.email).first()
    if code.purpose == Purpose.RESET and user is not None and user.is_active:
        mails.code_to_reset(code, codes.digits(code), MINUTES).send()
    elif code.purpose == Purpose.REGISTER and user is not None:
        mails.known_already(code).send()
    elif code.registration is not None:
        mails.code_to_register(code, codes.digits(code), MINUTES).send()


@app.task(retry=RETRY)
def mail_password_changed(user_id: str) -> None:
    user = User.objects.get(pk=user_id)
    first = Membership.objects.select_related("company").filter(user=user).order_by("created_at").first()
    mails.password_changed(user, user.language or (first.company.language if first else "")).send()


@app.task(retry=RETRY)
def mail_welcome(membership_id: str, is_invited: bool = False) -> None:
    """`is_invited`: nobody has said a password for them."""
    membership = Membership.objects.select_related("user", "company").filter(pk=membership_id).first()
    if membership is not None:
        mails.welcome(membership, is_invited=is_invited).send()


@app.periodic(cron="23 3 * * *")
@app.task(queueing_lock="forget_codes_and_registrations")
def forget_codes_and_registrations(timestamp: int) -> None:
    """What nobody can use any more."""
    EmailCode.objects.filter(created_at__lt=timezone.now() - CODES_KEPT).delete()
    Registration.objects.filter(created_at__lt=timezone.now() - REGISTRATIONS_KEPT).delete()
    throttle.forget_old()
