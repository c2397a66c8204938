"""How much is kept of what a stranger chooses: the rest is cut, and what no database can hold is replaced."""

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


def clean(raw: Any, limit: int) -> str:
    """Text that a database can hold. A stranger's may have NUL in it, or be no UTF-8 (protobuf then gives bytes)."""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
    return text.replace("\0", "\ufffd")[:limit]
