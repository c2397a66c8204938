"""Nobody sees or changes what is not theirs: every address, every method, every kind of stranger.

The addresses are Django's own list. An address that the tables below do not know fails, so whoever adds one has to
say here what strangers get. Each test checks the answer, that nothing of acme stands in it, and that acme's rows are
as they were.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone
from django_tenants.utils import tenant_context
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import ApiKey, Membership, Role, User
from accounts.permissions import SYSTEM, Rights
from accounts.services import api_keys
from accounts.services.people import create_member
from audit.models import Entry
from config.asgi import application
from fleet import invitations
from fleet.models import EndpointPlacement, Placement
from tenants.context import arun_in, run_in
from tenants.domains import save_domain
from tenants.models import Company
from tenants.provisioning import create_company
from tests.people import Person, client_for, make_operator, make_person
from tests.socketio.raw import Raw
from tests.sockets import Socket
from tests.whatsapp.desk import NOON, Desk, text
from wharf import seals
from whatsapp.engine.port import (
    ChallengeIssued,
    Connected,
    ConnectionLost,
    Media,
    Preview,
    ReactionReceived,
    TypingSeen,
)
from whatsapp.engine.port import Person as Party
from whatsapp.models import (
    Chat,
    DeadLetter,
    Delivery,
    Event,
    InboundSecret,
    ManagerAccess,
    Message,
    Pacing,
    Reaction,
    Session,
    Transition,
    WebhookEndpoint,
    WebhookLane,
)
from whatsapp.models import Media as Brought
from whatsapp.office import office
from whatsapp.routing import websocket_urlpatterns
from whatsapp.services import access, sessions, signed, typing
from whatsapp.services.deliveries import SECRET
from whatsapp.socketio.calls import CALLS
from whatsapp.socketio.server import SocketIO

pytestmark = pytest.mark.django_db

#: What must never be in an answer to a stranger.
NUMBER: Final = "4915559990001"
OTHER: Final = "4917770000001"
EVERYTHING: Final = Rights(can_read=True, can_write=True, can_manage_chats=True)
BOB: Final = Party(pn="4915559990002", lid="99000000009999", name="Bobwhoisacmes")
SECRETS: Final = (NUMBER, BOB.pn, BOB.lid, BOB.name, "Acmesfrontdesk", "Acmesquestion", "Acmesprofile", "2@acmescode")
#: What is never told live anyway.
ALL_SECRETS: Final = (
    *SECRETS, "Acmeshook", "Acmesinviter", "Acmesresponse", "Acmesletter", "Acmeskey",
    "Acmespicture",
)  # fmt: skip
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


# -- the scene -------------------------------------------------------------------------------------------------------
@dataclass
class Scene:
    """Acme has a linked session with a chat, and a manager with a grant. Strangers have sessions of their own."""

    acme: Company
    desk: Desk
    ids: dict[str, str]
    people: dict[str, Person]
    #: Acme's ids inside a session that the stranger may use.
    smuggled: dict[str, dict[str, str]]

    def rows(self) -> list[object]:
        """All that acme has and that somebody could have changed."""
        return [*run_in(self.acme, _rows), *_shared_rows(self.acme, self.ids["manager_id"])]

    @classmethod
    def set(cls, acme: Company, globex: Company) -> "Scene":
        granted = make_person(acme, Role.MANAGER)
        people = {
            "globex admin": make_person(globex, Role.ADMIN),
            "globex manager": make_person(globex, Role.MANAGER),
            "ungranted manager": make_person(acme, Role.MANAGER),
            "revoked manager": make_person(acme, Role.MANAGER),
            "neighbour": make_person(acme, Role.MANAGER),
        }
        with tenant_context(acme):
            desk, ids = _acmes(acme, granted, people["revoked manager"])
        with tenant_context(globex):
            smuggled = {"globex admin": ids | {"session_id": Desk.open(globex, OTHER, "Globexdesk").session_id}}
        with tenant_context(acme):
            smuggled["neighbour"] = ids | {"session_id": _neighbours(acme, people["neighbour"])}
        return cls(acme, desk, ids, people, smuggled)


def _neighbours(acme: Company, manager: Person) -> str:
    """Another number of acme's, which the manager may use in every way."""
    desk = Desk.open(acme, OTHER, "Nextdesk")
    access.grant(company=acme, session_id=desk.session_id, manager_id=manager.user.pk, rights=EVERYTHING, by=SYSTEM)
    return desk.session_id


def _acmes(acme: Company, granted: Person, revoked: Person) -> tuple[Desk, dict[str, str]]:
    desk = Desk.open(acme, number=NUMBER, name="Acmesfrontdesk", profile="Acmesprofile")
    brought = Media(preview=Preview(b"Acmespicture", 1, 1))
    desk.tell(replace(text("Acmesquestion", peer=BOB), media=brought), reaction("👍"))
    # As if somebody had just looked at the code again.
    Session.objects.update(qr="2@acmescode", qr_expires_at="2999-01-01T00:00Z")
    sharing = {"company": acme, "session_id": desk.session_id, "by": SYSTEM}
    for person in (granted, revoked):
        access.grant(manager_id=person.user.pk, rights=EVERYTHING, **sharing)  # type: ignore[arg-type]
    access.revoke(manager_id=revoked.user.pk, **sharing)  # type: ignore[arg-type]
    message = Message.objects.get()
    endpoint, delivery = _endpoint(acme)
    invitation, _ = invitations.make(
        company_id=acme.pk, session_id=desk.session_id, lifetime=timedelta(days=1), by_id="", by_name="Acmesinviter"
    )
    event = Event.objects.get(kind="message.new")
    key, _ = api_keys.create(company=acme, name="Acmeskey", by=SYSTEM)
    signed.rotate(company=acme, by=SYSTEM)
    return desk, {
        "endpoint_id": endpoint,
        "delivery_id": delivery,
        "event_id": event.id,
        "key_id": key.pk,
        "session_id": desk.session_id,
        "chat_id": message.chat_id,
        "message_id": message.pk,
        "manager_id": granted.user.pk,
        "invitation_id": invitation.pk,
    }


def reaction(emoji: str) -> ReactionReceived:
    """The number's own, so that a stranger's would take its place."""
    return ReactionReceived("IN-Acmesquestion", NOON + 1, True, "", BOB, Party(pn=NUMBER), emoji)


def _endpoint(acme: Company) -> tuple[str, str]:
    """A webhook endpoint of acme's, whose receiver has taken one event and refused another."""
    row = WebhookEndpoint(url="https://hooks.example.com/acme", description="Acmeshook", cursor=1)
    row.sealed_secret = seals.seal(b"secret", purpose=SECRET, about=row.pk)
    row.save(force_insert=True)
    EndpointPlacement.objects.create(endpoint_id=row.pk, company=acme)
    about = {"event_id": "E", "event_kind": "message.new", "endpoint": row}
    tried = {"attempt": 1, "is_delivered": True, "duration": 1, "at": timezone.now(), "response": "Acmesresponse"}
    delivery = Delivery.objects.create(**about, **tried)
    died = {"body": {"cursor": "1", "text": "Acmesletter"}, "attempts": 9, "died_at": timezone.now()}
    DeadLetter.objects.create(**about, **died)
    return row.pk, str(delivery.pk)


