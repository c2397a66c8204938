"""The control API: what people do, as programs ask for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sandbox.thread import SandboxThread
from sandbox.world.phone import Phone
from tests.sandbox.asking import as_png, refused
from tests.sandbox.conftest import Shop
from tests.sandbox.driver import Program, until

Someone = Callable[..., Phone]


# -- phones ---------------------------------------------------------------------------------------------------


def test_a_phone_is_made_once(control: httpx.Client) -> None:
    made = control.post("/phones", json={"number": "+55 (11) 98765-4321", "name": "Ana"})
    again = control.post("/phones", json={"number": "5511987654321"})
    other = control.post("/phones", json={"number": "5511987654321", "name": "Somebody else"})

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json() == control.get("/phones/5511987654321").json()
    assert {**made.json(), "lid": ""} == {
        "number": "5511987654321", "name": "Ana", "lid": "", "linkedDevices": [], "unread": 0, "typing": [],
    }  # fmt: skip
    refused(other, 409, "phone_exists")
    assert made.json() in control.get("/phones").json()


def test_linked_devices_are_shown_with_whether_they_are_online(control: httpx.Client, shop: Shop) -> None:
    def device() -> Any:
        return control.get(f"/phones/{shop.phone.number}").json()["linkedDevices"]

    assert device() == [{"device": shop.device, "platform": "Neonize", "online": True}]
    shop.wa.faults.refuse_tcp = True
    shop.wa.drop(shop.phone)
    until(lambda: not device()[0]["online"], "the device away")


# -- linking --------------------------------------------------------------------------------------------------


def test_a_photographed_qr_links(control: httpx.Client, program: Program, unlinked: str, someone: Someone) -> None:
    phone, qr = someone(), as_png(program.qr(unlinked))

    answer = control.post(f"/phones/{phone.number}/scan", json={"qr": qr})

    assert answer.json() == {"device": 1}
    program.connected(client=unlinked)
    refused(control.post(f"/phones/{phone.number}/scan", json={"qr": qr}), 409, "qr_expired")


def test_a_code_links(control: httpx.Client, program: Program, unlinked: str, someone: Someone) -> None:
    phone = someone()
    pair = f"/phones/{phone.number}/pair"
    refused(control.post(pair, json={"code": "ABCD-EFGH"}), 409, "no_code_wanted")
    program.do("PairPhone", unlinked, args=[phone.number, True])
    refused(control.post(pair, json={"code": "ABCD-EFGH"}), 409, "wrong_code")
    code = program.do("PairPhone", unlinked, args=[phone.number, True])

    assert control.post(pair, json={"code": code}).json() == {"device": 1}
    program.connected(client=unlinked)


def test_a_broken_pairing_says_what_the_device_said(
    control: httpx.Client, program: Program, unlinked: str, someone: Someone
) -> None:
    order = {"qr": program.qr(unlinked), "break": "hmac"}

    answer = control.post(f"/phones/{someone().number}/scan", json=order)

    assert "hmac" in refused(answer, 409, "pairing_refused")


def test_unlinking_takes_one_device_or_all(control: httpx.Client, own_shop: Shop) -> None:
    path = f"/phones/{own_shop.phone.number}/unlink"
    refused(control.post(path, json={"device": 99}), 404, "unknown_device")

    assert control.post(path, json={}).json() == {"unlinked": [own_shop.device]}
    own_shop.program.wait("LoggedOut", client=own_shop.client)
    assert control.post(path, json={}).json() == {"unlinked": []}


# -- messages -------------------------------------------------------------------------------------------------


def test_a_conversation_is_seen_from_both_sides(control: httpx.Client, someone: Someone) -> None:
    ana, bob = someone("Ana"), someone("Bob")
    sent = control.post(f"/phones/{ana.number}/send", json={"to": f"+{bob.number}", "text": "oi"}).json()["id"]
    [received] = control.get(f"/phones/{bob.number}/inbox").json()["messages"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", received.pop("at"))
    received.pop("seq")
    assert received == {
        "id": sent, "from": ana.number, "to": bob.number, "peer": ana.number, "fromMe": False,
        "text": "oi", "kind": "text", "read": False, "reactions": [],
    }  # fmt: skip

    assert control.post(f"/phones/{bob.number}/read", json={"ids": [sent]}).json() == {"read": [sent]}

    [own] = control.get(f"/phones/{ana.number}/inbox").json()["messages"]
    assert (own["fromMe"], own["status"], own["to"]) == (True, "read", bob.number)
    assert control.get(f"/phones/{bob.number}").json()["unread"] == 0


def test_an_inbox_is_read_in_pages(control: httpx.Client, someone: Someone) -> None:
    ana, bob = someone("Ana"), someone("Bob")
    for i in range(5):
        control.post(f"/phones/{ana.number}/send", json={"to": bob.number, "text": str(i)})

    def page(**query: int) -> list[Any]:
        found: list[Any] = control.get(f"/phones/{bob.number}/inbox", params=query).json()["messages"]
        return found

    assert [m["text"] for m in page()] == ["0", "1", "2", "3", "4"]
    assert [m["text"] for m in page(limit=2)] == ["3", "4"]
    assert [m["text"] for m in page(after=0, limit=2)] == ["0", "1"]
    assert [m["text"] for m in page(after=page(after=0, limit=2)[-1]["seq"])] == ["2", "3", "4"]


def test_what_a_linked_device_has_acknowledged_is_known(control: httpx.Client, shop: Shop, someone: Someone) -> None:
    bob, path = someone("Bob"), f"/phones/{shop.phone.number}/acknowledged"

    def known(**query: int) -> Any:
        return control.get(path, params=query).json()

    sent = [shop.wa.send_text(bob, shop.phone, f"count me {i}") for i in range(3)]
    until(lambda: {entry["id"] for entry in known()["acknowledged"]} >= set(sent), "all of them acknowledged")

    first, second, third = [entry for entry in known()["acknowledged"] if entry["id"] in sent]
    assert {first["id"], second["id"], third["id"]} == set(sent)
    assert (first["device"], first["how"]) == (shop.device, "received")
    assert [each["waited"] for each in first["handed"]] == [False]
    assert first["handed"][0]["at"] <= first["at"]
    assert known(after=first["seq"], limit=1)["acknowledged"] == [second]
    assert known(after=third["seq"]) == {"acknowledged": [], "waiting": 0}


def test_what_a_linked_device_could_not_read_is_told_from_what_it_has(
    control: httpx.Client, shop: Shop, someone: Someone
) -> None:
    bob, path = someone("Bob"), f"/phones/{shop.phone.number}/acknowledged"
    shop.wa.send_text(bob, shop.phone, "before the place was lost")
    shop.program.hears("before the place was lost", client=shop.client)
    session = bob.signal.sessions[shop.phone.address_of(shop.phone.companions[shop.device])]
    session.states[0].sending.key = bytes(32)  # Bob's phone has lost its place

    sent = shop.wa.send_text(bob, shop.phone, "count me as asked again")
    shop.program.hears("count me as asked again", client=shop.client)

    def how() -> list[str]:
        return [e["how"] for e in control.get(path).json()["acknowledged"] if e["id"] == sent]

    until(lambda: how() == ["putAside", "received"], "put aside and asked for, and then here")


def test_what_nobody_acknowledges_is_waiting(control: httpx.Client, shop: Shop, someone: Someone) -> None:
    bob, path = someone("Bob"), f"/phones/{shop.phone.number}/acknowledged"
    shop.wa.faults.refuse_tcp = True
    shop.wa.drop(shop.phone)
    until(lambda: not shop.phone.companions[shop.device].is_online, "the device away")

    shop.wa.send_text(bob, shop.phone, "anybody there?")

    assert control.get(path).json()["waiting"] == 1
    shop.wa.faults.refuse_tcp = False
    until(lambda: control.get(path).json()["waiting"] == 0, "everything acknowledged")
    last = control.get(path).json()["acknowledged"][-1]
    assert [each["waited"] for each in last["handed"]] == [True]


def test_a_picture_and_a_group_message_are_sent(control: httpx.Client, someone: Someone) -> None:
    ana, bob = someone("Ana"), someone("Bob")
    order = {"subject": "Both", "members": [ana.number, bob.number]}
    group = control.post("/groups", json=order).json()
    assert group in control.get("/groups").json()

    control.post(f"/phones/{ana.number}/send", json={"to": group["jid"], "text": "look", "image": as_png("x")})

    [message] = control.get(f"/phones/{bob.number}/inbox").json()["messages"]
    assert (message["kind"], message["text"], message["group"]) == ("image", "look", group["jid"])
    refused(
        control.post(f"/phones/{someone().number}/send", json={"to": group["jid"], "text": "x"}), 404, "unknown_group"
    )


def test_what_happens_is_told_at_once(control: httpx.Client, someone: Someone) -> None:
    ana, bob = someone("Ana"), someone("Bob")
    after = control.get("/events").json()["next"]
    told: list[Any] = []
    control.post(f"/phones/{ana.number}/send", json={"to": bob.number, "text": "secret"})

    while len(told) < 3:
        news = control.get("/events", params={"after": after, "wait": 30}).json()
        assert news["events"], "nothing for half a minute"
        # Other tests' phones may still be leaving.
        told += [event for event in news["events"] if event["number"] in (ana.number, bob.number)]
        after = news["next"]

    assert [(event["type"], event["number"]) for event in told] == [
        ("message", ana.number),
        ("message", bob.number),
        ("receipt", ana.number),
    ]
    assert "secret" not in str(told)


# -- faults ---------------------------------------------------------------------------------------------------


def test_switches_are_turned_in_part_and_reset_as_a_whole(control: httpx.Client) -> None:
    at_rest = control.get("/faults").json()
    turned = {
        "qrRefs": 1,
        "refuseTcp": True,
        "httpStatus": 503,
        "loginFailures": {"5511900000001": {"reason": "402", "code": "101", "expire": "60"}},
        "iqErrors": {"md/set/link_code_companion_reg": {"code": 429, "text": "rate-overlimit"}},
        "muteXmlns": ["w:p"],
        "messageErrors": {"5511900000001": 463},
        "holdMessageAcks": True,
        "mediaStatus": 500,
        "closeDelay": 0.5,
        "autoDeliver": {"5511900000001": False},
        "onWhatsapp": {"5511900000001": False},
    }
    assert set(turned) == set(at_rest)

    for key, value in turned.items():
        assert control.post("/faults", json={key: value}).json()[key] == value

    assert control.get("/faults").json() == turned
    assert control.post("/faults", json={"messageErrors": {"5511900000001": None}}).json()["messageErrors"] == {}
    assert control.delete("/faults").json() == at_rest


def test_a_wrong_switch_turns_none(control: httpx.Client) -> None:
    refused(control.post("/faults", json={"refuseTcp": True, "qrRefs": "many"}), 400, "bad_input")

    assert control.get("/faults").json()["refuseTcp"] is False


@pytest.mark.parametrize(
    "switches",
    [
        {"unknown": 1},
        {"qrRefs": True},
        {"refuseTcp": 1},
        {"httpStatus": 20},
        {"loginFailures": []},
        {"loginFailures": {"x": {"reason": "401"}}},
        {"loginFailures": {"5511900000001": {"code": "1"}}},
        {"loginFailures": {"5511900000001": {"reason": "401", "why": "1"}}},
        {"iqErrors": {"md/set": {"code": 1}}},
        {"iqErrors": {"a/b/c": {"code": "1"}}},
        {"muteXmlns": "w:p"},
        {"messageErrors": {"5511900000001": -1}},
        {"closeDelay": -1},
        {"autoDeliver": {"5511900000001": "no"}},
        {"drop": 5},
        {"hang": "x"},
        {"streamError": {"number": "5511900000001"}},
    ],
)
def test_switches_that_make_no_sense_are_refused(control: httpx.Client, switches: dict[str, Any]) -> None:
    refused(control.post("/faults", json=switches), 400, "bad_input")


def test_a_connection_is_dropped_or_ended_with_an_error_on_order(control: httpx.Client, shop: Shop) -> None:
    before = shop.program.now
    assert control.post("/faults", json={"drop": shop.phone.number}).is_success
    shop.program.connected(since=before, client=shop.client)

    order = {"streamError": {"number": shop.phone.number, "code": 555}}
    assert control.post("/faults", json=order).is_success

    assert shop.program.wait("StreamError", client=shop.client)["data"]["Code"] == "555"
    refused(control.post("/faults", json={"drop": "5511000000000"}), 404, "unknown_phone")


def test_a_connection_that_hangs_stays_open_and_what_it_did_not_take_comes_with_the_next(
    control: httpx.Client, shop: Shop, someone: Someone
) -> None:
    before = shop.program.now
    assert control.post("/faults", json={"hang": shop.phone.number}).is_success

    shop.wa.send_text(someone("Bob"), shop.phone, "Anybody there?")
    devices = control.get(f"/phones/{shop.phone.number}").json()["linkedDevices"]
    shop.wa.drop(shop.phone)

    assert devices[0]["online"]
    shop.program.connected(since=before, client=shop.client)
    shop.program.hears("Anybody there?", before, shop.client)
    refused(control.post("/faults", json={"hang": "5511000000000"}), 404, "unknown_phone")


# -- the rest -------------------------------------------------------------------------------------------------


def test_the_network_says_what_a_program_needs(control: httpx.Client, wa: SandboxThread) -> None:
    assert control.get("/network").json() == {
        "proxy": wa.sandbox.proxy, "ca": wa.sandbox.ca, "rootKey": wa.sandbox.root_key,
    }  # fmt: skip
    assert wa.sandbox.ca.startswith("-----BEGIN CERTIFICATE-----")
    assert len(bytes.fromhex(wa.sandbox.root_key)) == 32


def test_renaming_shows_everywhere(control: httpx.Client, shop: Shop) -> None:
    control.post(f"/phones/{shop.phone.number}/rename", json={"name": "Nova"})

    assert control.get(f"/phones/{shop.phone.number}").json()["name"] == "Nova"
    until(lambda: shop.program.do("get_me", shop.client).get("PushName") == "Nova", "the name on the device")


# -- reactions and typing -------------------------------------------------------------------------------------


def test_people_react_to_messages_and_take_it_back(control: httpx.Client, someone: Someone) -> None:
    ana, bob = someone("Ana"), someone("Bob")
    sent = control.post(f"/phones/{ana.number}/send", json={"to": bob.number, "text": "oi"}).json()["id"]

    def shown(phone: Phone) -> Any:
        (message,) = control.get(f"/phones/{phone.number}/inbox").json()["messages"]
        return message["reactions"]

    def react(phone: Phone, emoji: str) -> None:
        assert control.post(f"/phones/{phone.number}/react", json={"id": sent, "emoji": emoji}).status_code == 200

    react(bob, "👍")
    react(ana, "🎉")
    react(bob, "😂")
    both = [{"from": ana.number, "emoji": "🎉"}, {"from": bob.number, "emoji": "😂"}]
    assert shown(ana) == shown(bob) == both
    react(bob, "")
    assert shown(ana) == shown(bob) == both[:1]
    kinds = [event["type"] for event in control.get("/events?after=0").json()["events"] if event.get("id") == sent]
    assert kinds.count("reaction") == 8


def test_a_reaction_in_a_group_stands_at_the_message_of_whoever_wrote_it(
    control: httpx.Client, shop: Shop, someone: Someone
) -> None:
    bob = someone("Bob")
    group = shop.wa.group("Team", shop.phone, bob)
    sent = shop.wa.send_group_text(shop.phone, group, "oi")

    control.post(f"/phones/{bob.number}/react", json={"id": sent, "emoji": "👍"})

    assert [list(p.reactions_to(p.shown[-1]).values()) for p in (bob, shop.phone)] == [["👍"], ["👍"]]


def test_what_cannot_be_reacted_to_or_with_is_refused(control: httpx.Client, someone: Someone) -> None:
    path = f"/phones/{someone('Ana').number}/react"

    refused(control.post(path, json={"id": "NOBODYS", "emoji": "👍"}), 404, "unknown_message")
    refused(control.post(path, json={"id": "NOBODYS", "emoji": "x" * 33}), 400, "bad_input")
    refused(control.post(path, json={"id": "NOBODYS"}), 400, "bad_input")


def test_a_phone_shows_who_is_writing_until_they_stop(control: httpx.Client, someone: Someone) -> None:
    ana, bob = someone("Ana"), someone("Bob")

    def types(is_typing: bool) -> Any:
        control.post(f"/phones/{ana.number}/typing", json={"to": bob.number, "typing": is_typing})
        return control.get(f"/phones/{bob.number}").json()["typing"]

    assert types(True) == [{"peer": ana.number, "by": ana.number}]
    assert types(False) == []
    refused(control.post(f"/phones/{ana.number}/typing", json={"to": bob.number, "typing": 1}), 400, "bad_input")


def test_only_devices_that_are_present_hear_who_is_writing(shop: Shop, someone: Someone) -> None:
    bob, device = someone("Bob"), shop.phone.companions[shop.device]
    said = len(shop.wa.watch.said("out", "chatstate"))

    shop.wa.type(bob, shop.phone)
    assert len(shop.wa.watch.said("out", "chatstate")) == said
    device.is_present = True
    shop.wa.type(bob, shop.phone)
    until(lambda: len(shop.wa.watch.said("out", "chatstate")) == said + 1, "the device is told")
    device.is_present = False


THINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "image": ({"image": as_png("x"), "text": "look"}, "image", "look"),
    "document": ({"document": {"name": "bill.pdf", "mimetype": "application/pdf", "pages": 3}}, "document", "bill.pdf"),
    "document with words": (
        {"document": {"name": "bill.pdf", "preview": as_png("x")}, "text": "Due"},
        "document",
        "Due",
    ),
    "video": ({"video": {"seconds": 31, "preview": as_png("x")}, "text": "look"}, "video", "look"),
    "voice": ({"voice": {"seconds": 7}}, "audio", ""),
    "location": ({"location": {"latitude": 53.5, "longitude": 9.9, "name": "Pier 4"}}, "location", "Pier 4"),
    "contact": ({"contact": {"name": "Eve", "number": "+49 1555 0000088"}}, "contact", "Eve"),
    "poll": ({"text": "When?", "poll": {"options": ["Mon", "Tue"]}}, "poll", "When?"),
}


@pytest.mark.parametrize("name", THINGS)
def test_people_send_each_other_things(control: httpx.Client, someone: Someone, name: str) -> None:
    body, kind, text = THINGS[name]
    ana, bob = someone("Ana"), someone("Bob")

    answer = control.post(f"/phones/{ana.number}/send", json={"to": bob.number, **body})

    assert answer.status_code == 200, answer.text
    [message] = control.get(f"/phones/{bob.number}/inbox").json()["messages"]
    assert (message["kind"], message["text"]) == (kind, text)


@pytest.mark.parametrize(
    "body",
    [
        {"image": as_png("x"), "voice": {"seconds": 7}},
        {"voice": 7},
        {"voice": {}},
        {"voice": {"seconds": 0}},
        {"voice": {"seconds": 7, "loud": True}},
        {"video": {"seconds": 7, "preview": "data:image/png;base64,aGVsbG8="}},
        {"document": {"name": " "}},
        {"location": {"latitude": 91, "longitude": 0}},
        {"location": {"latitude": "53", "longitude": 0}},
        {"contact": {"name": "Eve", "number": "x"}},
        {"poll": {"options": ["Mon", "Tue"]}},
        {"text": "When?", "poll": {"options": ["Mon"]}},
    ],
)
def test_what_no_phone_could_send_is_refused(control: httpx.Client, someone: Someone, body: dict[str, Any]) -> None:
    ana, bob = someone("Ana"), someone("Bob")

    refused(control.post(f"/phones/{ana.number}/send", json={"to": bob.number, **body}), 400, "bad_input")
