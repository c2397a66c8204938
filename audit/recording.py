"""Writing a deed down, in the transaction that does it: both are there, or neither is.

Called by services, inside the company (`record`) or from outside of it (`record_in`); never by pages or views, so there
is no way in that goes past it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from django.db import connection, transaction
from django.utils import timezone
from django_tenants.utils import get_public_schema_name

from audit.models import Entry
from audit.verbs import ActorKind, TargetKind, Verb
from tenants.context import run_in
from tenants.models import Company
from wharf.clients import client_address

#: What the columns hold of a name.
_LONGEST: Final = 160


class Doer(Protocol):
    """Who did it, as `accounts.permissions.Actor` says it."""

    @property
    def user_id(self) -> str | None: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> ActorKind: ...
    @property
    def key_name(self) -> str: ...


@dataclass(frozen=True)
class Target:
    """What it was done to, with its name of now."""

    kind: TargetKind
    id: str
    name: str = ""
    session_id: str = ""


Changes = Mapping[str, tuple[object, object]]


def session(session_id: str, name: str) -> Target:
    return Target(TargetKind.SESSION, session_id, name, session_id)


def person(user_id: str, name: str, session_id: str = "") -> Target:
    return Target(TargetKind.PERSON, user_id, name, session_id)


def chat(chat_id: str, name: str, session_id: str) -> Target:
    return Target(TargetKind.CHAT, chat_id, name, session_id)


def message(message_id: str, chat_name: str, session_id: str) -> Target:
    """By the chat that it is in; what it says is nobody's here."""
    return Target(TargetKind.MESSAGE, message_id, chat_name, session_id)


def company(of: Company) -> Target:
    return Target(TargetKind.COMPANY, of.pk, of.name)


def record(verb: Verb, target: Target, *, by: Doer, changes: Changes | None = None) -> None:
    """Add the row to the company whose schema is entered. `changes` is `{field: (before, after)}`."""
    with connection.cursor() as cursor:
        cursor.execute(*statement(verb, target, by=by, changes=changes))


def statement(
    verb: Verb, target: Target, *, by: Doer, changes: Changes | None = None, once: str | None = None
) -> tuple[str, list[Any]]:
    """What `record` says to the database, for who sends it together with other statements (`wharf.sql.together`)."""
    _require_company()
    values = _values(verb, target, by, changes) | {"once": once}
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    sql = f"INSERT INTO audit_entry ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608  # our names
    return sql, list(values.values())


def record_in(company: Company, verb: Verb, target: Target, *, by: Doer, changes: Changes | None = None) -> None:
    """`record`, from outside of the company."""
    run_in(company, record, verb, target, by=by, changes=changes)


def record_once(verb: Verb, target: Target, *, by: Doer, every: timedelta) -> None:
    """`record`, but one row at most for each doer, target and stretch of time (counted from the epoch)."""
    stretch = int(timezone.now().timestamp() // every.total_seconds())
    once = f"{verb} {by.kind} {by.user_id or ''} {target.id} {stretch}"
    with connection.cursor() as cursor:
        cursor.execute(*statement(verb, target, by=by, once=once))


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """What of `after` is another value than in `before`."""
    return {name: (before.get(name), value) for name, value in after.items() if before.get(name) != value}


def _require_company() -> None:
    if connection.schema_name == get_public_schema_name():  # type: ignore[attr-defined]  # django-tenants' own
        raise RuntimeError("an audit row belongs to a company: enter it, or say which one (`record_in`)")


def _values(verb: Verb, target: Target, by: Doer, changes: Changes | None) -> dict[str, Any]:
    plain = {name: [_plain(value) for value in pair] for name, pair in (changes or {}).items()}
    return {
        "at": timezone.now(),
        "verb": verb.value,
        "actor_kind": by.kind.value,
        "actor_id": by.user_id or "",
        "actor_name": by.name[:_LONGEST],
        "key_name": by.key_name,
        "target_kind": target.kind.value,
        "target_id": target.id,
        "target_name": target.name[:_LONGEST],
        "session_id": target.session_id,
        "changes": json.dumps(plain),
        "address": client_address(),
    }


def _plain(value: object) -> object:
    """As JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


# -- forgetting ------------------------------------------------------------------------------------------------------
@transaction.atomic
def forget(*, days: int) -> int:
    """Delete what is older, where somebody has set how long it is kept (0: for ever); how many rows."""
    _require_company()
    if days <= 0:
        return 0
    with connection.cursor() as cursor:
        # Until the end of this transaction the trigger lets rows go that are old.
        cursor.execute("SET LOCAL wharf.audit_forgets = 'yes'")
    deleted, _ = Entry.objects.filter(at__lt=timezone.now() - timedelta(days=days)).delete()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL wharf.audit_forgets = ''")
    return deleted
