"""What a message says of the thing that it brings: WhatsApp's protobuf in, a `port.Media` out. Pure.

Strangers fill these fields in, so everything leaves here bounded, and what makes no sense is not said at all.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Final

from whatsapp.engine import jpeg
from whatsapp.engine.bounds import (
    MAX_COUNT,
    MAX_DESCRIPTION,
    MAX_LINES,
    MAX_MIMETYPE,
    MAX_NAME,
    MAX_SIZE,
    MAX_TEXT,
    MAX_TITLE,
    clean,
    file_name,
    line,
)
from whatsapp.engine.port import Media, Preview


def media_in(raw: Any, field: str) -> Media | None:
    """Of neonize's `Message` whose content is in `field`; None for plain texts and for what says nothing of itself."""
    read = _READERS.get(field)
    if read is None:
        return None
    content = getattr(raw.Message, field)
    is_once = raw.IsViewOnce or raw.IsViewOnceV2 or raw.IsViewOnceV2Extension
    media = read(content, bool(is_once or getattr(content, "viewOnce", False)))
    return None if media == _NOTHING else media


_NOTHING: Final = Media()


# -- by kind ---------------------------------------------------------------------------------------------------------
def _image(content: Any, is_once: bool) -> Media:
    return Media(
        mimetype=_mimetype(content),
        size=_number(content.fileLength, MAX_SIZE),
        width=_number(content.width),
        height=_number(content.height),
        is_once=is_once,
        preview=None if is_once else _preview(content),
    )


def _video(content: Any, is_once: bool) -> Media:
    return Media(
        mimetype=_mimetype(content),
        size=_number(content.fileLength, MAX_SIZE),
        seconds=_number(content.seconds),
        width=_number(content.width),
        height=_number(content.height),
        is_animated=bool(content.gifPlayback),
        is_once=is_once,
        preview=None if is_once else _preview(content),
    )


def _audio(content: Any, is_once: bool) -> Media:
    return Media(
        mimetype=_mimetype(content),
        size=_number(content.fileLength, MAX_SIZE),
        seconds=_number(content.seconds),
        is_voice=bool(content.PTT),
        is_once=is_once,
    )


def _document(content: Any, _: bool) -> Media:
    return Media(
        mimetype=_mimetype(content),
        file_name=file_name(content.fileName) or file_name(content.title),
        size=_number(content.fileLength, MAX_SIZE),
        pages=_number(content.pageCount),
        preview=_preview(content),
    )


def _captioned_document(content: Any, is_once: bool) -> Media:
    return _document(content.message.documentMessage, is_once)


def _sticker(content: Any, _: bool) -> Media:
    return Media(
        mimetype=_mimetype(content),
        size=_number(content.fileLength, MAX_SIZE),
        width=_number(content.width),
        height=_number(content.height),
        is_animated=bool(content.isAnimated or content.isLottie),
    )


def _location(content: Any, _: bool) -> Media:
    latitude, longitude = _place(content)
    return Media(
        title=line(content.name, MAX_TITLE),
        address=line(content.address, MAX_TITLE),
        latitude=latitude,
        longitude=longitude,
        preview=_preview(content),
    )


def _live_location(content: Any, _: bool) -> Media:
    latitude, longitude = _place(content)
    return Media(latitude=latitude, longitude=longitude, preview=_preview(content))


def _contact(content: Any, _: bool) -> Media:
    return Media(lines=tuple(_numbers(content)))


def _contacts(content: Any, _: bool) -> Media:
    cards = content.contacts[:MAX_LINES]
    return Media(lines=tuple(" ".join((line(card.displayName, MAX_NAME), *_numbers(card)[:1])) for card in cards))


def _poll(content: Any, _: bool) -> Media:
    return Media(lines=tuple(line(each.optionName, MAX_NAME) for each in content.options[:MAX_LINES]))


def _link(content: Any, _: bool) -> Media:
    """What a text says of the page that it links to."""
    return Media(
        title=line(content.title, MAX_TITLE),
        description=line(content.description, MAX_DESCRIPTION),
        preview=_preview(content),
    )


_READERS: Final[dict[str, Callable[[Any, bool], Media]]] = {
    "extendedTextMessage": _link,
    "imageMessage": _image,
    "videoMessage": _video,
    "ptvMessage": _video,
    "audioMessage": _audio,
    "documentMessage": _document,
    "documentWithCaptionMessage": _captioned_document,
    "stickerMessage": _sticker,
    "contactMessage": _contact,
    "contactsArrayMessage": _contacts,
    "locationMessage": _location,
    "liveLocationMessage": _live_location,
    "pollCreationMessage": _poll,
    "pollCreationMessageV2": _poll,
    "pollCreationMessageV3": _poll,
    "pollCreationMessageV5": _poll,
}


# -- by field --------------------------------------------------------------------------------------------------------
def _number(value: int, most: int = MAX_COUNT) -> int:
    return min(max(value, 0), most)


def _mimetype(content: Any) -> str:
    return line(content.mimetype, MAX_MIMETYPE).lower()


def _preview(content: Any) -> Preview | None:
    picture = content.JPEGThumbnail
    size = jpeg.measure(picture)
    return Preview(picture, *size) if size else None


def _place(content: Any) -> tuple[float | None, float | None]:
    """Degrees; both or none."""
    latitude, longitude = content.degreesLatitude, content.degreesLongitude
    is_on_earth = math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180
    return (latitude, longitude) if is_on_earth else (None, None)


#: RFC 6350, 6.4.1: `item1.TEL;waid=4915550000099:+49 1555 0000099`.
_TELEPHONE: Final = re.compile(
    r"^(?:[\w-]{1,20}\.)?TEL(?:;[^:\r\n]{0,200})?:([^\r\n]{1,60})", re.IGNORECASE | re.MULTILINE
)


def _numbers(card: Any) -> list[str]:
    """The telephone numbers of a contact's vCard."""
    found = _TELEPHONE.findall(clean(card.vcard, MAX_TEXT))
    return [number for each in found[:MAX_LINES] if (number := line(each, MAX_NAME))]