def _rows() -> list[object]:
    theirs = (Session, Chat, Message, Brought, Reaction, ManagerAccess, Transition, Pacing)
    models = (*theirs, InboundSecret, WebhookEndpoint, WebhookLane, Delivery, DeadLetter)
    rows: list[object] = [list(model.objects.order_by("pk").values()) for model in models]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT session_id, wanted, state, device_jid, work FROM fleet_placement "
            "WHERE session_id IN (SELECT id FROM whatsapp_session) ORDER BY session_id"
        )
        placements = cursor.fetchall()
        cursor.execute(
            "SELECT * FROM fleet_linkinvitation WHERE session_id IN (SELECT id FROM whatsapp_session) ORDER BY id"
        )
        return [*rows, placements, cursor.fetchall()]


def _shared_rows(acme: Company, manager_id: str) -> list[object]:
    memberships = Membership.objects.filter(company=acme, user=manager_id).values()
    plans = Company.objects.filter(pk=acme.pk).values()
    keys = ApiKey.objects.filter(company=acme).values()
    return [list(rows) for rows in (plans, memberships, keys, User.objects.filter(pk=manager_id).values())]


@pytest.fixture
def scene(acme: Company, globex: Company) -> Iterator[Scene]:
    scene = Scene.set(acme, globex)
    before = scene.rows()
    yield scene
    assert scene.rows() == before, "a stranger changed something of acme's"


# -- the addresses ---------------------------------------------------------------------------------------------------
def walk(patterns: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield address, pattern.callback
        else:
            yield from walk(pattern.url_patterns, address)


ROUTES: Final = dict(walk(get_resolver().url_patterns))


def filled(route: str, ids: dict[str, str]) -> str:
    """The path that a route's pattern stands for."""
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route).replace("^", "").replace("$", "").replace("\\Z", "")
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids.get(found[1], "x"), plain)


def api_methods(view: Any) -> set[str]:
    return {name for name in METHODS if hasattr(view.cls, name.lower()) and name not in ("OPTIONS", "HEAD")}


# -- the tables ------------------------------------------------------------------------------------------------------
Statuses = dict[str, int]

#: Foreign ids are unknown; a colleague without the right is told so.
FOREIGN: Final[Statuses] = {
    "globex admin": 404,
    "globex manager": 404,
    "ungranted manager": 403,
    "revoked manager": 403,
    "neighbour": 403,
}
#: Everybody gets their own, which is nothing of acme's.
OWN: Final[Statuses] = dict.fromkeys(FOREIGN, 200)
#: What admins do for their own company.
ADMINS: Final[Statuses] = {**dict.fromkeys(FOREIGN, 403), "globex admin": 200}


@dataclass(frozen=True)
class Call:
    """How to call it (values in braces are acme's ids), and what strangers who are known get."""

    body: dict[str, Any] = field(default_factory=dict)
    statuses: Statuses = field(default_factory=lambda: FOREIGN)

    def filled(self, ids: dict[str, str]) -> dict[str, Any]:
        return {name: _filled_in(value, ids) for name, value in self.body.items()}


def _filled_in(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled_in(each, ids) for each in value]
    return value.format(**ids) if isinstance(value, str) else value


#: Another company's managers are unknown; one's own are for admins.
NEVER: Final[Statuses] = {**dict.fromkeys(FOREIGN, 403), "globex admin": 404}
MANAGER: Final = {"email": "new@globex.test", "firstName": "New", "lastName": "One", "password": "harbour-lights-8"}
TEXT: Final = {"message": "Hello", "phone": "+4915551112233"}
REACTION: Final = {"phone": f"+{BOB.pn}", "emoji": "🎉", "messageId": "{message_id}", "companyId": "{session_id}"}
_S: Final = "api/whatsapp/sessions/<str:session_id>"
_W: Final = "api/whatsapp/webhooks/<str:endpoint_id>"

API: Final[dict[str, dict[str, Call]]] = {
    "api/auth/me": {"GET": Call(statuses=OWN)},
    "api/auth/profile": {"PUT": Call({"firstName": "Somebody"}, OWN)},
    "api/auth/change-password": {"PUT": Call(statuses=dict.fromkeys(FOREIGN, 400))},
    "api/company/info": {"GET": Call(statuses=OWN)},
    "api/company/settings": {"PUT": Call({"settings": {"currency": "EUR"}}, ADMINS)},
    "api/company/usage": {"GET": Call(statuses=OWN)},
    "api/company/limits": {"PUT": Call({"limits": {"max_managers": 99}}, dict.fromkeys(FOREIGN, 403))},
    "api/company/users": {"GET": Call(statuses=OWN)},
    "api/company/api-keys": {
        "GET": Call(statuses=ADMINS),
        "POST": Call({"name": "Mine"}, {**ADMINS, "globex admin": 201}),
    },
    "api/company/api-keys/<str:key_id>": {"DELETE": Call(statuses=NEVER)},
    "api/audit": {"GET": Call(statuses=ADMINS)},
    "api/managers": {"GET": Call(statuses=ADMINS), "POST": Call(MANAGER, {**ADMINS, "globex admin": 201})},
    "api/managers/": {"GET": Call(statuses=ADMINS), "POST": Call(MANAGER, {**ADMINS, "globex admin": 400})},
    "api/managers/<str:manager_id>": {
        "GET": Call(statuses=NEVER),
        "PUT": Call({"email": "stolen@globex.test", "firstName": "Stolen", "password": "stolen-harbour-9"}, NEVER),
        "DELETE": Call(statuses=NEVER),
    },
    "api/whatsapp/sessions": {"GET": Call(statuses=OWN), "POST": Call({"name": "Mine"}, ADMINS)},
    "api/whatsapp/metrics": {"GET": Call(statuses=OWN)},
    _S: {"GET": Call(), "PATCH": Call({"name": "Stolen"}), "DELETE": Call()},
    f"{_S}/initialize": {"POST": Call()},
    f"{_S}/status": {"GET": Call()},
    f"{_S}/health": {"GET": Call()},
    f"{_S}/diagnostics": {"GET": Call()},
    f"{_S}/reconnect": {"POST": Call()},
    f"{_S}/send": {"POST": Call(TEXT)},
    "api/whatsapp/sessions/cleanup": {"POST": Call(statuses=ADMINS)},
    "api/whatsapp/stats": {"GET": Call(statuses=OWN)},
    "api/whatsapp/events": {"GET": Call(statuses=OWN)},
    "api/whatsapp/inbound-webhook": {"GET": Call(statuses=ADMINS), "DELETE": Call(statuses=ADMINS)},
    "api/whatsapp/inbound-webhook/rotate-secret": {"POST": Call(statuses=ADMINS)},
    "api/whatsapp/webhooks": {
        "GET": Call(statuses=ADMINS),
        # Nobody answers there; what is told of an address is the same for everybody.
        "POST": Call({"url": "http://127.0.0.1:9/"}, {**ADMINS, "globex admin": 400}),
    },
    _W: {"GET": Call(statuses=NEVER), "PATCH": Call({"description": "Stolen"}, NEVER), "DELETE": Call(statuses=NEVER)},
    f"{_W}/rotate-secret": {"POST": Call(statuses=NEVER)},
    f"{_W}/test": {"POST": Call(statuses=NEVER)},
    f"{_W}/deliveries": {"GET": Call(statuses=NEVER)},
    f"{_W}/deliveries/<int:delivery_id>/redeliver": {"POST": Call(statuses=NEVER)},
    f"{_W}/replay": {"POST": Call({"ids": ["{message_id}"]}, NEVER)},
    f"{_W}/dead-letters": {"GET": Call(statuses=NEVER)},
    f"{_S}/start": {"POST": Call()},
    f"{_S}/pause": {"POST": Call()},
    f"{_S}/unlink": {"POST": Call()},
    f"{_S}/archive": {"POST": Call()},
    f"{_S}/disconnect": {"POST": Call()},
    f"{_S}/qr": {"GET": Call()},
    f"{_S}/pairing-code": {"GET": Call(), "POST": Call({"phoneNumber": "+4915551112233"})},
    f"{_S}/transitions": {"GET": Call()},
    f"{_S}/access": {"GET": Call(), "POST": Call({"managerId": "{manager_id}"})},
    f"{_S}/access/<str:manager_id>": {"DELETE": Call()},
    f"{_S}/managers": {"GET": Call(), "POST": Call({"managerId": "{manager_id}"})},
    f"{_S}/managers/<str:manager_id>": {"DELETE": Call()},
    f"{_S}/messages": {"POST": Call(TEXT)},
    f"{_S}/messages/batch": {"POST": Call({"messages": [TEXT]})},
    f"{_S}/messages/<str:message_id>": {"GET": Call()},
    f"{_S}/messages/<str:message_id>/preview": {"GET": Call()},
    f"{_S}/messages/<str:message_id>/reaction": {"POST": Call({"emoji": "🎉"})},
    "api/whatsapp/reaction": {"POST": Call(REACTION)},
    f"{_S}/messages/<str:message_id>/cancel": {"POST": Call()},
    f"{_S}/queue": {"GET": Call()},
    f"{_S}/queue/pause": {"POST": Call()},
    f"{_S}/queue/resume": {"POST": Call()},
    f"{_S}/queue/pace": {"PUT": Call({"minGap": 5, "maxGap": 9})},
    f"{_S}/chats": {"GET": Call()},
    f"{_S}/chats/<str:chat_id>": {"GET": Call(), "PATCH": Call({"chatName": "Stolen"})},
    f"{_S}/chats/<str:chat_id>/messages": {"GET": Call(), "POST": Call(TEXT)},
    f"{_S}/chats/<str:chat_id>/send": {"POST": Call(TEXT)},
    f"{_S}/chats/<str:chat_id>/read": {"POST": Call()},
    f"{_S}/chats/<str:chat_id>/typing": {"POST": Call({"typing": True})},
    f"{_S}/chats/<str:chat_id>/watching": {"POST": Call()},
    "api/whatsapp/websocket/config": {"GET": Call(statuses=OWN)},
}
_G: Final = "webhook/whatsapp/baileys"

