"""The base of every endpoint that acts for a company: the caller is known first, then its schema is entered."""

from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import accounts.schema  # noqa: F401  # tells the API's description how callers prove who they are
from accounts.callers import Caller, require_subscription
from accounts.models import User
from accounts.permissions import Actor
from tenants.context import run_in
from tenants.models import Company
from wharf.api import ok
from wharf.errors import NotFound


class CompanyRequest(Request):
    """What `CompanyToken` has found out; to be asked once the view runs."""

    @property
    def caller(self) -> Caller:
        return cast(Caller, self.auth)

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def company(self) -> Company:
        return self.caller.company


class CompanyAPIView(APIView):
    """Handlers run inside the caller's company and return plain data, or a Response of `wharf.api.ok`.

    Nothing lazy may leave a handler: the company's schema is left before the answer is rendered.
    """

    #: False for what a company may still do when its subscription is over (seed contract 1.4).
    needs_subscription = True

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> CompanyRequest:
        return CompanyRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # PostgreSQL's texts cannot hold it, so nothing of ours has it in its name.
        if "\x00" in request.path or any("\x00" in value for value in request.query_params.values()):
            raise NotFound
        super().initial(request, *args, **kwargs)
        if language := cast(User, request.user).language:
            translation.activate(language)
        if self.needs_subscription:
            require_subscription(cast(CompanyRequest, request).company)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """DRF's own, with the handler run inside the company."""
        self.args, self.kwargs = args, kwargs
        asked = self.initialize_request(request, *args, **kwargs)
        self.request, self.headers = asked, self.default_response_headers
        try:
            self.initial(asked, *args, **kwargs)
            response = run_in(asked.company, self._handle, asked)
        except Exception as error:
            response = self.handle_exception(error)
        # Any of Django's, whatever its stubs say.
        self.response = self.finalize_response(asked, cast(Response, response), *args, **kwargs)
        return self.response

    def _handle(self, request: CompanyRequest) -> HttpResponseBase:
        known = (request.method or "").lower() in self.http_method_names
        handler = getattr(self, (request.method or "").lower(), None) if known else None
        answer = (handler or self.http_method_not_allowed)(request, *self.args, **self.kwargs)
        return answer if isinstance(answer, HttpResponseBase) else ok(answer)
