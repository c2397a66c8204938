"""Pictures that callers send as data URLs: a photographed QR, an image for a message."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings

import zxingcpp
from PIL import Image, UnidentifiedImageError

from sandbox.control.errors import ApiError, bad_input
from sandbox.world.thumbnails import FORMATS, MAX_PIXELS

DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.IGNORECASE)
QR_FORMATS = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


def is_data_url(text: str) -> bool:
    return text.lower().startswith("data:")


def decode(data_url: str) -> tuple[str, bytes]:
    """Mime type and bytes."""
    head = DATA_URL.match(data_url)
    if head is None:
        raise bad_input("Only images as base64 data URLs: data:image/png;base64,...")
    try:
        return head[1].lower(), base64.b64decode(data_url[head.end() :], validate=True)
    except binascii.Error as error:
        raise bad_input("The data URL is not base64.") from error


def qr_text(data_url: str) -> str:
    """What the QR in a picture says."""
    found = zxingcpp.read_barcodes(_open(decode(data_url)[1]), formats=QR_FORMATS)
    if not found:
        raise ApiError(400, "not_a_qr", "There is no QR in this picture.")
    return found[0].text


def _open(data: bytes) -> Image.Image:
    """Its size is checked before a single pixel is unpacked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise bad_input(f"A picture of at most {MAX_PIXELS} pixels.")
            return _on_white(picture)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ApiError(400, "not_a_qr", "This is not a picture that can be opened.") from error


def _on_white(picture: Image.Image) -> Image.Image:
    """Transparent pixels are paper, not ink."""
    ink = picture.convert("RGBA")
    paper = Image.new("RGBA", ink.size, "white")
    paper.alpha_composite(ink)
    return paper.convert("L")
