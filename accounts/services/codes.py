"""Six digits in a mail that prove an address: asked for, guessed at a few times, right once.

A code is made from its row's id and the platform's key, and stands nowhere: not in the database, not in a job, not in a
log. What is asked for an address without an account costs the same and is answered the same; whether there is anything
to send is found out by the job that would send it (`accounts.tasks`).
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone, translation
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import EmailCode, Purpose, Registration
from accounts.throttle import (
    CODES_PER_ADDRESS,
    CODES_PER_EMAIL,
    CODES_PER_EMAIL_AND_ADDRESS,
    GUESSES_PER_ADDRESS,
    count_request,
)

LIFETIME: Final = timedelta(minutes=15)
#: For all that was sent to the address; the fifth wrong one ends a code.
MOST_GUESSES: Final = 5
#: Whoever has proven the address has this long to say the new password.
PROOF_LIFETIME: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Client:
    """Where a request comes from: `address` as the server sees it, `agent` as the program calls itself."""

    address: str
    agent: str

    @property
    def digest(self) -> str:
        return sha256(f"{self.address}\n{self.agent}".encode()).hexdigest()


def ask(*, email: str, purpose: Purpose, client: Client) -> EmailCode:
    """A code for `email`, which is in one case already. Raises TooManyRequests."""
    count_request(CODES_PER_EMAIL_AND_ADDRESS, email, client.address)
    count_request(CODES_PER_ADDRESS, client.address)
    count_request(CODES_PER_EMAIL, email)
    return EmailCode.objects.create(
        email=email,
        purpose=purpose,
        registration=_registration_for(email, client) if purpose == Purpose.REGISTER else None,
        language=translation.get_language() or "",
    )


def _registration_for(email: str, client: Client) -> Registration | None:
    """The one that was asked for from there, else the latest: somebody else's must not be what a code is for."""
    latest = Registration.objects.filter(email=email).order_by("-created_at", "-pk")
    return latest.filter(client=client.digest).first() or latest.first()


def digits(code: EmailCode) -> str:
    """What the mail says."""
    number = int(salted_hmac("accounts.email_code", code.pk, algorithm="sha256").hexdigest(), 16)
    return f"{number % 1_000_000:06d}"


def reset_token(code: EmailCode) -> str:
    """What proves the proof to whoever comes from another address later."""
    return salted_hmac("accounts.reset_token", code.pk, algorithm="sha256").hexdigest()


@transaction.atomic
def prove(*, email: str, purpose: Purpose, guess: str, client: Client) -> EmailCode | None:
    """The code that `guess` is, which it cannot be again; None for a wrong one, which counts. Raises TooManyRequests.

    The caller must let a wrong one commit.
    """
    count_request(GUESSES_PER_ADDRESS, client.address)
    # Locked in one order: guesses at once take turns.
    rows = list(_open(email, purpose).select_for_update().order_by("pk"))
    code = next((row for row in rows if constant_time_compare(digits(row), guess)), None)
    if code is None:
        _open(email, purpose).update(guesses=F("guesses") + 1)
        return None
    code.proven_at, code.proven_by = timezone.now(), client.digest
    code.save(update_fields=["proven_at", "proven_by"])
    return code


def _open(email: str, purpose: Purpose) -> QuerySet[EmailCode]:
    return EmailCode.objects.filter(
        email=email,
        purpose=purpose,
        proven_at=None,
        used_at=None,
        guesses__lt=MOST_GUESSES,
        created_at__gt=timezone.now() - LIFETIME,
    )


def is_open(code: EmailCode) -> bool:
    """Whether it is still worth sending."""
    return _open(code.email, Purpose(code.purpose)).filter(pk=code.pk).exists()


def proof(*, email: str, token: str, client: Client) -> EmailCode | None:
    """A proven, unused code for a reset, locked: by its token, or by who proved it. Needs a transaction."""
    proven = EmailCode.objects.select_for_update().filter(
        email=email, purpose=Purpose.RESET, used_at=None, proven_at__gt=timezone.now() - PROOF_LIFETIME
    )
    for row in proven.order_by("pk"):
        expected, said = (reset_token(row), token) if token else (row.proven_by, client.digest)
        if constant_time_compare(expected, said):
            return row
    return None


def use_up(email: str, purpose: Purpose) -> None:
    """All that were sent to the address: one is enough."""
    EmailCode.objects.filter(email=email, purpose=purpose, used_at=None).update(used_at=timezone.now())
