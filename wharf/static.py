"""Static files out of the web process, under ASGI as well, with or without `collectstatic`."""

from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # ships no types
    def add_files(self, root: str | Path, prefix: str | None = None) -> None:
        """A checkout where nothing was collected is no reason to complain: the apps' own files are found."""
        if Path(root).is_dir():
            super().add_files(root, prefix)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """In one piece: a streamed file would be read byte block by byte block across threads under ASGI."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file:
                content = found.file.read()
        response = HttpResponse(content, status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response
