"""The description of the API is true: what comes back has the keys, types and statuses that it promises."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from django.test import Client

from tenants.context import run_in
from tenants.models import Company
from tests.conftest import ApiClients
from tests.people import Person
from tests.whatsapp.desk import BOB, Desk, text

pytestmark = pytest.mark.django_db

SESSION = "/api/whatsapp/sessions/{session_id}"
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "number": (int, float),
}  # fmt: skip


@cache
def described() -> dict[str, Any]:
    """Asked for once a process: it takes a fifth of a second, and is the same for everybody."""
    found: dict[str, Any] = Client().get("/api-docs/schema").json()
    return found


@pytest.fixture
def description(db: None) -> dict[str, Any]:
    return deepcopy(described())


@pytest.fixture
def ids(acme: Company) -> dict[str, str]:
    """Of a linked session of acme's, with a chat."""

    def made() -> dict[str, str]:
        desk = Desk.open(acme)
        desk.tell(text("Are you open?"))
        return {"session_id": desk.session_id, "chat_id": desk.chat().pk, "message_id": desk.chat().messages.get().pk}

    return run_in(acme, made)


def differences(description: dict[str, Any], shape: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    if "$ref" in shape:
        shape = description["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    if value is None:
        if not shape.get("nullable"):
            yield f"{place} is null"
        return
    if (kind := TYPES.get(shape.get("type", ""))) and not isinstance(value, kind):
        yield f"{place} is no {shape['type']}"
    if isinstance(value, list):
        for each in value:
            yield from differences(description, shape["items"], each, f"{place}[]")
    elif isinstance(value, dict) and "properties" in shape:
        known = shape["properties"]
        yield from (f"{place}.{name} is unsaid" for name in value.keys() - known.keys())
        yield from (f"{place}.{name} is missing" for name in set(shape.get("required", ())) - value.keys())
        for name in value.keys() & known.keys():
            yield from differences(description, known[name], value[name], f"{place}.{name}")


def check(description: dict[str, Any], ids: dict[str, str], client: Any, method: str, path: str, body: Any) -> None:
    answer = getattr(client, method)(path.format(**ids), body, format="json")
    said = description["paths"][path][method]["responses"]

    assert str(answer.status_code) in said, (path, answer.status_code)
    shape = said[str(answer.status_code)]["content"]["application/json"]["schema"]
    assert list(differences(description, shape, answer.json(), path)) == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/me", "/api/company/info", "/api/company/usage", "/api/company/users", "/api/managers",
        "/api/whatsapp/sessions", "/api/whatsapp/stats", "/api/whatsapp/metrics", "/api/whatsapp/events",
        "/api/whatsapp/websocket/config", "/api/whatsapp/websocket/test-config", "/webhook/whatsapp/baileys/status",
        "/webhook/whatsapp/baileys/health/{session_id}",
        *(SESSION + tail for tail in (
            "", "/access", "/chats", "/chats/{chat_id}", "/chats/{chat_id}/messages", "/messages/{message_id}", "/qr",
            "/queue", "/status", "/health", "/diagnostics", "/transitions",
        )),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_as_described(
    description: dict[str, Any], ids: dict[str, str], acme_admin: Person, api: ApiClients, path: str
) -> None:
    check(description, ids, api(acme_admin), "get", path, None)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", SESSION + "/access", {"managerId": "{manager_id}"}),
        ("post", SESSION + "/chats/{chat_id}/send", {"message": "Yes"}),
        ("post", SESSION + "/messages", {"phone": BOB.pn, "message": "Yes"}),
        ("post", SESSION + "/send", {"phone": BOB.pn, "message": "Yes"}),
        ("post", SESSION + "/chats/{chat_id}/read", {}),
        ("patch", SESSION + "/chats/{chat_id}", {"isArchived": True}),
        ("patch", SESSION, {"name": "Desk"}),
        ("post", SESSION + "/pause", {}),
        ("post", SESSION + "/queue/pause", {}),
        ("post", SESSION + "/unlink", {}),
        ("delete", SESSION, None),
        ("delete", "/api/managers/{manager_id}", None),
    ],
)
def test_what_is_done_is_answered_as_described(
    description: dict[str, Any],
    ids: dict[str, str],
    acme_admin: Person,
    acme_manager: Person,
    api: ApiClients,
    method: str,
    path: str,
    body: Any,
) -> None:
    ids["manager_id"] = acme_manager.user.pk
    given = {name: value.format(**ids) if isinstance(value, str) else value for name, value in (body or {}).items()}

    check(description, ids, api(acme_admin), method, path, given)