API.update(
    {
        f"{_G}/status": {"GET": Call(statuses=OWN)},
        f"{_G}/status/<str:session_id>": {"GET": Call()},
        f"{_G}/qr": {"GET": Call(statuses=OWN)},
        f"{_G}/qr/<str:session_id>": {"GET": Call()},
        f"{_G}/sessions": {"GET": Call(statuses=OWN)},
        f"{_G}/init/<str:session_id>": {"POST": Call()},
        f"{_G}/disconnect/<str:session_id>": {"POST": Call()},
        f"{_G}/reconnect/<str:session_id>": {"POST": Call()},
        f"{_G}/health/<str:session_id>": {"GET": Call()},
        f"{_G}/diagnostics/<str:session_id>": {"GET": Call()},
        f"{_G}/metrics": {"GET": Call(statuses=OWN)},
        f"{_G}/send": {"POST": Call(TEXT | {"companyId": "{session_id}"})},
    }
)
#: With a session of one's own and acme's ids inside it; the rest of the API then is one's own business.
SMUGGLED: Final = {
    f"{_S}/access": {"POST"},
    f"{_S}/access/<str:manager_id>": {"DELETE"},
    f"{_S}/managers": {"POST"},
    f"{_S}/managers/<str:manager_id>": {"DELETE"},
    f"{_S}/messages/<str:message_id>": {"GET"},
    f"{_S}/messages/<str:message_id>/preview": {"GET"},
    f"{_S}/messages/<str:message_id>/reaction": {"POST"},
    f"{_S}/messages/<str:message_id>/cancel": {"POST"},
    f"{_S}/chats/<str:chat_id>": {"GET", "PATCH"},
    f"{_S}/chats/<str:chat_id>/messages": {"GET", "POST"},
    f"{_S}/chats/<str:chat_id>/send": {"POST"},
    f"{_S}/chats/<str:chat_id>/read": {"POST"},
    f"{_S}/chats/<str:chat_id>/typing": {"POST"},
    f"{_S}/chats/<str:chat_id>/watching": {"POST"},
}

_P: Final = "sessions/<str:session_id>"
_C: Final = f"{_P}/chats/<str:chat_id>"
_M: Final = "people/<str:manager_id>"
NEW: Final = {"name": "Mine"}
SETTINGS: Final = {"name": "Globex", "language": "ru", "currency": "EUR"}
PERSON: Final = {"email": "new@globex.test", "first_name": "New", "password": "harbour-lights-8"}
#: Everybody is sent on to their own.
OWN_PLACE: Final[Statuses] = dict.fromkeys(FOREIGN, 302)

