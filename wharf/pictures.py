"""Pictures that strangers sent, as answers that can be nothing but a picture."""

from collections.abc import Iterable
from typing import Final

from django.http import HttpResponse
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

#: A week. It is kept for one person alone, and not looked up again: what an address names never changes.
_KEPT: Final = "private, max-age=604800, immutable"
#: Opened by itself it may load nothing, run nothing, and is no part of our site.
_ALONE: Final = "default-src 'none'; sandbox"


def jpeg_answer(data: bytes) -> HttpResponse:
    headers = {
        "Cache-Control": _KEPT,
        "Content-Disposition": 'inline; filename="preview.jpg"',
        "Content-Security-Policy": _ALONE,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(data, content_type="image/jpeg", headers=headers)


class AskedForPicture(DefaultContentNegotiation):
    """Of a view that answers with a picture: its failures are JSON, also for who says that they take pictures alone."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)
