"""Frames of clients: what is let in, what the older protocol becomes, and payloads that hold many."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.socketio import wire
from whatsapp.socketio.wire import Rubbish, checked, from_3, packed, to_3, unpacked


@pytest.mark.parametrize(
    ("frame", "let_in"),
    [
        ("2probe", "2probe"),
        ("3", "3"),
        ("5", "5"),
        ("1", "1"),
        ("40", "40"),
        ("40/whatsapp,", "40/whatsapp,"),
        ('40/whatsapp,{"token":"x"}', '40/whatsapp,{"token":"x"}'),
        ('40/whatsapp,"x"', "40/whatsapp,"),
        ("41/whatsapp,", "41/whatsapp,"),
        ('42["ping"]', '42["ping"]'),
        ('42/whatsapp,12["x",{"a":[1]}]', '42/whatsapp,12["x",{"a":[1]}]'),
    ],
)
def test_what_a_client_says_is_let_in(frame: str, let_in: str) -> None:
    assert checked(frame) == let_in


def test_binary_events_come_with_their_placeholders_and_their_bytes_go_nowhere() -> None:
    event = '["x",{"_placeholder":true,"num":0}]'

    assert checked(f"451-/whatsapp,3{event}") == f"42/whatsapp,3{event}"
    assert checked(b"\x01\x02") is None


def test_acknowledgements_of_what_nobody_asked_are_dropped() -> None:
    assert checked('43/whatsapp,7["x"]') is None


@pytest.mark.parametrize(
    "frame",
    [
        "", "x", "2", "6", "0{}", "4", "48", "42", "42{}", "42[]", '42"x"', "42[1]", '42[{"a":1}]', '42[["x"]]',
        '42["connect",{}]', '42/whatsapp,["disconnect"]', '42["*"]', '42["x"', "4" + "2" + "[" * 20_000,
        '44/whatsapp,{"message":"x"}', '42/whatsapp,9999999999999999["x"]', '459999999999-["x"]',
        "42[" + "9" * 9000 + "]",
    ],
)  # fmt: skip
def test_rubbish_is_not_let_in(frame: str) -> None:
    with pytest.raises(Rubbish):
        checked(frame)


@given(st.text(max_size=200))
def test_any_text_is_let_in_or_rubbish(text: str) -> None:
    for frame in (text, f"4{text}", f"42{text}"):
        try:
            checked(frame)
        except Rubbish:
            continue


# -- the older protocol ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("40/whatsapp?token=a.b-c%3D,", '40/whatsapp,{"token":"a.b-c="}'),
        ("40/whatsapp?token=x&b=1", '40/whatsapp,{"token":"x","b":"1"}'),
        ("40/whatsapp,", "40/whatsapp,"),
        ("40/whatsapp", "40/whatsapp,"),
        ("40", None),
        ('42/whatsapp,1["x"]', '42/whatsapp,1["x"]'),
    ],
)
def test_an_older_clients_frame_becomes_a_newer_one(older: str, newer: str | None) -> None:
    assert from_3(older) == newer


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ('40{"sid":"abc"}', "40"),
        ('40/whatsapp,{"sid":"abc"}', "40/whatsapp"),
        ('44/whatsapp,{"message":"нет","data":{"code":"x"}}', '44/whatsapp,"\\u043d\\u0435\\u0442"'),
        ("2", None),
        ("3probe", "3probe"),
        ('42/whatsapp,["x",{"message":"y"}]', '42/whatsapp,["x",{"message":"y"}]'),
    ],
)
def test_the_servers_frame_becomes_an_older_one(newer: str, older: str | None) -> None:
    assert to_3(newer) == older


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_older_payloads_come_back_as_they_were(frames: list[str]) -> None:
    frames = [f"4{frame}" for frame in frames]

    assert unpacked(packed(frames, 3), 3) == frames


def test_lengths_count_as_javascript_does() -> None:
    assert packed(["4🌊"], 3) == "3:4🌊".encode()
    assert unpacked("3:4🌊2:2x".encode(), 3) == ["4🌊", "2x"]


def test_an_older_binary_payload_is_read() -> None:
    text, data = '451-["x"]', b"\x04\x01\x02"
    body = b"\x00\x09\xff" + text.encode() + b"\x01\x03\xff" + data

    assert unpacked(body, 3) == [text, b""]


@pytest.mark.parametrize(
    "body", [b"5:40", b"x", b"5", b":", b"-1:x", b"9999999999:x", b"\x00\x05\xffab", b"\x00\x05", b"\xff\xfe"]
)
def test_older_payloads_that_lie_are_rubbish(body: bytes) -> None:
    with pytest.raises(Rubbish):
        unpacked(body, 3)


@given(st.binary(max_size=100), st.sampled_from([3, 4]))
def test_any_payload_is_read_or_rubbish(body: bytes, version: int) -> None:
    try:
        frames = unpacked(body, version)
    except Rubbish:
        return
    assert all(isinstance(frame, str | bytes) for frame in frames)


def test_an_answer_with_nothing_in_it_says_so() -> None:
    assert (packed([], 3), packed([], 4)) == (b"1:6", b"6")


def test_answers_and_questions_are_known_by_their_number() -> None:
    assert wire.numbered('42/whatsapp,7["x"]', wire.EVENT) == ("/whatsapp,", "7", '["x"]')
    assert wire.numbered('42["x"]', wire.EVENT) is None
    assert wire.numbered('437["x"]', wire.ACK) == ("", "7", '["x"]')
    assert wire.answer_frame("/whatsapp,", "8", json.dumps(["x"])) == '43/whatsapp,8["x"]'