_PW: Final = "webhooks/<str:endpoint_id>"
PAGES: Final[dict[str, dict[str, Call]]] = {
    "": {"GET": Call(statuses=OWN)},
    "overview": {"GET": Call(statuses=OWN)},
    "audit": {"GET": Call(statuses=ADMINS)},
    "audit/export": {"GET": Call(statuses=ADMINS)},
    "sessions/new": {"GET": Call(statuses=ADMINS), "POST": Call(NEW, {**ADMINS, "globex admin": 302})},
    _P: {"GET": Call()},
    f"{_P}/start": {"POST": Call()},
    f"{_P}/pause": {"POST": Call()},
    f"{_P}/hold": {"POST": Call()},
    f"{_P}/release": {"POST": Call()},
    f"{_P}/unlink": {"GET": Call(), "POST": Call()},
    f"{_P}/archive": {"GET": Call(), "POST": Call()},
    f"{_P}/rename": {"GET": Call(), "POST": Call({"name": "Stolen"})},
    f"{_P}/ignored": {"POST": Call({"ignores_groups": "on"})},
    f"{_P}/access": {"POST": Call({"manager": "{manager_id}", "managerId": "{manager_id}", "can_read": "on"})},
    f"{_P}/access/<str:manager_id>/revoke": {"POST": Call()},
    f"{_P}/link": {"GET": Call()},
    f"{_P}/invite": {"GET": Call(), "POST": Call({"hours": "24"})},
    f"{_P}/invite/<str:invitation_id>/revoke": {"POST": Call()},
    "whatsapp-pairing.html": {"GET": Call(statuses=OWN_PLACE)},
    "whatsapp-qr.html": {"GET": Call(statuses=OWN_PLACE)},
    f"{_P}/link/code": {"POST": Call({"phone": "+4915551112233"})},
    f"{_P}/chats": {"GET": Call()},
    f"{_P}/chats/new": {"GET": Call(), "POST": Call({**TEXT, "text": "Hello"})},
    _C: {"GET": Call()},
    f"{_C}/send": {"POST": Call({"text": "Hello"})},
    f"{_C}/read": {"POST": Call()},
    f"{_C}/typing": {"POST": Call({"typing": "true"})},
    f"{_C}/watching": {"POST": Call()},
    f"{_C}/messages/<str:message_id>": {"GET": Call()},
    f"{_C}/messages/<str:message_id>/preview": {"GET": Call()},
    f"{_C}/messages/<str:message_id>/reaction": {"GET": Call(), "POST": Call({"emoji": "🎉"})},
    f"{_P}/queue": {"GET": Call()},
    f"{_P}/queue/pace": {"POST": Call({"min_gap": "5", "max_gap": "9"})},
    f"{_P}/queue/messages/<str:message_id>/cancel": {"POST": Call()},
    f"{_P}/queue/chats/<str:chat_id>/cancel": {"POST": Call()},
    "webhooks": {"GET": Call(statuses=ADMINS)},
    # Refused, so that there is no other endpoint beside acme's in the rows.
    "webhooks/new": {"GET": Call(statuses=ADMINS), "POST": Call(statuses={**ADMINS, "globex admin": 400})},
    _PW: {"GET": Call(statuses=NEVER)},
    f"{_PW}/change": {"GET": Call(statuses=NEVER), "POST": Call({"description": "Stolen"}, NEVER)},
    f"{_PW}/switch": {"POST": Call({"is_active": "false"}, NEVER)},
    f"{_PW}/delete": {"GET": Call(statuses=NEVER), "POST": Call(statuses=NEVER)},
    f"{_PW}/rotate": {"GET": Call(statuses=NEVER), "POST": Call(statuses=NEVER)},
    f"{_PW}/secret": {"GET": Call(statuses=NEVER)},
    f"{_PW}/test": {"POST": Call(statuses=NEVER)},
    f"{_PW}/replay": {"GET": Call(statuses=NEVER), "POST": Call({"begin": "2026-01-01T00:00"}, NEVER)},
    f"{_PW}/revive": {"POST": Call({"event": "E"}, NEVER)},
    f"{_PW}/events/<str:event_id>": {"GET": Call(statuses=NEVER)},
    f"{_PW}/deliveries/<int:delivery_id>/redeliver": {"POST": Call(statuses=NEVER)},
    "events": {"GET": Call(statuses=ADMINS)},
    "events/<str:event_id>": {"GET": Call(statuses=NEVER)},
    "settings": {"GET": Call(statuses=ADMINS), "POST": Call(SETTINGS, {**ADMINS, "globex admin": 302})},
    "account": {"GET": Call(statuses=OWN), "POST": Call({"first_name": "Somebody"}, OWN_PLACE)},
    "account/password": {"POST": Call({"current": "guess", "new": "lighthouse-41"}, dict.fromkeys(FOREIGN, 400))},
    "keys": {"GET": Call(statuses=ADMINS)},
    "keys/new": {
        "GET": Call(statuses=ADMINS),
        "POST": Call({"name": "Mine", "scopes": "read"}, {**ADMINS, "globex admin": 302}),
    },
    "keys/<str:key_id>": {"GET": Call(statuses=NEVER)},
    "keys/<str:key_id>/revoke": {"GET": Call(statuses=NEVER), "POST": Call(statuses=NEVER)},
    "people": {"GET": Call(statuses=ADMINS)},
    "people/new": {"GET": Call(statuses=ADMINS), "POST": Call(PERSON, {**ADMINS, "globex admin": 302})},
    _M: {"GET": Call(statuses=NEVER)},
    f"{_M}/change": {"GET": Call(statuses=NEVER), "POST": Call({"first_name": "Stolen"}, NEVER)},
    f"{_M}/rights": {"POST": Call({"shown": "{session_id}", "can_read": "{session_id}"}, NEVER)},
    f"{_M}/password": {"POST": Call(statuses=NEVER)},
    f"{_M}/deactivate": {"GET": Call(statuses=NEVER), "POST": Call(statuses=NEVER)},
    f"{_M}/activate": {"POST": Call(statuses=NEVER)},
    f"{_M}/remove": {"GET": Call(statuses=NEVER), "POST": Call(statuses=NEVER)},
}

#: Whoever asks gets the same; nothing of any company is in it.
PUBLIC: Final = {
    "health/live",
    "health/ready",
    # Closed without a token, and of no company (tests/fleet/test_metrics.py).
    "metrics",
    "api-docs",
    "api-docs/schema",
    "api/auth/login",
    "api/whatsapp/websocket/test-config",
    # Signed, and told to nobody else (tests/whatsapp/test_signed.py).
    "webhook/whatsapp/baileys",
    "^(?:api|webhook)/(?P<path>.*)$",
    "api/auth/register",
    "api/auth/send-code",
    "api/auth/verify-email",
    "api/auth/reset-password",
    "login",
    "password",
    "login/code",
    # One's own, whoever one is (tests/pages/test_two_steps.py).
    "account/two-steps",
    "logout",
    "language",
    # A door, the same for every address; what is behind it takes the secret (tests/pages/test_guests.py).
    "link/<str:invitation_id>",
    "link/<str:invitation_id>/enter",
    "link/<str:invitation_id>/start",
    "link/<str:invitation_id>/code",
}
#: Choosing a company that one is no member of.
CHOOSE: Final = "company"
ADMIN: Final = "admin/"
#: The company's own part of it.
OFFICE: Final = "office/"
#: Where the admin sends everybody else, and what it shows there.
ADMINS_DOOR: Final = {"admin/login/", "admin/logout/"}


def test_every_address_is_known_here() -> None:
    known = {*API, *PAGES, *PUBLIC, CHOOSE}
    found = {route for route in ROUTES if not route.startswith((ADMIN, OFFICE))}

    assert found - known == set(), "say in the tables of this file what strangers get at these"
    assert known - found == set(), "these addresses are no more"


def test_every_method_of_the_api_is_known_here() -> None:
    assert {route: api_methods(ROUTES[route]) for route in API} == {route: set(calls) for route, calls in API.items()}


# -- asking ----------------------------------------------------------------------------------------------------------
def body_of(answer: Any) -> str:
    return str((answer.getvalue() if answer.streaming else answer.content).decode())


def check_tells_nothing(answer: Any, what: str) -> None:
    """Not in the body, and not in a header."""
    told = body_of(answer) + str(sorted(answer.headers.items()))
    assert not [secret for secret in ALL_SECRETS if secret in told], what
    assert answer.status_code < 500, what


def api_ask(client: APIClient, method: str, path: str, body: Any = None) -> Any:
    return client.generic(method, path, **encoded(client, body)) if body else client.generic(method, path)


def encoded(client: APIClient, body: Any) -> dict[str, Any]:
    return {"data": json.dumps(body), "content_type": "application/json"}


def expired(person: Person) -> APIClient:
    token = AccessToken(person.token)  # type: ignore[arg-type]
    token.set_exp(lifetime=-timedelta(seconds=1))
    client = client_for()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def forged(person: Person) -> APIClient:
    head, _, signature = person.token.split(".")
    _, claims, _ = make_person(person.company, Role.ADMIN).token.split(".")
    client = client_for()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {head}.{claims}.{signature}")
    return client


NOBODIES: Final[dict[str, Callable[[Person], APIClient]]] = {
    "no token": lambda _: client_for(),
    "expired token": expired,
    "forged token": forged,
}


@pytest.mark.parametrize("nobody", NOBODIES)
def test_the_api_answers_nobody_without_a_good_token(scene: Scene, nobody: str, acme: Company) -> None:
    client = NOBODIES[nobody](make_person(acme, Role.ADMIN))
    for route, calls in API.items():
        for method in METHODS:
            answer = api_ask(client, method, filled(route, scene.ids), calls.get(method, Call()).filled(scene.ids))
            assert answer.status_code == 401, (method, route)
            check_tells_nothing(answer, f"{method} {route}")


