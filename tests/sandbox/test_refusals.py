"""What the control API answers to nonsense and to strangers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from sandbox.control.guard import MAX_BODY
from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tests.sandbox.asking import as_png, data_url, png, refused

Someone = Callable[..., Phone]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/phones", {}),
        ("/phones", {"number": 5511999990001}),
        ("/phones", {"number": "123456"}),
        ("/phones", {"number": "1234567890123456"}),
        ("/phones", {"number": "٥٥١١٩٩٩٩٩"}),
        ("/phones", {"number": "5511999990001", "name": "x" * 101}),
        ("/phones", {"number": "5511999990001", "nmae": "typo"}),
        ("/phones", ["5511999990001"]),
        ("/phones/{n}/scan", {}),
        ("/phones/{n}/scan", {"qr": 5}),
        ("/phones/{n}/scan", {"qr": "x", "break": "leg"}),
        ("/phones/{n}/scan", {"qr": "data:text/html;base64,AAAA"}),
        ("/phones/{n}/scan", {"qr": "data:image/png;base64,?"}),
        ("/phones/{n}/pair", {}),
        ("/phones/{n}/pair", {"code": "SHORT"}),
        ("/phones/{n}/pair", {"code": "ABCD!FGH"}),
        ("/phones/{n}/send", {"to": "5511999990001"}),
        ("/phones/{n}/send", {"to": "5511999990001", "text": " "}),
        ("/phones/{n}/send", {"to": "5511999990001", "text": "x" * 65_537}),
        ("/phones/{n}/send", {"to": "5511999990001", "text": "half \ud83d"}),
        ("/phones/{n}/send", {"to": None, "text": "x"}),
        ("/phones/{n}/send", {"to": "nobody", "text": "x"}),
        ("/phones/{n}/read", {"ids": []}),
        ("/phones/{n}/read", {"ids": [1]}),
        ("/phones/{n}/read", {"ids": "A"}),
        ("/phones/{n}/rename", {"name": ""}),
        ("/phones/{n}/unlink", {"device": "1"}),
        ("/phones/{n}/unlink", {"device": True}),
        ("/groups", {"subject": "x", "members": []}),
        ("/groups", {"subject": "", "members": ["5511999990001"]}),
    ],
)
def test_bad_input_is_said_to_be_bad(control: httpx.Client, someone: Someone, path: str, body: Any) -> None:
    answer = control.post(path.replace("{n}", someone().number), content=json.dumps(body))

    refused(answer, 400, "bad_input")


@pytest.mark.parametrize("qr", ["hello", "https://wa.me/settings/linked_devices#a,b,c,d,e", as_png("hello")])
def test_other_qrs_are_no_linking_qrs(control: httpx.Client, someone: Someone, qr: str) -> None:
    refused(control.post(f"/phones/{someone().number}/scan", json={"qr": qr}), 400, "not_a_qr")


def test_pictures_without_a_qr_are_no_qrs(control: httpx.Client, someone: Someone) -> None:
    picture = png(Image.new("L", (50, 50), 255))

    for data in (picture, picture[:40], b"GIF89a", b"", png(Image.new("1", (20_000, 20_000)))):
        order = {"qr": data_url(data)}
        refused(control.post(f"/phones/{someone().number}/scan", json=order), 400, "not_a_qr")


def test_a_picture_that_would_fill_the_memory_is_never_unpacked(control: httpx.Client, someone: Someone) -> None:
    order = {"qr": data_url(png(Image.new("1", (8_000, 8_000))))}

    assert "pixels" in refused(control.post(f"/phones/{someone().number}/scan", json=order), 400, "bad_input")


@pytest.mark.parametrize("query", ["limit=-1", "limit=501", "limit=x", "after=x"])
def test_a_page_of_an_inbox_has_bounds(control: httpx.Client, someone: Someone, query: str) -> None:
    refused(control.get(f"/phones/{someone().number}/inbox?{query}"), 400, "bad_input")


@pytest.mark.parametrize("query", ["wait=31", "wait=nan", "after=-1", "after=x"])
def test_a_long_poll_has_bounds(control: httpx.Client, query: str) -> None:
    refused(control.get(f"/events?{query}"), 400, "bad_input")


@pytest.mark.parametrize("path", ["scan", "pair", "send", "read", "rename", "unlink"])
def test_an_unknown_phone_is_not_found(control: httpx.Client, path: str) -> None:
    refused(control.post(f"/phones/5511000000000/{path}", json={}), 404, "unknown_phone")
    refused(control.get("/phones/5511000000000"), 404, "unknown_phone")
    refused(control.get("/phones/5511000000000/inbox"), 404, "unknown_phone")


def test_an_unknown_recipient_is_not_found(control: httpx.Client, someone: Someone) -> None:
    order = {"to": "5511000000000", "text": "x"}
    refused(control.post(f"/phones/{someone().number}/send", json=order), 404, "unknown_number")


def test_unknown_messages_are_named(control: httpx.Client, someone: Someone) -> None:
    message = refused(
        control.post(f"/phones/{someone().number}/read", json={"ids": ["A1", "B2"]}), 404, "unknown_message"
    )
    assert "A1, B2" in message


def test_unknown_paths_and_methods_are_json_too(control: httpx.Client) -> None:
    refused(control.get("/nowhere"), 404, "not_found")
    refused(control.get("/static/nowhere.js"), 404, "not_found")
    refused(control.get("/static/..%2fcore.py"), 404, "not_found")
    answer = control.put("/phones")
    refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) >= {"GET", "POST"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_malformed_json_is_said_to_be_malformed(control: httpx.Client, content: bytes) -> None:
    refused(control.post("/phones", content=content), 400, "malformed_json")


def test_bodies_are_bounded_whether_they_say_their_size_or_not(control: httpx.Client) -> None:
    chunks = (b"x" * (1 << 20) for _ in range((MAX_BODY >> 20) + 1))

    refused(control.post("/phones", content=b"x" * (MAX_BODY + 1)), 413, "too_large")
    refused(control.post("/phones", content=chunks), 413, "too_large")


# -- who may ask ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "", "[::1]"])
def test_foreign_names_are_refused(control: httpx.Client, host: str) -> None:
    refused(control.get("/phones", headers={"Host": host}), 403, "wrong_host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1234", "LOCALHOST"])
def test_local_names_are_welcome(control: httpx.Client, host: str) -> None:
    assert control.get("/health", headers={"Host": host}).json() == {"ok": True}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_pages_of_other_sites_change_nothing(control: httpx.Client, origin: str) -> None:
    before = control.get("/phones").json()

    refused(control.post("/phones", json={"number": "5511922222222"}, headers={"Origin": origin}), 403, "wrong_origin")
    refused(control.delete("/faults", headers={"Origin": origin}), 403, "wrong_origin")

    assert control.get("/phones").json() == before


def test_the_own_page_may(control: httpx.Client, wa: SandboxThread, someone: Someone) -> None:
    answer = control.post("/phones", json={"number": someone().number}, headers={"Origin": wa.url})

    assert answer.status_code == 200
