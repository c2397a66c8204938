"""The base of what one asks before one is known (seed contract 1.0, guestMiddleware)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.errors import AlreadyLoggedIn
from accounts.services.codes import Client


class GuestAPIView(APIView):
    """Whoever sends an Authorization header, whatever is in it, is sent away."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "Authorization" in request.headers:
            raise AlreadyLoggedIn


def client_of(request: Request) -> Client:
    return Client(address=request.META.get("REMOTE_ADDR", ""), agent=request.headers.get("User-Agent", ""))
