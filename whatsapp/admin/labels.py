"""What people read for the names of things and of their fields, on both sites of the admin.

They stand here and not in the models: a word that is written on a model is a migration of every company's schema, and
the fleet's rows have no readers but these. Django takes what is set here wherever it would take the model's own.
"""

from typing import Any, Final

from django.apps import apps
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import ApiKey, Membership, User
from audit.models import Entry
from fleet.models import Dispatcher, EndpointPlacement, Placement, Trouble, Worker
from tenants.models import Company, Domain
from whatsapp.models import Session, WebhookEndpoint

#: By field.
Words = dict[str, Promise]

#: One of it, and several.
NAMES: Final[dict[type[Model], tuple[Promise, Promise]]] = {
    ApiKey: (_("API key"), _("API keys")),
    Company: (_("company"), _("companies")),
    Dispatcher: (_("dispatcher of webhooks"), _("dispatchers of webhooks")),
    Domain: (_("host name"), _("host names")),
    EndpointPlacement: (_("webhook"), _("webhooks")),
    Entry: (_("audit entry"), _("audit")),
    Membership: (_("membership"), _("people")),
    Placement: (_("number"), _("numbers")),
    ProcrastinateJob: (_("background job"), _("background jobs")),
    Session: (_("number"), _("numbers")),
    Trouble: (_("trouble"), _("troubles")),
    User: (_("person"), _("people")),
    WebhookEndpoint: (_("webhook"), _("webhooks")),
    Worker: (_("worker"), _("workers")),
}

_MADE: Final[Words] = {"created_at": _("created")}
_PROCESS: Final[Words] = {
    "name": _("name"),
    "pid": _("process"),
    "started_at": _("started"),
    "lease_until": _("vouches until"),
    "stopped_at": _("stopped"),
}
FIELDS: Final[dict[type[Model], Words]] = {
    ApiKey: {
        **_MADE, "name": _("name"), "expires_at": _("good until"), "last_used_at": _("last used"),
        "revoked_at": _("taken back"),
    },
    Company: {
        **_MADE, "id": _("id"), "name": _("name"), "slug": _("short name"), "is_active": _("active"),
        "external_id": _("id in another system"), "language": _("language"), "timezone": _("time zone"),
        "currency": _("currency"), "subscription_plan": _("plan"), "subscription_status": _("subscription"),
        "subscription_expires_at": _("subscription until"), "max_sessions": _("numbers at most"),
        "max_managers": _("managers at most"), "max_agents": _("agents at most"),
        "max_monthly_calls": _("calls a month at most"), "sandbox_allowed": _("sandbox allowed"),
        "schema_name": _("schema"),
    },
    Dispatcher: _PROCESS,
    Domain: {"domain": _("host name"), "tenant": _("company"), "is_primary": _("main one")},
    EndpointPlacement: {
        "endpoint_id": _("webhook"), "company": _("company"), "is_active": _("on"), "owner": _("dispatcher"),
        "fence": _("fence"), "work": _("wake-ups"),
    },
    Entry: {"at": _("when"), "key_name": _("API key"), "address": _("address")},
    Membership: {
        **_MADE, "company": _("company"), "user": _("person"), "role": _("role"), "last_seen_at": _("last here"),
    },
    Placement: {
        "session_id": _("id"), "company": _("company"), "network": _("network"), "since": _("since"),
        "next_retry_at": _("next attempt"), "attempts": _("failed attempts in a row"),
        "evidence_at": _("sign of life"), "device_jid": _("linked device"), "snapshot_at": _("keys kept at"),
        "owner": _("worker"), "fence": _("fence"), "queued": _("texts that wait"), "due_since": _("oldest due since"),
    },
    ProcrastinateJob: {
        "id": _("id"), "task_name": _("task"), "attempts": _("attempts"), "scheduled_at": _("not before"),
        "args": _("about"),
    },
    Session: _MADE,
    Trouble: {
        "id": _("id"), "about": _("about"), "cause": _("cause"), "subject": _("what it happened to"),
        "is_warning": _("a warning only"), "began_at": _("began"), "nudged_at": _("reconnected at"),
        "told_at": _("told at"), "ended_at": _("ended"), "advised_at": _("advised at"),
        "end_told_at": _("end told at"), "seen": _("seen in a row"), "missed": _("missed in a row"),
    },
    User: {
        **_MADE, "id": _("id"), "updated_at": _("changed"), "email": _("e-mail"), "first_name": _("first name"),
        "last_name": _("last name"), "language": _("language"), "is_active": _("active"),
        "is_superuser": _("operator of the platform"), "last_login": _("last log-in"),
        "keeper": _("company that keeps the account"),
    },
    WebhookEndpoint: {**_MADE, "url": _("address"), "description": _("description")},
    Worker: {
        **_PROCESS, "id": _("id"), "capacity": _("room for numbers"), "store_id": _("disk"),
        "unbroken_since": _("without a gap since"), "lost_after": _("disk counts as lost after, seconds"),
        "repack_asked_at": _("asked to re-pack at"),
    },
}  # fmt: skip


def apply() -> None:
    apps.get_app_config("procrastinate").verbose_name = _("Background jobs")
    for model, (one, several) in NAMES.items():
        options: Any = model._meta
        options.verbose_name, options.verbose_name_plural = one, several
        for field, words in FIELDS[model].items():
            options.get_field(field).verbose_name = words
