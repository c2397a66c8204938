"""What the tests of the control API have in common."""

from __future__ import annotations

import base64
import io

import httpx
import segno
from PIL import Image


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """The sentence of an error that looks as all errors do."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert set(answer.json()) == {"success", "code", "message"}
    assert answer.json()["success"] is False
    return str(answer.json()["message"])


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def as_png(text: str) -> str:
    """A QR as a data URL."""
    picture = io.BytesIO()
    segno.make(text).save(picture, kind="png", scale=4)
    return data_url(picture.getvalue())
