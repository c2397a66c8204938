"""What system A's values mean in our words. Pure; whatever cannot be read is None or empty, never an error."""

import base64
import binascii
import hashlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from wharf.ids import ID_LENGTH

#: The longest that we keep; WhatsApp's own are shorter (as in `whatsapp.engine.translate`).
MAX_TEXT: Final = 65_536
MAX_WA_ID: Final = 64

_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{ID_LENGTH}}}")
_PHONE: Final = re.compile(r"[1-9]\d{4,14}")
_BY_NUMBER: Final = re.compile(r"([1-9]\d{4,14})(?::\d+)?@(?:c\.us|s\.whatsapp\.net)")
_BY_LID: Final = re.compile(r"(\d{5,32})(?::\d+)?@lid")
_GROUP: Final = re.compile(r"\d{5,40}(?:-\d{5,20})?@g\.us")
#: whatsapp-web.js writes `<fromMe>_<chat>_<id>`, in groups with `_<participant>` behind it, to oneself with `_out`.
_SERIALIZED: Final = re.compile(r"(?:true|false)_[^_\s]+@[^_\s]+_([^_\s]+)(?:_(\S+))?")
#: The small picture of a photograph or place, where its text should be.
_THUMBNAIL: Final = re.compile(r"/9j/[A-Za-z0-9+/=\s]{100,}")

_KINDS: Final = {
    "chat": "text",
    "text": "text",
    "image": "image",
    "video": "video",
    "gif": "video",
    "ptv": "video",
    "audio": "audio",
    "ptt": "audio",
    "document": "document",
    "sticker": "sticker",
    "vcard": "contact",
    "multi_vcard": "contact",
    "location": "location",
    "live_location": "location",
    "poll_creation": "poll",
}


@dataclass(frozen=True)
class Address:
    """Who a chat is with, one of the three: a number, a hidden identity, a group."""

    phone: str = ""
    lid: str = ""
    group: str = ""


def kept_id(source_id: str) -> str:
    """The id that the row has here: its own, for clients have stored it; one that does not fit is told by its hash."""
    if _ID.fullmatch(source_id):
        return source_id
    return f"x{hashlib.sha256(source_id.encode()).hexdigest()}"[:ID_LENGTH]


def moment(seconds: float | None) -> datetime | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(round(seconds, 3), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def own_number(text: str | None) -> str:
    """Digits of a session's number; empty for `pending` and anything else."""
    bare = (text or "").strip().removeprefix("+").partition("@")[0]
    return bare if _PHONE.fullmatch(bare) else ""


def address(jid: str | None) -> Address | None:
    """None for what is no conversation with somebody."""
    jid = (jid or "").strip()
    if found := _BY_NUMBER.fullmatch(jid):
        return Address(phone=found[1])
    if found := _BY_LID.fullmatch(jid):
        return Address(lid=found[1])
    return Address(group=jid) if _GROUP.fullmatch(jid) else None


def is_broadcast(jid: str | None) -> bool:
    """Status updates, lists and channels."""
    return (jid or "").strip().endswith(("@broadcast", "@newsletter"))


def whatsapp_id(message_id: str | None) -> tuple[str, Address | None]:
    """WhatsApp's own id of a message, which receipts name, else empty; and who wrote it in a group."""
    text = (message_id or "").strip()
    found = _SERIALIZED.fullmatch(text)
    wa_id, participant = (found[1], address(found[2])) if found else (text, None)
    return (wa_id if len(wa_id) <= MAX_WA_ID and wa_id.isprintable() else ""), participant


def kind(message_type: str | None) -> str:
    return _KINDS.get((message_type or "text").strip().lower(), "other")


def thumbnail(body: str | None, kind: str) -> bytes:
    """The small picture that stands where a text should be; empty for anything else."""
    if kind == "text" or not _THUMBNAIL.match(body or ""):
        return b""
    try:
        return base64.b64decode("".join((body or "").split()), validate=True)
    except binascii.Error:
        return b""


def is_voice(message_type: str | None) -> bool:
    """whatsapp-web.js calls it "push to talk"."""
    return (message_type or "").strip().lower() == "ptt"


def said(body: str | None, kind: str) -> str:
    """The text. Of media whatsapp-web.js may give a small picture in its place: that is nothing that was said."""
    text = body or ""
    return "" if kind != "text" and _THUMBNAIL.match(text) else text[:MAX_TEXT]


def name(text: str | None, limit: int) -> str:
    """One line of what can be printed."""
    line = " ".join((text or "").split())
    return "".join(each for each in line if each.isprintable())[:limit].strip()


def contact_name(text: str | None, phone: str) -> str:
    """What a person is called; empty where that is their number, which may change."""
    found = name(text, 120)
    return "" if re.sub(r"[\s+()\-]", "", found).partition("@")[0] in ("", phone) else found
