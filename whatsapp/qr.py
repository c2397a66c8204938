"""QR codes as pictures."""

from functools import lru_cache
from io import StringIO

import segno

#: Enough for a camera that looks at a screen, and small on the wire: about 2 kB.
_SCALE = 6


@lru_cache(maxsize=64)
def png_data_url(text: str) -> str:
    """`text` as a PNG in a data URL. Asked for by every watcher of a session, made once."""
    return segno.make(text, error="m").png_data_uri(scale=_SCALE, border=4)


def terminal(text: str) -> str:
    """`text` as blocks of characters, for a terminal with dark letters on light ground or the other way round."""
    drawn = StringIO()
    segno.make(text, error="l").terminal(drawn, border=2, compact=True)
    return drawn.getvalue()


def svg(text: str) -> str:
    """`text` as an inline SVG that takes the size of its box; black on white, whatever the page's colours."""
    return segno.make(text, error="m").svg_inline(border=4, omitsize=True, dark="#000", light="#fff")
