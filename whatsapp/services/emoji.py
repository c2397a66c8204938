"""Whether a text is one emoji, as people count them."""

import re
import unicodedata
from typing import Final

from whatsapp.engine.bounds import MAX_EMOJI

#: Drawn into the one before: what a joiner ties to it, skin colours, variants, keycaps, a flag's letters.
_JOINED: Final = re.compile("\u200d.")
_MODIFIERS: Final = frozenset({"Mn", "Me", "Cf", "Sk"})
_AS_EMOJI, _KEYCAP = "\ufe0f", "\u20e3"
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)


def is_emoji(text: str) -> bool:
    """Emoji of a Unicode that is newer than Python's pass too: it is told from words, and not looked up."""
    signs = [sign for sign in _JOINED.sub("", text) if unicodedata.category(sign) not in _MODIFIERS]
    if len(text) > MAX_EMOJI or not signs:
        return False
    if all(ord(sign) in _FLAG_LETTERS for sign in signs):
        return len(signs) == 2
    return len(signs) == 1 and (_could_be(signs[0], text) or _KEYCAP in text)


def _could_be(sign: str, text: str) -> bool:
    is_word = sign.isalnum() and _AS_EMOJI not in text
    return not (sign.isascii() or sign.isspace() or is_word or unicodedata.category(sign) in {"Cc", "Cs", "Co"})
