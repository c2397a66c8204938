"""What messages bring: stored with them, and looked up without the pictures (`services.chats.preview` has those)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.db.models import QuerySet

from whatsapp.engine import port
from whatsapp.models import Media, Message

#: What each message brings, by its id; those that bring nothing are not in it.
ByMessage = Mapping[str, Media]
NOTHING: Final[ByMessage] = MappingProxyType({})


def row_of(message: Message, media: port.Media) -> Media:
    """Not saved yet."""
    preview = media.preview
    return Media(
        message=message,
        mimetype=media.mimetype,
        file_name=media.file_name,
        size=media.size,
        pages=media.pages,
        seconds=media.seconds,
        width=media.width,
        height=media.height,
        is_voice=media.is_voice,
        is_animated=media.is_animated,
        is_once=media.is_once,
        title=media.title,
        description=media.description,
        address=media.address,
        latitude=media.latitude,
        longitude=media.longitude,
        lines=list(media.lines),
        preview=preview.jpeg if preview else None,
        preview_width=preview.width if preview else 0,
        preview_height=preview.height if preview else 0,
    )


def with_media(rows: QuerySet[Message]) -> QuerySet[Message]:
    """Each with what it brings, but for the pictures: in the same query."""
    return rows.select_related("media").defer("media__preview")


def media_of(row: Message) -> Media | None:
    """Needs `with_media`."""
    return getattr(row, "media", None)
