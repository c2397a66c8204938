"""What Django answers when no view of ours does: JSON in the API's one shape to programs, pages to browsers."""

from typing import Any, Final

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from wharf.api import on_error
from wharf.errors import WharfError

#: The addresses that programs ask; whatever goes wrong there is said in JSON.
_API: Final = ("/api/", "/webhook/")
_JSON: Final = "application/json"
_TYPES: Final = ("text/html", _JSON)


@csrf_exempt
def api_not_found(request: HttpRequest, path: str = "") -> HttpResponse:
    """For every path and method under /api/ that nothing else answers."""
    return _json(Http404())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return _json(exception if isinstance(exception, SuspiciousOperation) else SuspiciousOperation())
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _json(PermissionDenied()) if _is_api(request) else defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _json(Http404()) if _is_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has written the traceback down already."""
    return _json(WharfError()) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    """Whether JSON is right: under the API's addresses, and wherever a client prefers it. Who missed the address by a
    little is still a program (seed row 104)."""
    return request.path.startswith(_API) or request.get_preferred_type(_TYPES) == _JSON


def _json(error: Exception) -> JsonResponse:
    answer = on_error(error)
    data: Any = answer.data
    response = JsonResponse(data, status=answer.status_code)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in answer:
            response[name] = answer[name]
    return response
