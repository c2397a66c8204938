"""The small picture that a phone puts beside a large one."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps

#: Pixels on the longer side, as WhatsApp's own have.
SIDE = 100
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 40_000_000  # a large phone's camera


@dataclass(frozen=True)
class Look:
    """`width` and `height` are the large picture's, in pixels; `thumbnail` is a JPEG of a few kB."""

    width: int
    height: int
    thumbnail: bytes


def look_at(data: bytes) -> Look | None:
    """None for what is no picture: a phone sends that too, without a thumbnail."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            return _look(picture) if picture.width * picture.height <= MAX_PIXELS else None
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None


def _look(picture: Image.Image) -> Look:
    upright = ImageOps.exif_transpose(picture)
    small, out = upright.convert("RGB"), io.BytesIO()
    small.thumbnail((SIDE, SIDE))
    small.save(out, "JPEG", quality=60)
    return Look(upright.width, upright.height, out.getvalue())
