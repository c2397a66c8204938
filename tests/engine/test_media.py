"""What a message says of its media, and that a stranger's bytes and numbers leave the translation bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.events import e2e, message, pb, received
from tests.engine.properties import STEADY
from tests.jpegs import SMALL, picture
from whatsapp.engine import bounds, jpeg, port, wire

SEEN = port.Preview(SMALL, 72, 54)
VCARD = (
    "BEGIN:VCARD\nVERSION:3.0\nFN:Eve\nitem1.TEL;waid=4915550000088:+49 1555 0000088\nitem1.X-ABLabel:Work\nEND:VCARD"
)

SAID: dict[str, tuple[Any, port.Media | None]] = {
    "text": (e2e.Message(conversation="Hello"), None),
    "text with nothing beside it": (e2e.Message(extendedTextMessage={"text": "Hello"}), None),
    "link": (
        e2e.Message(
            extendedTextMessage={"text": "x", "title": "A shop", "description": "Bread", "JPEGThumbnail": SMALL}
        ),
        port.Media(title="A shop", description="Bread", preview=SEEN),
    ),
    "image": (
        e2e.Message(
            imageMessage={
                "mimetype": "image/jpeg",
                "fileLength": 81_000,
                "width": 1600,
                "height": 1200,
                "JPEGThumbnail": SMALL,
            }
        ),
        port.Media(mimetype="image/jpeg", size=81_000, width=1600, height=1200, preview=SEEN),
    ),
    "image to be seen once": (
        e2e.Message(imageMessage={"mimetype": "image/jpeg", "viewOnce": True, "JPEGThumbnail": SMALL}),
        port.Media(mimetype="image/jpeg", is_once=True),
    ),
    "video": (
        e2e.Message(videoMessage={"mimetype": "video/mp4", "seconds": 12, "gifPlayback": True, "JPEGThumbnail": SMALL}),
        port.Media(mimetype="video/mp4", seconds=12, is_animated=True, preview=SEEN),
    ),
    "round video": (e2e.Message(ptvMessage={"seconds": 5}), port.Media(seconds=5)),
    "voice": (
        e2e.Message(audioMessage={"mimetype": "audio/ogg; codecs=opus", "seconds": 7, "PTT": True, "fileLength": 9}),
        port.Media(mimetype="audio/ogg; codecs=opus", seconds=7, is_voice=True, size=9),
    ),
    "document": (
        e2e.Message(
            documentMessage={"fileName": "bill.pdf", "mimetype": "application/pdf", "pageCount": 3, "fileLength": 77}
        ),
        port.Media(mimetype="application/pdf", file_name="bill.pdf", pages=3, size=77),
    ),
    "captioned document": (
        e2e.Message(documentWithCaptionMessage={"message": {"documentMessage": {"title": "bill.pdf"}}}),
        port.Media(file_name="bill.pdf"),
    ),
    "sticker": (
        e2e.Message(stickerMessage={"mimetype": "image/webp", "width": 512, "height": 512, "isAnimated": True}),
        port.Media(mimetype="image/webp", width=512, height=512, is_animated=True),
    ),
    "contact": (
        e2e.Message(contactMessage={"displayName": "Eve", "vcard": VCARD}),
        port.Media(lines=("+49 1555 0000088",)),
    ),
    "contacts": (
        e2e.Message(
            contactsArrayMessage={"contacts": [{"displayName": "Eve", "vcard": VCARD}, {"displayName": "Max"}]}
        ),
        port.Media(lines=("Eve +49 1555 0000088", "Max")),
    ),
    "location": (
        e2e.Message(
            locationMessage={
                "name": "Pier 4",
                "address": "Harbour Street 1",
                "degreesLatitude": 53.5,
                "degreesLongitude": 9.9,
                "JPEGThumbnail": SMALL,
            }
        ),
        port.Media(title="Pier 4", address="Harbour Street 1", latitude=53.5, longitude=9.9, preview=SEEN),
    ),
    "poll": (
        e2e.Message(pollCreationMessageV3={"name": "When?", "options": [{"optionName": "Mon"}, {"optionName": "Tue"}]}),
        port.Media(lines=("Mon", "Tue")),
    ),
    "unheard of": (e2e.Message(orderMessage={}), None),
}


@pytest.mark.parametrize("name", SAID)
def test_each_kind_of_message_says_what_it_brings(name: str) -> None:
    content, media = SAID[name]

    assert received(message(content)).media == media


@pytest.mark.parametrize("flag", ["IsViewOnce", "IsViewOnceV2", "IsViewOnceV2Extension"])
def test_of_what_is_to_be_seen_once_no_preview_is_kept(flag: str) -> None:
    content = e2e.Message(imageMessage={"JPEGThumbnail": SMALL})

    media = received(with_flag(message(content), flag)).media

    assert media == port.Media(is_once=True)


def with_flag(payload: bytes, flag: str) -> bytes:
    raw = pb.Message.FromString(payload)
    setattr(raw, flag, True)
    return bytes(raw.SerializePartialToString())


# -- previews --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "size"),
    [
        (picture(100, 75), (100, 75)),
        (picture(1, 1), (1, 1)),
        (picture(bounds.MAX_PREVIEW_SIDE, 300), (bounds.MAX_PREVIEW_SIDE, 300)),
        (picture(60, 60, progressive=True), (60, 60)),
        (picture(60, 60, mode="L"), (60, 60)),
        (picture(60, 60, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"), (60, 60)),
    ],
)
def test_previews_that_phones_make_are_measured(data: bytes, size: tuple[int, int]) -> None:
    assert jpeg.measure(data) == size


NO_PREVIEWS: dict[str, bytes] = {
    "nothing": b"",
    "text": b"<svg onload=alert(1)>",
    "a page behind the first bytes": b"\xff\xd8<script>alert(1)</script>\xff\xda",
    "the first bytes alone": b"\xff\xd8\xff",
    "cut before its size": SMALL[:40],
    "cut before its first scan": SMALL[: SMALL.index(b"\xff\xda")],
    "too many pixels": picture(bounds.MAX_PREVIEW_SIDE + 1, 8),
    "a side that is told as nothing": SMALL.replace(b"\x00\x36\x00\x48", b"\x00\x00\x00\x48"),
    "four colours": picture(mode="CMYK"),
    "too large": SMALL + bytes(bounds.MAX_PREVIEW),
    "painted over too often": SMALL + b"\xff\xda" * bounds.MAX_PREVIEW_SCANS,
    "segments without a length": b"\xff\xd8" + b"\xff\xe0\x00\x00" * 20 + b"\xff\xda",
    "padding without end": b"\xff\xd8" + b"\xff" * 60_000 + b"\xff\xda",
    "another format": b"\x89PNG\r\n\x1a\n" + bytes(60) + b"\xff\xda",
}


@pytest.mark.parametrize("name", NO_PREVIEWS)
def test_what_is_no_small_jpeg_is_no_preview_and_the_message_stays(name: str) -> None:
    event = received(
        message(e2e.Message(imageMessage={"caption": "Look", "width": 9, "JPEGThumbnail": NO_PREVIEWS[name]}))
    )

    assert event.media == port.Media(width=9)
    assert event.text == "Look"


@STEADY
@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_whatever_the_bytes_are_a_preview_is_a_jpeg_of_a_size_or_nothing(noise: bytes, start: int, length: int) -> None:
    data = SMALL[:start] + noise + SMALL[start + length :]

    for each in (noise, data, SMALL[:2] + noise):
        size = jpeg.measure(each)
        assert size is None or (each[:2] == b"\xff\xd8" and all(1 <= side <= bounds.MAX_PREVIEW_SIDE for side in size))


# -- strangers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\eve\\report.pdf", "report.pdf"),
        ("..", ""),
        ("folder/", ""),
        ("photo\u202egpj.exe", "photo gpj.exe"),
        ("two\r\nlines\0.txt", "two lines\ufffd.txt"),
        ("  .env ", ".env"),
        ("Отчёт за июнь.pdf", "Отчёт за июнь.pdf"),
        ("a" * 900 + ".pdf", ("a" * 900 + ".pdf")[-bounds.MAX_FILE_NAME :]),
    ],
)
def test_a_file_has_a_name_that_can_be_read_and_no_folder(said: str, kept: str) -> None:
    assert bounds.file_name(said) == kept


NUMBERS = st.integers(0, 2**32 - 1)
WORDS = st.text(max_size=80) | st.sampled_from(
    ["\0" * 400, "\u202e" * 400, "a/" * 400, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") * 400]
)


@STEADY
@given(
    words=WORDS,
    size=st.integers(0, 2**64 - 1),
    number=NUMBERS,
    degrees=st.floats(),
    many=st.integers(0, 60),
    preview=st.binary(max_size=90) | st.just(SMALL),
)
def test_nothing_that_a_stranger_says_of_media_leaves_the_bounds(
    words: str, size: int, number: int, degrees: float, many: int, preview: bytes
) -> None:
    thing = {"mimetype": words, "fileLength": size, "width": number, "height": number, "JPEGThumbnail": preview}
    card = {"displayName": words, "vcard": f"TEL:{words}\n" * many}
    contents = [
        e2e.Message(imageMessage=thing),
        e2e.Message(videoMessage={**thing, "seconds": number}),
        e2e.Message(documentMessage={"fileName": words, "title": words, "pageCount": number, "fileLength": size}),
        e2e.Message(contactMessage=card),
        e2e.Message(contactsArrayMessage={"contacts": [card] * many}),
        e2e.Message(locationMessage={"name": words, "degreesLatitude": degrees, "degreesLongitude": degrees}),
        e2e.Message(pollCreationMessage={"options": [{"optionName": words}] * many}),
        e2e.Message(extendedTextMessage={"title": words, "description": words, "JPEGThumbnail": preview}),
    ]
    for content in contents:
        event = received(message(content))
        check(event.media or port.Media())
        assert wire.decode(wire.encode(port.Report("s", event))[wire.HEADER :]) == port.Report("s", event)


def check(media: port.Media) -> None:
    texts = (media.mimetype, media.file_name, media.title, media.address, *media.lines)
    for text in (*texts, media.description):
        assert not any(ord(each) < 32 for each in text), text
        assert "\u202e" not in text
        text.encode()
    assert len(media.file_name) <= bounds.MAX_FILE_NAME
    assert "/" not in media.file_name
    assert len(media.mimetype) <= bounds.MAX_MIMETYPE
    assert max(len(media.title), len(media.address)) <= bounds.MAX_TITLE
    assert len(media.description) <= bounds.MAX_DESCRIPTION
    assert len(media.lines) <= bounds.MAX_LINES
    assert 0 <= media.size <= bounds.MAX_SIZE
    assert all(0 <= each <= bounds.MAX_COUNT for each in (media.pages, media.seconds, media.width, media.height))
    assert (media.latitude is None) == (media.longitude is None)
    assert media.latitude is None or abs(media.latitude) <= 90


def test_bytes_that_are_no_text_are_no_reason_to_fail() -> None:
    payload = message(e2e.Message(documentMessage={"fileName": "Hostile", "mimetype": "Hostile"}))

    media = received(payload.replace(b"Hostile", b"\xff\xfe\x00\xff\xfe\x00\xff")).media

    assert media == port.Media(file_name="\ufffd" * 7, mimetype="\ufffd" * 7)
