"""Requests of a company's own programs that prove by a signature who they are (seed contract 4.2, row 87).

What is signed is METHOD, address, timestamp and body, joined by colons, with a secret that the company's admins make.
Without a secret nothing is believed. Who signs may send texts and nothing else.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.callers import require_subscription
from accounts.errors import AdminsOnly
from accounts.permissions import SIGNED, Actor, Permission, require
from audit import recording as audit
from audit.verbs import Verb
from fleet.models import Placement
from tenants.context import run_in
from tenants.errors import CompanyInactive
from tenants.models import Company
from wharf import seals
from whatsapp.errors import SignatureMissing, SignatureTooOld, SignatureWrong
from whatsapp.models import InboundSecret
from whatsapp.models.inbound_secret import ONLY
from whatsapp.services import lines

#: What is sealed, for `wharf.seals`.
PURPOSE: Final = "inbound webhook secret 1"
#: So that a scanner of secrets knows one when it sees it.
PREFIX: Final = "whin_"
#: An old secret is good beside the new one for so long.
ROTATION: Final = timedelta(hours=24)
#: Clocks differ, and requests take their time.
TOLERANCE: Final = timedelta(minutes=5)
#: Timestamps above are milliseconds, as JavaScript has them.
_MOST_SECONDS: Final = 10**11
#: The company that was asked by its host name, in system B's word.
DEFAULT: Final = "default"


@dataclass(frozen=True)
class SignedRequest:
    """As it came. `address` is path and query, `signature` hexadecimal."""

    method: str
    address: str
    timestamp: str
    signature: str
    body: bytes

    @property
    def content(self) -> bytes:
        return f"{self.method}:{self.address}:{self.timestamp}:".encode() + self.body

    @property
    def digest(self) -> str:
        """The same for the same request, however its signature is spelled."""
        return hashlib.sha256(self.signature.lower().encode()).hexdigest()


# -- believing -------------------------------------------------------------------------------------------------------
def check_headers(asked: SignedRequest) -> None:
    """Raises SignatureMissing, SignatureTooOld."""
    if not asked.timestamp or not asked.signature:
        raise SignatureMissing
    stamp = asked.timestamp
    seconds = float(stamp) if stamp.isascii() and stamp.isdecimal() and len(stamp) <= 15 else 0.0
    seconds = seconds / 1000 if seconds > _MOST_SECONDS else seconds
    if abs(timezone.now().timestamp() - seconds) > TOLERANCE.total_seconds():
        raise SignatureTooOld


def company_of(asked: SignedRequest, reference: str, host_company: Company | None = None) -> Company:
    """Whose request it is: of the company that `reference` names (a session's id, or the company's), and has signed.

    Raises SignatureWrong, also where there is no such company or it has no secret; CompanyInactive and
    SubscriptionExpired are told only to who has signed.
    """
    named = _named(reference, host_company)
    company = next((one for one in named if run_in(one, _is_signed, one, asked)), None)
    if company is None:
        raise SignatureWrong
    if not company.is_active:
        raise CompanyInactive
    require_subscription(company)
    return company


def actor_for(company: Company) -> Actor:
    return Actor(user_id=None, name="inbound webhook", company_id=company.pk, role=SIGNED)


def _named(reference: str, host_company: Company | None) -> Iterator[Company]:
    if host_company is not None and reference in ("", DEFAULT):
        yield host_company
        return
    plain = reference.removeprefix(lines.PREFIX)
    found = list(Company.objects.filter(Q(pk=plain) | Q(slug=plain) | Q(external_id=plain)))
    placement = Placement.objects.select_related("company").filter(pk=reference).first()
    for company in [*found, placement.company] if placement else found:
        if host_company is None or host_company.pk == company.pk:
            yield company


def _is_signed(company: Company, asked: SignedRequest) -> bool:
    given = asked.signature.lower().encode()
    right = [hmac.digest(secret, asked.content, hashlib.sha256).hex().encode() for secret in _secrets(company)]
    return any(hmac.compare_digest(given, one) for one in right)


def _secrets(company: Company) -> list[bytes]:
    row = find()
    if row is None:
        return []
    is_double = row.previous_secret_until is not None and timezone.now() < row.previous_secret_until
    sealed = [row.sealed_secret, row.sealed_previous_secret] if is_double else [row.sealed_secret]
    return [secret for one in sealed if (secret := _opened(bytes(one), company))]


def _opened(sealed: bytes, company: Company) -> bytes:
    """Empty where the platform's key is another one now: nothing is signed with it any more."""
    try:
        return seals.unseal(sealed, purpose=PURPOSE, about=company.pk)
    except seals.SealBroken:
        return b""


# -- the secret ------------------------------------------------------------------------------------------------------
def find() -> InboundSecret | None:
    return InboundSecret.objects.filter(pk=ONLY).first()


def look(*, by: Actor) -> InboundSecret | None:
    """None while nothing signed is believed. Raises AdminsOnly."""
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    return find()


@transaction.atomic
def rotate(*, company: Company, by: Actor) -> tuple[InboundSecret, str]:
    """A new secret, shown only now; the one before is good for another day. Raises AdminsOnly."""
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    Company.objects.select_for_update(no_key=True).get(pk=company.pk)
    before, now = find(), timezone.now()
    is_good = before is not None and bool(_opened(bytes(before.sealed_secret), company))
    secret = PREFIX + secrets.token_urlsafe(32)
    row, _ = InboundSecret.objects.update_or_create(
        pk=ONLY,
        defaults={
            "sealed_secret": seals.seal(secret.encode(), purpose=PURPOSE, about=company.pk),
            "sealed_previous_secret": before.sealed_secret if before and is_good else b"",
            "previous_secret_until": now + ROTATION if is_good else None,
            "created_by_id": by.user_id,
            "created_at": now,
        },
    )
    audit.record(Verb.INBOUND_SECRET_ROTATED, audit.company(company), by=by)
    return row, secret


@transaction.atomic
def remove(*, company: Company, by: Actor) -> None:
    """From now on nothing signed is believed, said twice too. Raises AdminsOnly."""
    require(by, Permission.WEBHOOK_MANAGE, denied=AdminsOnly)
    deleted, _ = InboundSecret.objects.all().delete()
    if deleted:
        audit.record(Verb.INBOUND_SECRET_REMOVED, audit.company(company), by=by)
