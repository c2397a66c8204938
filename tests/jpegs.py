"""Small pictures, as phones put them beside large ones."""

import io
from typing import Any, Final

from PIL import Image


def picture(width: int = 72, height: int = 54, mode: str = "RGB", **options: Any) -> bytes:
    """A JPEG of one colour; `options` are Pillow's."""
    data = io.BytesIO()
    Image.new(mode, (width, height), "teal").save(data, "JPEG", **options)
    return data.getvalue()


SMALL: Final = picture()
