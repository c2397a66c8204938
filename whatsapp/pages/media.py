"""What a message brings, as people see it: its small picture, its name and its facts in words."""

import mimetypes
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from wharf.errors import sentence
from whatsapp.models import Media, Message

#: Of a picture in a conversation, in pixels: as large as a phone shows it; what is very long or flat is cut.
WIDEST: Final = 240
HIGHEST: Final = 280
NARROWEST: Final = 96

#: Each kind with the icon and the word that stand for it.
KINDS: Final[dict[str, tuple[str, str]]] = {
    "image": ("photo", sentence("Photo")),
    "video": ("video", sentence("Video")),
    "audio": ("audio", sentence("Audio")),
    "document": ("file", sentence("Document")),
    "sticker": ("sticker", sentence("Sticker")),
    "contact": ("person", sentence("Contact")),
    "location": ("place", sentence("Location")),
    "poll": ("poll", sentence("Poll")),
}
_ALTS: Final[dict[str, str]] = {
    "image": sentence("Small preview of the photo"),
    "video": sentence("Small preview of the video"),
    "document": sentence("Small preview of the document"),
    "location": sentence("Small map of the place"),
}
#: How to get at the thing itself.
_HINTS: Final[dict[str, str]] = {
    "image": sentence("See it in full on the phone"),
    "video": sentence("Watch it on the phone"),
    "audio": sentence("Listen to it on the phone"),
    "document": sentence("Open it on the phone"),
    "sticker": sentence("See it on the phone"),
    "poll": sentence("Vote on the phone"),
}
#: Whose picture is what it is about: shown large.
_SEEN: Final = frozenset({"image", "video", "location"})
#: Of pictures that are all of one size, whatever they show.
_BOXES: Final[dict[str, tuple[int, int]]] = {"location": (WIDEST, 150), "document": (64, 64), "text": (64, 64)}
#: Whose words are the name of what they bring.
_NAMED: Final = frozenset({"contact", "location", "poll"})


@dataclass(frozen=True)
class Tile:
    """A picture in a box of `width` times `height` pixels, which it fills before and after it is loaded."""

    address: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Brought:
    """What a bubble shows beside its words; empty is what there is none of."""

    kind: str
    icon: str
    name: str
    tile: Tile | None
    is_large: bool
    #: Of sound and video, as on a watch.
    length: str
    facts: str
    lines: list[str]
    description: str
    hint: str


def brought_by(row: Message, media: Media | None, preview: str) -> Brought | None:
    """None for texts that bring nothing, and for what cannot be shown; `preview` is where the picture would be."""
    if row.kind == "text" and media is not None:
        return _link(media, preview)
    if row.kind not in KINDS:
        return None
    icon, _ = look_of(row.kind, media)
    is_large = row.kind in _SEEN and media is not None and media.has_preview
    return Brought(
        kind=row.kind,
        icon=icon,
        name=_name(row, media),
        tile=_tile(row.kind, media, preview),
        is_large=is_large,
        length=length(media.seconds) if media and media.seconds else "",
        facts=_facts(row.kind, media),
        lines=list(media.lines) if media else [],
        description=media.address if media else "",
        hint=gettext(_HINTS[row.kind]) if row.kind in _HINTS else "",
    )


def _link(media: Media, preview: str) -> Brought:
    """The card of a page that a text links to. It is its sender who says what stands on it."""
    tile = _tile("text", media, preview)
    return Brought("link", "link", media.title, tile, False, "", "", [], media.description, "")


def words_of(row: Message, brought: Brought | None) -> str:
    """The text of a bubble, unless it is the name of what it brings."""
    is_name = brought is not None and (row.kind in _NAMED or row.body == brought.name)
    return "" if is_name else row.body


def look_of(kind: str, media: Media | None) -> tuple[str, str]:
    """(icon, what to call it) of a kind that is not text."""
    icon, word = KINDS[kind]
    if kind == "audio" and media and media.is_voice:
        return "voice", gettext("Voice message")
    if kind == "video" and media and media.is_animated:
        return icon, gettext("Animation")
    return icon, gettext(word)


def in_a_list(kind: str, body: str, media: Media | None) -> tuple[str, str]:
    """(icon, words) of a chat's last message: what it is, and what was said with it."""
    icon, word = look_of(kind, media)
    if media and media.file_name:
        word = media.file_name
    elif media and media.seconds:
        word = f"{word} {length(media.seconds)}"
    said = " ".join(body.split())
    return icon, f"{word}: {said}" if said and said != word else word


def length(seconds: int) -> str:
    """As on a watch: `0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _name(row: Message, media: Media | None) -> str:
    if row.kind in _NAMED and row.body:
        return row.body
    if media and (media.file_name or media.title):
        return media.file_name or media.title
    return look_of(row.kind, media)[1]


def _facts(kind: str, media: Media | None) -> str:
    if media is None:
        return ""
    found = [gettext("To be seen once") if media.is_once else "", _type(kind, media), _pages(media)]
    if media.size and kind != "sticker":
        found.append(filesizeformat(media.size))
    if media.latitude is not None and media.longitude is not None:
        found.append(f"{_degrees(media.latitude)}, {_degrees(media.longitude)}")
    return " · ".join(filter(None, found))


def _type(kind: str, media: Media) -> str:
    """Of a file: how people call its format, which mostly is its name's end."""
    if kind != "document":
        return ""
    end = PurePosixPath(media.file_name).suffix or mimetypes.guess_extension(media.mimetype.partition(";")[0]) or ""
    return end[1:].upper() if end[1:].isalnum() and len(end) <= 6 else ""


def _pages(media: Media) -> str:
    if not media.pages:
        return ""
    return ngettext("%(number)s page", "%(number)s pages", media.pages) % {"number": number_format(media.pages)}


def _degrees(value: float) -> str:
    """Eleven decimals tell atoms apart; five tell doors apart."""
    return f"{value:.5f}"


# -- pictures --------------------------------------------------------------------------------------------------------
def _tile(kind: str, media: Media | None, address: str) -> Tile | None:
    if media is None or not media.has_preview:
        return None
    alt = gettext(_ALTS[kind]) if kind in _ALTS else ""
    own = (media.width, media.height) if media.width and media.height else (media.preview_width, media.preview_height)
    return Tile(address, alt, *(_BOXES.get(kind) or box(*own)))


def box(width: int, height: int) -> tuple[int, int]:
    """The largest that fits, of the same form as far as that can be seen."""
    scale = min(WIDEST / width, HIGHEST / height)
    fitted = (round(width * scale), round(height * scale))
    return max(fitted[0], NARROWEST), max(fitted[1], NARROWEST)
