"""Frames between worker and host: what is sent arrives as it was, and what is no frame is refused."""

import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from tests.engine.properties import STEADY
from whatsapp.engine import bounds, port, wire

TEXT = st.text(max_size=50)
#: As SQLite counts.
NUMBERS = st.integers(0, 2**63 - 1)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
FOLDERS = st.just(Path("/state/sessions/01"))


def of(cls: type, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any instance; fields that the type alone does not describe are given."""
    hints = typing.get_type_hints(cls)
    plain = {str: TEXT, float: SECONDS, bytes: st.binary(max_size=40), int: NUMBERS}
    names = [field.name for field in dataclasses.fields(cls)]
    return st.builds(
        cls, **{name: known.get(name, plain.get(hints[name], st.from_type(hints[name]))) for name in names}
    )


IDS = st.lists(TEXT, max_size=4).map(tuple)
PERSONS = of(port.Person)
PEOPLE = {"peer": PERSONS, "sender": PERSONS}
COMMANDS = st.one_of(
    of(port.SendText),
    of(port.SendReaction),
    of(port.SendTyping),
    of(port.BePresent),
    of(port.RequestCode),
    of(port.MarkRead, wa_ids=IDS),
    of(port.Disconnect),
    of(port.Logout),
)
PREVIEWS = of(port.Preview)
MEDIA = of(
    port.Media,
    latitude=st.none() | SECONDS,
    longitude=st.none() | SECONDS,
    lines=st.lists(TEXT, max_size=3).map(tuple),
    preview=st.none() | PREVIEWS,
)
KINDS: dict[type, st.SearchStrategy[Any]] = {
    port.ChallengeIssued: of(port.ChallengeIssued, kind=st.sampled_from(["qr", "code"])),
    port.MessageReceived: of(port.MessageReceived, **PEOPLE, media=st.none() | MEDIA),
    port.MessageUnreadable: of(port.MessageUnreadable, **PEOPLE),
    port.MessageLost: of(port.MessageLost, **PEOPLE),
    port.ReceiptReceived: of(port.ReceiptReceived, wa_ids=IDS, peer=PERSONS),
    port.SendFinished: of(port.SendFinished, peer=PERSONS),
    port.ReactionReceived: of(port.ReactionReceived, **PEOPLE),
    port.TypingSeen: of(port.TypingSeen, **PEOPLE),
    port.Ended: of(port.Ended, until_seconds=st.none() | SECONDS),
}
EVENTS = st.one_of(*(KINDS.get(kind, of(kind)) for kind in typing.get_args(port.EngineEvent)))
BIRTHS = st.lists(of(port.SessionBirth, folder=FOLDERS), max_size=3).map(tuple)
FRAMES = st.one_of(
    of(wire.Birth, sessions=BIRTHS),
    of(wire.Order, command=COMMANDS),
    of(wire.Acknowledge),
    of(wire.Look),
    of(wire.Present),
    of(wire.End),
    of(port.Report, event=EVENTS),
)


@STEADY
@given(FRAMES)
def test_every_frame_arrives_as_it_was(frame: wire.Frame) -> None:
    sent = wire.encode(frame)

    length = wire.body_length(sent[: wire.HEADER])

    assert length == len(sent) - wire.HEADER
    assert wire.decode(sent[wire.HEADER :]) == frame


@STEADY
@given(st.lists(FRAMES, max_size=4), st.integers(1, 60))
def test_frames_arrive_whole_and_in_order_however_the_stream_is_cut(frames: list[wire.Frame], size: int) -> None:
    stream, unread = b"".join(map(wire.encode, frames)), wire.Unread()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert [frame for piece in pieces for frame in unread.add(piece)] == frames


def test_frames_before_nonsense_arrive() -> None:
    arriving = wire.Unread().add(wire.encode(wire.End()) + b"\x00\x00\x00\x01\xff")

    assert next(arriving) == wire.End()
    with pytest.raises(ValueError):  # noqa: PT011  # which one is of no interest
        next(arriving)


PERSON = {"pn": "1"}
ANSWER = {"message_id": "m", "outcome": "acknowledged", "peer": 5}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        *map(
            msgpack.encode,
            [
                None,
                7,
                "End",
                [],
                {},
                ["", "", 0, "End"],
                ["", "", 0, "Nobody", {}],
                ["", "", 0, "Person", PERSON],
                ["", "", 0, [], {}],
                ["", "", 0, "End", []],
                ["", "", 0, "Acknowledge", {}],
                ["", "", 0, "Acknowledge", {"session_id": 5, "seq": 1}],
                ["", "", 0, "Acknowledge", {"session_id": "a", "seq": "1"}],
                ["", "", 0, "Acknowledge", {"session_id": "a", "seq": True}],
                ["", "", 0, "Acknowledge", {"session_id": ["a"], "seq": 1}],
                ["", "", 0, "Birth", {"sessions": [{"session_id": "a", "folder": 5}]}],
                ["Order", "a", 0, "Nobody", {}],
                ["Order", "a", 0, "Alive", {}],
                ["Order", "a", 0, "SendText", {"message_id": "m", "to": "t", "text": "x", "secret": 7}],
                ["Order", 5, 0, "Logout", {}],
                ["Report", "a", 0, "Ended", {"ending": "for fun"}],
                ["Report", "a", 0, "SendFinished", ANSWER],
                ["Report", "a", "1", "Alive", {}],
                ["Riot", "a", 0, "Alive", {}],
            ],
        ),
        b"\x91" * 100_000,
    ],
)
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # which one is of no interest
        wire.decode(body)


KNOWN = st.sampled_from(["", "Order", "Report", "End", "Birth", "Acknowledge", "Alive", "Ended", "SendText"])
FIELDS = st.dictionaries(st.sampled_from(["session_id", "event", "command", "seq", "sessions", "ending"]), TEXT)
ANYTHING = st.recursive(st.none() | st.booleans() | NUMBERS | TEXT | KNOWN | FIELDS, st.lists)


@STEADY
@given(ANYTHING | st.tuples(KNOWN, TEXT, NUMBERS, KNOWN, FIELDS | ANYTHING))
def test_whatever_comes_it_is_a_frame_or_refused(value: Any) -> None:
    try:
        frame = wire.decode(msgpack.encode(value))
    except ValueError:
        return
    assert isinstance(frame, wire.Frame)


def test_a_frame_that_is_too_long_is_refused_before_it_is_read() -> None:
    assert wire.body_length(wire.MAX_FRAME.to_bytes(4, "big")) == wire.MAX_FRAME
    with pytest.raises(ValueError, match="bytes"):
        wire.body_length((wire.MAX_FRAME + 1).to_bytes(4, "big"))


def test_the_longest_message_fits_into_a_frame() -> None:
    person = port.Person("1" * 20, "1" * 32, "\U0001f600" * 120)
    preview = port.Preview(bytes(bounds.MAX_PREVIEW), 1024, 1024)
    lines = ("\U0001f600" * bounds.MAX_NAME,) * bounds.MAX_LINES
    media = port.Media(description="\U0001f600" * bounds.MAX_DESCRIPTION, lines=lines, preview=preview)
    longest = port.MessageReceived("A" * 64, 0.0, False, "g" * 64, person, person, "text", "\0" * 65_536, media)

    assert len(wire.encode(port.Report("s", longest, seq=2**62))) < wire.MAX_FRAME


def test_a_message_without_media_says_nothing_of_it() -> None:
    plain = port.MessageReceived("A", 0.0, False, "", port.Person(pn="1"), port.Person(pn="1"), "text", "Hello")

    frame = wire.encode(port.Report("s", plain, seq=1))

    assert b"media" not in frame
    assert wire.decode(frame[wire.HEADER :]) == port.Report("s", plain, seq=1)
    assert plain.media is None
