"""Keys for programs: made by a person, shown once, good until they end, are taken back, or their maker leaves.

A key acts as its maker, within its scopes (`accounts.permissions`), and does nothing after they have left. Only its
digest is stored.
"""

import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.callers import Caller, find_caller
from accounts.errors import (
    AdminsOnly,
    ApiKeyExpired,
    ApiKeyNotFound,
    KeyExpiryPast,
    KeyNameMissing,
    KeysAreMadeByPeople,
    NoScopeChosen,
)
from accounts.models import ApiKey
from accounts.permissions import Actor, Permission, Scope, require, with_key
from audit.recording import Target, record_in
from audit.verbs import TargetKind, Verb
from tenants.models import Company
from wharf.compiled import Compiled
from wharf.errors import NotAuthenticated

#: So that a scanner of secrets knows one when it sees it.
PREFIX: Final = "whk_"
MAX_NAME: Final = 80
#: A use is written down at most so often.
NOTED_EVERY: Final = timedelta(minutes=1)

_KEY: Final = Compiled(lambda digest: ApiKey.objects.filter(digest=digest, revoked_at=None))


@transaction.atomic
def create(
    *,
    company: Company,
    name: str,
    by: Actor,
    scopes: Iterable[str] = tuple(Scope),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The row, and the key itself, which nobody can see again.

    Raises AdminsOnly, KeysAreMadeByPeople, KeyNameMissing, NoScopeChosen, KeyExpiryPast.
    """
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    if by.scopes is not None:
        raise KeysAreMadeByPeople
    key = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey.objects.create(
        company=company,
        name=_checked_name(name),
        made_by_id=by.user_id,
        start=key[: len(PREFIX) + 6],
        digest=_digest(key),
        scopes=_checked_scopes(scopes),
        expires_at=_checked_expiry(expires_at),
    )
    record_in(company, Verb.KEY_MADE, _target(row), by=by)
    return row, key


def _checked_name(name: str) -> str:
    if not (name := name.strip()):
        raise KeyNameMissing
    return name[:MAX_NAME]


def _checked_scopes(names: Iterable[str]) -> list[str]:
    """Each once, in the order of the table."""
    asked = set(names)
    if not asked or asked - set(Scope):
        raise NoScopeChosen(scopes=", ".join(Scope))
    return [scope.value for scope in Scope if scope in asked]


def _checked_expiry(at: datetime | None) -> datetime | None:
    if at is not None and at <= timezone.now():
        raise KeyExpiryPast
    return at


def keys_of(*, company: Company, by: Actor) -> list[ApiKey]:
    """Those that were not taken back, newest first; some may have expired. Raises AdminsOnly."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    return list(ApiKey.objects.filter(company=company, revoked_at=None).select_related("made_by").order_by("-id"))


@transaction.atomic
def revoke(*, company: Company, key_id: str, by: Actor) -> None:
    """Take a key back; it stays in the rows. Raises AdminsOnly, ApiKeyNotFound."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    rows = ApiKey.objects.filter(company=company, pk=key_id, revoked_at=None)
    if not rows.update(revoked_at=timezone.now()):
        raise ApiKeyNotFound
    record_in(company, Verb.KEY_REVOKED, _target(ApiKey.objects.get(pk=key_id)), by=by)


def find(*, company: Company, key_id: str, by: Actor) -> ApiKey:
    """One that was not taken back. Raises AdminsOnly, ApiKeyNotFound."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    row = ApiKey.objects.filter(company=company, pk=key_id, revoked_at=None).select_related("made_by").first()
    if row is None:
        raise ApiKeyNotFound
    return row


def is_key(text: str) -> bool:
    """Whether a credential says that it is a key of ours."""
    return text.startswith(PREFIX)


def caller_for_key(key: str, host_company: Company | None = None, *, even_expired: bool = False) -> Caller:
    """Whose key it is, within its scopes. `even_expired` is about the company's subscription.

    Raises NotAuthenticated, ApiKeyExpired, CompanyInactive, SubscriptionExpired.
    """
    row = _KEY.first(digest=_digest(key)) if is_key(key) else None
    if row is None or row.made_by_id is None:
        raise NotAuthenticated
    if row.expires_at is not None and row.expires_at <= timezone.now():
        raise ApiKeyExpired
    caller = find_caller(
        user_id=row.made_by_id, company_id=row.company_id, host_company=host_company, even_expired=even_expired
    )
    _note_use(row)
    return replace(caller, actor=with_key(replace(caller.actor, key_name=row.name), frozenset(map(Scope, row.scopes))))


def _target(row: ApiKey) -> Target:
    return Target(TargetKind.KEY, row.pk, f"{row.name} ({row.start}…)")


def _note_use(row: ApiKey) -> None:
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - NOTED_EVERY:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)


def _digest(key: str) -> str:
    """A key is random enough that a plain digest gives nothing away."""
    return sha256(key.encode()).hexdigest()
