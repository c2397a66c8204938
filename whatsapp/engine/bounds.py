"""How much is kept of what a stranger chooses: the rest is cut, and what no database can hold is replaced."""

import re
from typing import Any, Final

#: WhatsApp's own limits are lower.
MAX_TEXT: Final = 65_536
MAX_EMOJI: Final = 32
MAX_NAME: Final = 120
MAX_ID: Final = 64
MAX_PHONE: Final = 20
MAX_LID: Final = 32
MAX_DETAIL: Final = 300
MAX_RECEIPTS: Final = 1000

#: Of what a message carries. WhatsApp's own pictures are a few kB; a larger one is dropped, for half a picture is none.
MAX_PREVIEW: Final = 65_536
#: Pixels a side, and how often a progressive one may be painted over: few bytes must not cost a browser seconds.
MAX_PREVIEW_SIDE: Final = 1024
MAX_PREVIEW_SCANS: Final = 32
MAX_MIMETYPE: Final = 100
MAX_FILE_NAME: Final = 255
MAX_TITLE: Final = 300
MAX_DESCRIPTION: Final = 1000
MAX_LINES: Final = 24
#: The largest whole number that every reader of JSON understands, and the largest of an `integer` column.
MAX_SIZE: Final = 2**53 - 1
MAX_COUNT: Final = 2**31 - 1

#: Control characters, and those that turn the direction of what follows: "gpj.exe" is then read as "exe.jpg".
_UNSEEN: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]+")


def clean(raw: Any, limit: int) -> str:
    """Text that a database can hold. A stranger's may have NUL in it, or be no UTF-8 (protobuf then gives bytes)."""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    return text.replace("\0", "\ufffd")[:limit]


def line(raw: Any, limit: int) -> str:
    """One line of what is seen as it is written."""
    return _UNSEEN.sub(" ", clean(raw, 4 * limit)).strip()[:limit].strip()


def file_name(raw: Any) -> str:
    """The name alone, whatever folders a stranger puts before it."""
    name = line(raw, MAX_FILE_NAME * 4).replace("\\", "/").rpartition("/")[2]
    return "" if name in (".", "..") else name[-MAX_FILE_NAME:].strip()