@pytest.mark.parametrize("stranger", FOREIGN)
def test_the_api_tells_strangers_nothing(scene: Scene, stranger: str) -> None:
    client = client_for(scene.people[stranger])
    for route, calls in API.items():
        # What there is not, there is for nobody: one of them tries it.
        for method in METHODS if stranger == "globex admin" else calls:
            call = calls.get(method)
            answer = api_ask(client, method, filled(route, scene.ids), call.filled(scene.ids) if call else None)
            what = f"{method} {route} as {stranger}: {answer.content!r}"
            check_tells_nothing(answer, what)
            assert answer.status_code in expected_of_api(calls, method, stranger), what


def expected_of_api(calls: dict[str, Call], method: str, stranger: str) -> set[int]:
    if method == "OPTIONS":
        # What may be asked there at all; it is the same for every id.
        return {200}
    call = calls.get("GET" if method == "HEAD" else method)
    return {call.statuses[stranger]} if call else {405}


OWN_SESSIONS: Final = {"globex admin": ["Globexdesk"], "neighbour": ["Nextdesk"]}


@pytest.mark.parametrize("stranger", sorted(set(FOREIGN) - set(OWN_SESSIONS)))
def test_lists_are_empty_for_strangers(scene: Scene, stranger: str) -> None:
    answer = client_for(scene.people[stranger]).get("/api/whatsapp/sessions").json()

    assert answer["data"] == []


@pytest.mark.parametrize("stranger", OWN_SESSIONS)
def test_strangers_list_their_own_sessions_alone(scene: Scene, stranger: str) -> None:
    answer = client_for(scene.people[stranger]).get("/api/whatsapp/sessions").json()

    assert [row["name"] for row in answer["data"]] == OWN_SESSIONS[stranger]


@pytest.mark.parametrize("stranger", OWN_SESSIONS)
def test_acmes_ids_are_unknown_inside_ones_own_session(scene: Scene, stranger: str) -> None:
    client, ids = client_for(scene.people[stranger]), scene.smuggled[stranger]
    for route, methods in SMUGGLED.items():
        for method in methods:
            answer = api_ask(client, method, filled(route, ids), API[route][method].filled(scene.ids))
            # Managers may share nothing, not even their own session.
            is_sharing = "/access" in route or "/managers" in route
            expected = 403 if stranger == "neighbour" and is_sharing else 404
            assert answer.status_code == expected, (method, route, answer.content)
            check_tells_nothing(answer, f"{method} {route}")


def test_every_address_with_another_id_beside_the_sessions_is_smuggled_into() -> None:
    inner = {route for route in API if len(set(re.findall(r":(\w+)>", route)) | {"session_id"}) > 1 and _S in route}

    assert inner <= set(SMUGGLED)


def test_whoever_may_is_told_all_of_it(scene: Scene, acme: Company) -> None:
    """Or the tests above would prove nothing."""
    client = client_for(make_person(acme, Role.ADMIN))
    run_in(acme, Placement.objects.filter(pk=scene.ids["session_id"]).update, state="pairing")

    told = "".join(client.get(filled(route, scene.ids)).content.decode() for route in API if "GET" in API[route])

    # Whoever invited is said on a page alone.
    assert [secret for secret in ALL_SECRETS if secret not in told] == ["Acmesinviter"]
    run_in(acme, Placement.objects.filter(pk=scene.ids["session_id"]).update, state="connected")


# -- pages -----------------------------------------------------------------------------------------------------------
def visitor(person: Person | None, *, wants_json: bool = False) -> Client:
    client = Client(headers={"accept": "application/json" if wants_json else "text/html"})
    if person is not None:
        client.force_login(person.user)
    return client


def logged_out(person: Person) -> Client:
    """Still with the cookie of a session that has ended."""
    client = visitor(person)
    client.session.flush()
    return client


def of_no_company(person: Person) -> Client:
    """Logged in, and then their membership was taken away."""
    client = visitor(person)
    assert person.membership is not None
    person.membership.delete()
    return client


def page_ask(client: Client, method: str, path: str, call: Call | None, ids: dict[str, str]) -> Any:
    send = getattr(client, method.lower())
    return send(path, call.filled(ids)) if call and method == "POST" else send(path)


STRAY_VISITORS: Final[dict[str, Callable[[Person], Client]]] = {
    "no cookie": lambda _: visitor(None),
    "ended session": logged_out,
    "membership taken away": of_no_company,
}
LOG_IN: Final = (302, "/login")


@pytest.mark.parametrize("nobody", STRAY_VISITORS)
def test_pages_send_nobody_away_and_their_methods_are_known_here(scene: Scene, nobody: str, acme: Company) -> None:
    client = STRAY_VISITORS[nobody](make_person(acme, Role.ADMIN))
    for route, calls in PAGES.items():
        answered = set()
        for method in METHODS:
            answer = page_ask(client, method, filled(route, scene.ids), calls.get(method), scene.ids)
            check_tells_nothing(answer, f"{method} {route}")
            if answer.status_code != 405:
                answered.add(method)
                sent = answer.status_code, answer.headers.get("Location", "").split("?")[0]
                # Who belongs nowhere any more is still who they say.
                assert sent == ((403, "") if nobody == "membership taken away" else LOG_IN), (method, route)
        assert answered - {"HEAD"} == set(calls), route


@pytest.mark.parametrize("stranger", FOREIGN)
@pytest.mark.parametrize("wants_json", [False, True], ids=["browser", "script"])
def test_pages_show_strangers_nothing(scene: Scene, stranger: str, wants_json: bool) -> None:
    client = visitor(scene.people[stranger], wants_json=wants_json)
    for route, calls in PAGES.items():
        for method, call in calls.items():
            answer = page_ask(client, method, filled(route, scene.ids), call, scene.ids)
            what = f"{method} {route} as {stranger}"
            expected = call.statuses[stranger]
            # After a form, scripts are told where to go instead of being sent there.
            is_told = wants_json and method == "POST" and expected == 302
            assert answer.status_code == (200 if is_told else expected), what
            check_tells_nothing(answer, what)


def test_pages_tell_whoever_may_what_they_keep_from_strangers(scene: Scene, acme: Company) -> None:
    """Or the tests around this one would prove nothing."""
    client = visitor(make_person(acme, Role.ADMIN))
    paths = [filled(route, scene.ids) for route, calls in PAGES.items() if "GET" in calls]
    paths.append(filled("webhooks/<str:endpoint_id>/events/E", scene.ids))

    told = "".join(body_of(client.get(path)) for path in paths)

    # Codes are on show while a number is being linked, and this one is linked.
    assert [secret for secret in ALL_SECRETS if secret not in told] == ["2@acmescode"]


PARTS: Final = (
    "cards", "summary", "history", "link", "list", "status", "messages", "form", "endpoints", "tries", "letters",
    "news", "state", "rows", "overview", "managers", "keys",
)  # fmt: skip


def parts_of(route: str) -> list[str]:
    """Those that the page's module speaks of, and one that nobody has."""
    source = inspect.getsource(sys.modules[ROUTES[route].__module__])
    return [*(part for part in PARTS if f'"{part}"' in source), "nothing"]


def test_every_part_is_a_pages() -> None:
    assert {part for route in PAGES for part in parts_of(route)} == {*PARTS, "nothing"}


