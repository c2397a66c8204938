"""`Idempotency-Key` for endpoints that make something: `@repeatable` on the handler, `REPEATABLE` in its schema."""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from accounts.keys import CompanyKey
from accounts.views import CompanyAPIView, CompanyRequest
from whatsapp.services import repeats
from whatsapp.services.repeats import Answer, Asked

P = ParamSpec("P")
V = TypeVar("V", bound=CompanyAPIView)
Handler = Callable[Concatenate[V, CompanyRequest, P], Response]

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
REPEATABLE: Final = OpenApiParameter(
    name=HEADER,
    location=OpenApiParameter.HEADER,
    description="Any 1 to 255 printable characters: said again within 24 hours, the request is answered again and not "
    "done again, with `Idempotency-Replayed: true`.",
)


def repeatable(handler: Handler[V, P]) -> Handler[V, P]:
    """The handler, done once for each key; without the header it is as it was."""

    @wraps(handler)
    def respond(view: V, request: CompanyRequest, /, *args: P.args, **kwargs: P.kwargs) -> Response:
        header = request.headers.get(HEADER)
        if header is None:
            return handler(view, request, *args, **kwargs)
        asked = _asked(request, header)
        answer = repeats.once(asked, lambda: kept(handler(view, request, *args, **kwargs)))
        return replayed(answer)

    return respond


def _asked(request: CompanyRequest, header: str) -> Asked:
    key = repeats.checked_key(header)
    return Asked(_caller(request), key, repeats.fingerprint(request.method, request.get_full_path(), request.data))


def _caller(request: CompanyRequest) -> str:
    """A program's keys are its own, also beside those of the person who made its API key."""
    if isinstance(request.successful_authenticator, CompanyKey):
        return f"key:{hashlib.sha256(request.headers['X-API-Key'].encode()).hexdigest()}"
    return f"person:{request.actor.user_id}"


def kept(response: Response) -> Answer:
    """What is remembered of an answer."""
    return Answer(response.status_code, json.dumps(response.data, cls=JSONEncoder, ensure_ascii=False))


def replayed(answer: Answer) -> Response:
    """The answer, which says so when it is an old one."""
    data: Any = json.loads(answer.body)
    return Response(data, status=answer.status, headers={REPLAYED: "true"} if answer.is_replayed else None)
