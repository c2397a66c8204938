"""A person's own choice of language is stronger than their browser's."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

Respond = Callable[[HttpRequest], HttpResponseBase]


class LanguageOfUser:
    """For pages. The API knows its user later (`accounts.views`)."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Without the cookie nobody is logged in, and nobody needs to be looked up.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not request.path.startswith("/api/"):
            language = getattr(request.user, "language", "")
            if language:
                translation.activate(language)
        return self.get_response(request)