@pytest.mark.parametrize("stranger", FOREIGN)
def test_parts_of_pages_are_kept_from_strangers_like_the_whole(scene: Scene, stranger: str) -> None:
    client = visitor(scene.people[stranger])
    for route, calls in PAGES.items():
        if "GET" in calls:
            for part in parts_of(route):
                answer = client.get(filled(route, scene.ids), {"part": part})
                assert answer.status_code == calls["GET"].statuses[stranger], (route, part)
                check_tells_nothing(answer, f"{route}?part={part}")


@pytest.mark.parametrize("stranger", OWN_SESSIONS)
def test_pages_know_none_of_acmes_ids_inside_ones_own_session(scene: Scene, stranger: str) -> None:
    client, ids = visitor(scene.people[stranger]), scene.smuggled[stranger]
    inner = [route for route in PAGES if set(re.findall(r":(\w+)>", route)) - {"session_id"}]
    assert inner
    for route in inner:
        for method, call in PAGES[route].items():
            answer = page_ask(client, method, filled(route, ids), call, scene.ids)
            # Managers may share nothing, and have no webhooks, no log, no people and no keys.
            is_for_admins = "/access" in route or route.startswith(("webhooks", "events", "people/", "keys/"))
            expected = 403 if stranger == "neighbour" and is_for_admins else 404
            assert answer.status_code == expected, (method, route)
            check_tells_nothing(answer, route)


@pytest.mark.parametrize("who", ["globex admin", "nobody"])
def test_nobody_chooses_a_company_that_is_not_theirs(scene: Scene, who: str) -> None:
    client = visitor(scene.people.get(who))

    assert client.post("/company", {"company": scene.acme.pk}).status_code == 404
    check_tells_nothing(client.get("/"), "the overview afterwards")


# -- the admin -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["nobody", "acme admin", *FOREIGN])
def test_the_admin_is_for_operators_alone(scene: Scene, acme: Company, who: str) -> None:
    people = {**scene.people, "acme admin": make_person(acme, Role.ADMIN)}
    # Whoever is staff without being an operator has no business there either.
    if who != "nobody":
        type(people[who].user).objects.filter(pk=people[who].user.pk).update(is_staff=True)
    client = visitor(people.get(who))
    routes = [route for route in ROUTES if route.startswith(ADMIN) and route not in ADMINS_DOOR]
    assert len(routes) > 20
    for route in routes:
        for method in ("GET", "POST"):
            answer = getattr(client, method.lower())(filled(route, {**scene.ids, "object_id": scene.ids["session_id"]}))
            check_tells_nothing(answer, f"{method} {route} as {who}")
            assert (answer.status_code, answer.headers.get("Location", "").split("?")[0]) == (302, "/admin/login/"), (
                method,
                route,
            )


# -- the office ------------------------------------------------------------------------------------------------------
#: Logging out is for everybody; search is Unfold's, and finds nothing.
OFFICES: Final = sorted(route for route in ROUTES if route.startswith(OFFICE) and route != "office/logout/")


def acmes_things(scene: Scene) -> dict[str, str]:
    """An id of acme's for each thing that the office knows, by the part of the address."""
    membership = Membership.objects.get(company=scene.acme, user=scene.ids["manager_id"])
    deed = run_in(scene.acme, lambda: Entry.objects.latest("id").pk)
    return {
        "whatsapp/session": scene.ids["session_id"],
        "accounts/membership": membership.pk,
        "accounts/apikey": scene.ids["key_id"],
        "whatsapp/webhookendpoint": scene.ids["endpoint_id"],
        "audit/entry": str(deed),
    }


def in_office(route: str, things: dict[str, str]) -> str:
    return filled(route, {"app_label": "audit", "object_id": things.get("/".join(route.split("/")[1:3]), "x")})


def test_every_thing_of_the_office_has_an_id_here(scene: Scene) -> None:
    inner = {"/".join(route.split("/")[1:3]) for route in OFFICES if "object_id" in route}

    assert inner == set(acmes_things(scene))


def test_the_office_is_for_the_companys_admins_alone(scene: Scene, acme: Company) -> None:
    things = acmes_things(scene)
    operator, suspended = make_operator(acme), make_person(create_company(name="Initech"), Role.ADMIN)
    Company.objects.filter(pk=suspended.company.pk).update(is_active=False)
    sent_away = {
        "nobody": (visitor(None), 302),
        "logged out": (logged_out(make_person(acme, Role.ADMIN)), 302),
        "membership taken away": (of_no_company(make_person(acme, Role.ADMIN)), 403),
        "operator": (visitor(operator), 200),
        "suspended": (visitor(suspended), 403),
        **{name: (visitor(scene.people[name]), 403) for name in FOREIGN if "manager" in name or name == "neighbour"},
    }
    for who, (client, expected) in sent_away.items():
        for route in OFFICES:
            for method in ("get", "post"):
                answer = getattr(client, method)(in_office(route, things))
                what = f"{method} {route} as {who}"
                check_tells_nothing(answer, what)
                assert answer.status_code == expected, what
                assert "office_company" not in (answer.context or {}), what
                if expected == 302:
                    assert answer.headers["Location"].split("?")[0] == "/login", what


def test_no_api_key_opens_the_office(scene: Scene, acme: Company) -> None:
    _, key = api_keys.create(company=acme, name="Mine", by=make_person(acme, Role.ADMIN).actor)
    ApiKey.objects.filter(name="Mine").delete()
    client = Client(headers={"authorization": f"Bearer {key}", "x-api-key": key})
    for route in OFFICES:
        assert client.get(in_office(route, acmes_things(scene))).status_code == 302, route


#: What the office can be asked beside an id.
NARROWED: Final = (
    "company={acme}", "company__exact={acme}", "company__id__exact={acme}", "q=Acmes", "q={number}", "who={manager_id}",
    "about={session_id}", "about={manager_id}", "o=1", "e=1", "user__email__startswith=manager", "digest__startswith=a",
    "placement__company={acme}", "sealed_secret__startswith=a", "state=connected", "_to_field=company", "p=1", "all=",
)  # fmt: skip


@pytest.mark.parametrize("is_of_both", [False, True], ids=["of globex alone", "of both"])
def test_the_office_knows_nothing_of_another_company(scene: Scene, globex: Company, is_of_both: bool) -> None:
    """Also not for somebody who could go there: they are in globex now."""
    person, things = scene.people["globex admin"], acmes_things(scene)
    if is_of_both:
        create_member(company=scene.acme, email=person.user.email, role=Role.ADMIN, by=SYSTEM)
    before, client = scene.rows(), visitor(person)
    choose(client, globex)
    asked = {"acme": scene.acme.pk, "number": NUMBER, **scene.ids}
    emails = [row.user.email for row in Membership.objects.filter(company=scene.acme).exclude(user=person.user)]
    # Who could go there is offered to.
    secrets = [*ALL_SECRETS, *emails, *([] if is_of_both else [scene.acme.pk])]
    for route in OFFICES:
        lists = () if "object_id" in route else NARROWED[:3] if is_of_both else NARROWED
        for query in ("", *(each.format(**asked) for each in lists)):
            for method in ("get",) if query else ("get", "post"):
                path = f"{in_office(route, things)}?{query}"
                chosen = {"_selected_action": list(things.values()), "confirmed": "yes", "role": "admin", "post": "yes"}
                for action in ACTIONS if method == "post" and not query else ("",):
                    answer = getattr(client, method)(path, {**chosen, "action": action} if method == "post" else {})
                    assert answer.status_code in (200, 302, 400, 403, 404, 405), path
                    told = body_of(answer)
                    # What they asked for themselves may be said back to them.
                    assert not [secret for secret in secrets if secret not in path and secret in told], path
    assert scene.rows() == before


