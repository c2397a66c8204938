"""What browsers may do with our pages: nothing but our own files, and no inline script or style anywhere of ours."""

from collections.abc import Callable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponseBase

Respond = Callable[[HttpRequest], HttpResponseBase]
Policy = Mapping[str, str]

STRICT: Final[Policy] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
#: Unfold's pages compile their Alpine expressions and carry inline styles; they have no inline script.
ADMIN: Final[Policy] = {**STRICT, "script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
#: Swagger UI styles its elements inline.
API_DOCS: Final[Policy] = {**STRICT, "style-src": "'self' 'unsafe-inline'"}

_BY_PREFIX: Final = (("/admin/", ADMIN), ("/office/", ADMIN), ("/api-docs", API_DOCS))
_NO_DEVICES: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class ContentSecurityPolicy:
    """Sets the policy of the page's part of the site, unless the view has set one itself."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy_for(request))
        response.headers.setdefault("Permissions-Policy", _NO_DEVICES)
        return response


def policy_for(request: HttpRequest) -> str:
    policy = next((policy for prefix, policy in _BY_PREFIX if request.path.startswith(prefix)), STRICT)
    # Some browsers do not count a socket to the same host as 'self'.
    socket = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
    return "; ".join(f"{name} {value}" for name, value in {**policy, "connect-src": f"'self' {socket}"}.items())
