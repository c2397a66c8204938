"""Keys for programs: made by a person of a company, shown once, good until they are taken back or their maker leaves.

A key acts as its maker: it may what they may, and nothing after they have left. Only its digest is stored.
"""

import secrets
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.callers import Caller, find_caller
from accounts.errors import AdminsOnly, ApiKeyNotFound
from accounts.models import ApiKey
from accounts.permissions import Actor, Permission, require
from audit.recording import Target, record_in
from audit.verbs import TargetKind, Verb
from tenants.models import Company
from wharf.errors import NotAuthenticated

#: So that a scanner of secrets knows one when it sees it.
PREFIX: Final = "whk_"
MAX_NAME: Final = 80
#: A use is written down at most so often.
NOTED_EVERY: Final = timedelta(minutes=1)


@transaction.atomic
def create(*, company: Company, name: str, by: Actor) -> tuple[ApiKey, str]:
    """The row, and the key itself, which nobody can see again. Raises AdminsOnly."""
    require(by, Permission.COMPANY_MANAGE, denied=AdminsOnly)
    key = PREFIX + secrets.token_urlsafe(32)
    shown = key[: len(PREFIX) + 6]
    row = ApiKey.objects.create(
        company=company, name=name[:MAX_NAME], made_by_id=by.user_id, start=shown, digest=_digest(key)
    )
    record_in(company, Verb.KEY_MADE, _target(row), by=by)
    return row, key


def keys_of(*, company: Company, by: Actor) -> list[ApiKey]:
    """Those that are good, newest first. Raises AdminsOnly."""
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


def caller_for_key(key: str, host_company: Company | None = None) -> Caller:
    """Whose key it is. Raises NotAuthenticated, CompanyInactive."""
    row = ApiKey.objects.filter(digest=_digest(key), revoked_at=None).first() if key.startswith(PREFIX) else None
    if row is None or row.made_by_id is None:
        raise NotAuthenticated
    # Whether a subscription is needed depends on the endpoint (`accounts.views`).
    caller = find_caller(
        user_id=row.made_by_id, company_id=row.company_id, host_company=host_company, even_expired=True
    )
    _note_use(row)
    return replace(caller, actor=replace(caller.actor, key_name=row.name))


def _target(row: ApiKey) -> Target:
    return Target(TargetKind.KEY, row.pk, f"{row.name} ({row.start}…)")


def _note_use(row: ApiKey) -> None:
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - NOTED_EVERY:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)


def _digest(key: str) -> str:
    """A key is random enough that a plain digest gives nothing away."""
    return sha256(key.encode()).hexdigest()