ACTIONS: Final = sorted({name for page in office._registry.values() for name in page.actions})


def choose(client: Client, company: Company) -> None:
    assert client.post("/company", {"company": company.pk}).status_code == 302


def test_the_office_shows_all_of_ones_own_company_and_nothing_of_another(
    scene: Scene, acme: Company, globex: Company
) -> None:
    """Or the tests above would prove nothing."""
    theirs = [scene.smuggled["globex admin"]["session_id"], "Globexdesk", globex.pk]
    for row in Membership.objects.filter(company=globex):
        theirs += [row.pk, row.user_id, row.user.email]
    key, _ = api_keys.create(company=globex, name="Globexkey", by=SYSTEM)
    things, client = acmes_things(scene), visitor(make_person(acme, Role.ADMIN))

    told = "".join(body_of(client.get(in_office(route, things))) for route in OFFICES)

    for words in (NUMBER, "Acmesfrontdesk", "Acmeshook", "Acmeskey", *things.values()):
        assert words in told, words
    for words in (*theirs, key.pk, key.name):
        assert words not in told, words


# -- everybody's -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["nobody", *FOREIGN])
def test_what_is_public_tells_nothing_of_acme(scene: Scene, who: str) -> None:
    client = visitor(scene.people.get(who))
    for route in (*PUBLIC, *ADMINS_DOOR):
        for method in METHODS:
            answer = getattr(client, method.lower())(filled(route, scene.ids))
            check_tells_nothing(answer, f"{method} {route}")


# -- sockets ---------------------------------------------------------------------------------------------------------
LIVE: Final = "ws/whatsapp/"
LIVE_DATA = pytest.mark.django_db(transaction=True)


def stir(scene: Scene) -> None:
    """Everything happens at acme that anybody there would hear of."""
    scene.desk.tell(text("Acmesquestion again", peer=BOB), ConnectionLost(), ChallengeIssued("qr", "2@acmescode", 60))
    scene.desk.tell(Connected(f"{NUMBER}:1@s.whatsapp.net"))
    scene.desk.tell(reaction("🎉"), reaction("👍"))
    typing.tell(company=scene.acme, session_id=scene.desk.session_id, events=[TypingSeen("", BOB, BOB, True)])
    scene.desk.queue("Acmesquestion answered", phone=BOB.pn)
    for name in ("Acmesfrontdesk 2", "Acmesfrontdesk"):
        sessions.change(company=scene.acme, session_id=scene.desk.session_id, name=name, by=SYSTEM)


@pytest.fixture
def noisy_scene(live_companies: tuple[Company, Company]) -> Scene:
    return Scene.set(*live_companies)


def test_every_socket_is_known_here() -> None:
    assert {str(each.pattern) for each in websocket_urlpatterns} == {LIVE}


@LIVE_DATA
@pytest.mark.parametrize("with_cookie", [False, True], ids=["token", "cookie"])
async def test_sockets_tell_strangers_nothing(noisy_scene: Scene, with_cookie: bool) -> None:
    for stranger, person in noisy_scene.people.items():
        socket = await opened(person, with_cookie)
        snapshot = await socket.receive()
        await arun_in(noisy_scene.acme, stir, noisy_scene)
        assert await socket.is_silent(), stranger
        names = [row["name"] for row in snapshot["sessions"]]
        assert (snapshot["type"], names) == ("snapshot", OWN_SESSIONS.get(stranger, []))
        assert not [secret for secret in SECRETS if secret in str(snapshot)], stranger
        await socket.disconnect()


async def replayed(socket: Socket) -> str:
    """All that the log tells from its beginning on."""
    await socket.send({"type": "resume", "after": "0"})
    told = [await socket.receive()]
    while told[-1]["type"] not in ("resumed", "error"):
        told.append(await socket.receive())
    assert told.pop()["type"] == "resumed"
    return str(told)


@LIVE_DATA
async def test_a_replay_tells_strangers_nothing(noisy_scene: Scene) -> None:
    """Those of acme may have heard of a grant that is their own; nothing stands in that."""
    await arun_in(noisy_scene.acme, stir, noisy_scene)
    for stranger, person in noisy_scene.people.items():
        socket = await opened(person, with_cookie=False)
        assert (await socket.receive())["type"] == "snapshot"

        told = await replayed(socket)

        assert not [secret for secret in SECRETS if secret in told], stranger
        assert noisy_scene.ids["chat_id"] not in told, stranger
        await socket.disconnect()


@LIVE_DATA
async def test_the_same_replay_tells_whoever_may(noisy_scene: Scene) -> None:
    """Or the test above would prove nothing. Codes are in no log."""
    await arun_in(noisy_scene.acme, stir, noisy_scene)
    socket = await opened(await sync_to_async(make_person)(noisy_scene.acme, Role.ADMIN), with_cookie=False)
    assert (await socket.receive())["type"] == "snapshot"

    told = await replayed(socket)

    assert [secret for secret in SECRETS if secret not in told] == ["2@acmescode"]
    await socket.disconnect()


@LIVE_DATA
async def test_the_same_noise_is_heard_by_whoever_may(noisy_scene: Scene) -> None:
    """Or the test above would prove nothing."""
    socket = await opened(await sync_to_async(make_person)(noisy_scene.acme, Role.ADMIN), with_cookie=False)
    heard = str(await socket.receive())
    await arun_in(noisy_scene.acme, stir, noisy_scene)

    wanted = (*SECRETS, "message.reaction", "chat.typing")
    while [secret for secret in wanted if secret not in heard]:
        heard += str(await socket.receive())
    await socket.disconnect()


@LIVE_DATA
async def test_whoever_may_write_but_not_read_hears_no_messages(noisy_scene: Scene) -> None:
    person = noisy_scene.people["ungranted manager"]
    rights = Rights(can_read=False, can_write=True)
    given: dict[str, Any] = {
        "session_id": noisy_scene.ids["session_id"],
        "manager_id": person.user.pk,
        "rights": rights,
    }
    await arun_in(noisy_scene.acme, access.grant, company=noisy_scene.acme, by=SYSTEM, **given)
    socket = await opened(person, with_cookie=False)
    assert (await socket.receive())["type"] == "snapshot"

    await arun_in(noisy_scene.acme, stir, noisy_scene)
    heard = [await socket.receive()]
    while not await socket.is_silent():
        heard.append(await socket.receive())

    assert {message["type"] for message in heard} == {"session.challenge", "session.changed"}
    await socket.disconnect()


@LIVE_DATA
@pytest.mark.parametrize("nobody", ["expired token", "forged token"])
async def test_sockets_send_nobody_away(noisy_scene: Scene, nobody: str) -> None:
    somebody = await sync_to_async(make_person)(noisy_scene.acme, Role.ADMIN)
    token = await sync_to_async(lambda: token_of(NOBODIES[nobody](somebody)))()
    socket = Socket(application, f"/{LIVE}")
    assert await socket.connect() is None
    await socket.send({"type": "auth", "token": token})

    assert (await socket.receive())["code"] == "not_authenticated"
    assert await socket.closed() == 4401


@LIVE_DATA
async def test_whoever_does_not_say_who_they_are_hears_nothing(noisy_scene: Scene) -> None:
    socket = Socket(application, f"/{LIVE}")
    assert await socket.connect() is None

    await socket.send({"type": "snapshot"})
    answer = await socket.receive()
    await arun_in(noisy_scene.acme, stir, noisy_scene)

    assert (answer["type"], answer["code"]) == ("error", "bad_message")
    assert await socket.is_silent()
    await socket.disconnect()


