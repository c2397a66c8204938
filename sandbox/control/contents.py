"""What people write on their phones: texts, and the things that they send beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.control import inputs, pictures
from sandbox.control.errors import bad_input
from sandbox.protocol.protos import e2e
from sandbox.server import media
from sandbox.world.thumbnails import Look, look_at
from sandbox.world.world import World

MAX_DATA = 12 << 20
MAX_SECONDS = 24 * 3600
MAX_OPTIONS = 12

Make = Callable[[World], Any]


@dataclass(frozen=True)
class Content:
    """`make` uploads what there is to upload, and gives the message."""

    make: Make
    stanza_type: str


def read(body: inputs.Json) -> Content:
    """What the body describes; pictures are opened here, so not for the loop. Raises ApiError."""
    named = [kind for kind in KINDS if body.get(kind) is not None]
    if len(named) > 1:
        raise bad_input(f"One thing in a message, not {' and '.join(named)}.")
    if not named:
        text = inputs.text(body, "text")
        return Content(lambda _: e2e.Message(conversation=text), "text")
    kind = named[0]
    return Content(KINDS[kind](body), "poll" if kind == "poll" else "media")


# -- things with a file ----------------------------------------------------------------------------------------


def _image(body: inputs.Json) -> Make:
    mimetype, image = pictures.decode(inputs.text(body, "image", limit=MAX_DATA))
    caption, look = inputs.optional_text(body, "text", inputs.MAX_TEXT), look_at(image)
    return lambda world: media.image_message(world, image, caption, mimetype, look)


def _video(body: inputs.Json) -> Make:
    said = _part(body, "video", "seconds", "preview")
    seconds, look = _seconds(said), _preview(said)
    caption = inputs.optional_text(body, "text", inputs.MAX_TEXT)
    return lambda world: media.video_message(world, b"no real video", seconds, caption, look)


def _voice(body: inputs.Json) -> Make:
    seconds = _seconds(_part(body, "voice", "seconds"))
    return lambda world: media.audio_message(world, b"no real voice", seconds, is_voice=True)


def _document(body: inputs.Json) -> Make:
    said = _part(body, "document", "name", "mimetype", "pages", "content", "preview")
    name = inputs.text(said, "name", inputs.MAX_NAME)
    mimetype = inputs.optional_text(said, "mimetype") or "application/octet-stream"
    content = inputs.optional_text(said, "content", MAX_DATA) or name
    pages = 0 if said.get("pages") is None else inputs.integer(said["pages"], "pages", 1, 100_000)
    caption, look = inputs.optional_text(body, "text", inputs.MAX_TEXT), _preview(said)
    return lambda world: media.document_message(
        world, content.encode(), name, mimetype, caption=caption, pages=pages, look=look
    )


# -- things that are all in the message ------------------------------------------------------------------------


def _location(body: inputs.Json) -> Make:
    said = _part(body, "location", "latitude", "longitude", "name", "address", "preview")
    look = _preview(said)
    place = e2e.LocationMessage(
        degreesLatitude=_degrees(said, "latitude", 90),
        degreesLongitude=_degrees(said, "longitude", 180),
        name=inputs.optional_text(said, "name"),
        address=inputs.optional_text(said, "address", 300),
        JPEGThumbnail=look.thumbnail if look else None,
    )
    return lambda _: e2e.Message(locationMessage=place)


def _contact(body: inputs.Json) -> Make:
    said = _part(body, "contact", "name", "number")
    name, number = inputs.text(said, "name", inputs.MAX_NAME).strip(), inputs.number(said.get("number"))
    line = " ".join(name.split())
    vcard = f"BEGIN:VCARD\nVERSION:3.0\nFN:{line}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"
    return lambda _: e2e.Message(contactMessage={"displayName": line, "vcard": vcard})


def _poll(body: inputs.Json) -> Make:
    """The question is the message's text."""
    question, options = inputs.text(body, "text"), inputs.texts(_part(body, "poll", "options"), "options")
    if not 2 <= len(options) <= MAX_OPTIONS:
        raise bad_input(f"'options' must be 2 to {MAX_OPTIONS} different texts.")
    answers = [{"optionName": option[: inputs.MAX_NAME]} for option in options]
    return lambda _: e2e.Message(pollCreationMessageV3={"name": question, "options": answers})


KINDS: dict[str, Callable[[inputs.Json], Make]] = {
    "image": _image,
    "video": _video,
    "voice": _voice,
    "document": _document,
    "location": _location,
    "contact": _contact,
    "poll": _poll,
}


# -- fields ----------------------------------------------------------------------------------------------------


def _part(body: inputs.Json, key: str, *allowed: str) -> inputs.Json:
    said = body[key]
    if not isinstance(said, dict):
        raise bad_input(f"{key!r} must be an object with some of: {', '.join(allowed)}.")
    for name in said:
        if name not in allowed:
            raise bad_input(f"Unknown field {name[:50]!r} of {key!r}; known are: {', '.join(allowed)}.")
    return said


def _seconds(said: inputs.Json) -> int:
    return inputs.integer(said.get("seconds"), "seconds", 1, MAX_SECONDS)


def _preview(said: inputs.Json) -> Look | None:
    """Of the picture that the caller gives for it."""
    if said.get("preview") is None:
        return None
    look = look_at(pictures.decode(inputs.text(said, "preview", limit=MAX_DATA))[1])
    if look is None:
        raise bad_input("'preview' must be a picture.")
    return look


def _degrees(said: inputs.Json, key: str, most: float) -> float:
    value = said.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or abs(value) > most:  # type: ignore[arg-type]
        raise bad_input(f"{key!r} must be a number from -{most:g} to {most:g}.")
    return float(value)  # type: ignore[arg-type]
