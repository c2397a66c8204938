"""Each request starts and ends in the shared schema, and knows whose host name it came to.

The company that a request acts for comes from its credential; a host name can only narrow that. Code that needs a
company's tables goes through `tenants.context.run_in`.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tenants.context import run_in_public
from tenants.hosts import company_of_host
from wharf.clients import coming_from

Respond = Callable[[HttpRequest], HttpResponseBase]


class StartInPublic:
    """Sets `request.host_company`: the company whose own host name was asked, else None. Unknown hosts get 400."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return run_in_public(self._respond, request)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        # Probes and scrapes come to the bare address of a machine.
        is_probe = request.path.startswith("/health/") or request.path == "/metrics"
        request.host_company = None if is_probe else company_of_host(request.get_host())  # type: ignore[attr-defined]
        with coming_from(request.META.get("REMOTE_ADDR", "")):
            return self.get_response(request)