async def opened(person: Person, with_cookie: bool) -> Socket:
    cookie = await sync_to_async(lambda: visitor(person).cookies.output(header="", attrs=[]).strip())()
    token = await sync_to_async(lambda: person.token)()
    # A cookie is believed when the page is from here.
    options = {"cookie": cookie, "origin": "http://testserver"} if with_cookie else {}
    socket = Socket(application, f"/{LIVE}", **options)  # type: ignore[arg-type]
    assert await socket.connect() is None
    if not with_cookie:
        await socket.send({"type": "auth", "token": token})
    return socket


def token_of(client: APIClient) -> str:
    carried: Any = vars(client)["_credentials"]
    return str(carried["HTTP_AUTHORIZATION"]).removeprefix("Bearer ")


# -- Socket.IO -------------------------------------------------------------------------------------------------------
#: Every call with acme's ids. Leaving a room that one is not in is nothing to anybody.
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "whatsapp:join_session": ("sessionId",),
    "whatsapp:get_chats": ("sessionId",),
    "whatsapp:get_messages": ("sessionId", "chatId"),
    "whatsapp:send_message": ("sessionId", "chatId"),
    "whatsapp:get_session_status": ("sessionId",),
    "typing-status": ("sessionId", "chatId"),
    "whatsapp:mark_chat_as_read": ("sessionId", "chatId"),
}
HARMLESS: Final = {"whatsapp:leave_session", "whatsapp:get_events"}
REFUSED: Final = {404: "session_not_found", 403: "session_denied"}


def payload(ids: dict[str, str], chat_id: str = "") -> dict[str, object]:
    chat_id = chat_id or ids["chat_id"]
    return {"sessionId": ids["session_id"], "chatId": chat_id, "message": "Hello", "isTyping": True}


def test_every_event_of_socket_io_is_known_here() -> None:
    handlers = SocketIO()._server.handlers

    assert set(CALLS) == set(ASKED) | HARMLESS
    assert {name: set(events) for name, events in handlers.items()} == {
        "/": {"connect", "*", "disconnect"},
        "/whatsapp": {"connect", "*", "disconnect"},
        "*": {"connect"},
    }


@LIVE_DATA
@pytest.mark.parametrize("stranger", FOREIGN)
async def test_socket_io_answers_strangers_nothing(noisy_scene: Scene, stranger: str) -> None:
    before = await sync_to_async(noisy_scene.rows)()
    async with Raw(await sync_to_async(lambda: noisy_scene.people[stranger].token)()) as raw:
        for call in (*ASKED, *HARMLESS):
            answer = await raw.calls(call, payload(noisy_scene.ids))
            assert not [secret for secret in SECRETS if secret in str(answer)], call
            assert call in HARMLESS or answer["code"] == REFUSED[FOREIGN[stranger]], (call, answer)
    assert await sync_to_async(noisy_scene.rows)() == before


@LIVE_DATA
@pytest.mark.parametrize("stranger", OWN_SESSIONS)
async def test_socket_io_knows_none_of_acmes_chats_inside_ones_own_session(noisy_scene: Scene, stranger: str) -> None:
    before = await sync_to_async(noisy_scene.rows)()
    own = noisy_scene.smuggled[stranger]
    async with Raw(await sync_to_async(lambda: noisy_scene.people[stranger].token)()) as raw:
        for call in (name for name, places in ASKED.items() if "chatId" in places):
            answer = await raw.calls(call, payload(own, noisy_scene.ids["chat_id"]))
            assert answer["code"] == "chat_not_found", (call, answer)
            assert not [secret for secret in SECRETS if secret in str(answer)], call
    assert await sync_to_async(noisy_scene.rows)() == before


@LIVE_DATA
async def test_socket_io_tells_strangers_nothing(noisy_scene: Scene) -> None:
    for stranger, person in noisy_scene.people.items():
        async with Raw(await sync_to_async(lambda person=person: person.token)()) as raw:
            await raw.calls("whatsapp:join_session", payload(noisy_scene.ids))
            await arun_in(noisy_scene.acme, stir, noisy_scene)
            assert await raw.is_silent(), stranger
            assert raw.heard == [], stranger


@LIVE_DATA
async def test_the_same_noise_is_heard_over_socket_io_by_whoever_may(noisy_scene: Scene) -> None:
    """Or the tests above would prove nothing."""
    admin = await sync_to_async(make_person)(noisy_scene.acme, Role.ADMIN)
    async with Raw(await sync_to_async(lambda: admin.token)()) as raw:
        heard = ""
        for call in ASKED:
            heard += str(await raw.calls(call, payload(noisy_scene.ids)))
        await arun_in(noisy_scene.acme, stir, noisy_scene)
        for event in ("whatsapp:new_message", "whatsapp:qr", "whatsapp:ready", "whatsapp:session_status"):
            heard += str(await raw.hears(event))
        assert BOB.pn in (await raw.hears("typing-status"))["participantId"]
    # A QR code comes as a picture, and people are known by their number where that is known.
    assert [secret for secret in SECRETS if secret not in heard] == ["2@acmescode"]


@LIVE_DATA
async def test_who_was_just_revoked_hears_nothing_more_over_socket_io(noisy_scene: Scene) -> None:
    person, scene = noisy_scene.people["ungranted manager"], noisy_scene
    sharing: dict[str, Any] = {
        "company": scene.acme,
        "session_id": scene.ids["session_id"],
        "manager_id": person.user.pk,
        "by": SYSTEM,
    }
    await arun_in(scene.acme, access.grant, rights=EVERYTHING, **sharing)
    async with Raw(await sync_to_async(lambda: person.token)()) as raw:
        assert (await raw.calls("whatsapp:join_session", payload(scene.ids)))["success"]
        await raw.hears("whatsapp:ready")
        await arun_in(scene.acme, access.revoke, **sharing)
        await raw.hears("manager-access-revoked")
        raw.heard.clear()
        await arun_in(scene.acme, stir, scene)

        assert await raw.is_silent()
        for call in ASKED:
            assert (await raw.calls(call, payload(scene.ids)))["code"] == "session_denied"


@LIVE_DATA
@pytest.mark.parametrize("nobody", NOBODIES)
async def test_socket_io_sends_nobody_away(noisy_scene: Scene, nobody: str) -> None:
    somebody = await sync_to_async(make_person)(noisy_scene.acme, Role.ADMIN)
    client = await sync_to_async(NOBODIES[nobody])(somebody)
    async with Raw(token_of(client) if nobody != "no token" else None) as raw:
        assert raw.refusal
        await raw.send('42/whatsapp,1["whatsapp:join_session",{"sessionId":"x"}]')
        await arun_in(noisy_scene.acme, stir, noisy_scene)
        assert await raw.is_silent()


@LIVE_DATA
async def test_socket_io_of_another_companys_host_sends_people_away(noisy_scene: Scene, globex: Company) -> None:
    await sync_to_async(save_domain)(company=globex, name="chat.globex.test")
    admin = await sync_to_async(make_person)(noisy_scene.acme, Role.ADMIN)
    token = await sync_to_async(lambda: admin.token)()
    for host in ("chat.globex.test", "elsewhere.test"):
        async with Raw(token, host=host) as raw:
            assert raw.refusal == "Ошибка аутентификации"
