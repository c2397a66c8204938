"""What Django answers when no view of ours does: JSON in the API's one shape under /api/, Django's pages elsewhere."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from wharf.api import on_error
from wharf.errors import WharfError


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
    return request.path.startswith("/api/")


def _json(error: Exception) -> JsonResponse:
    answer = on_error(error)
    data: Any = answer.data
    response = JsonResponse(data, status=answer.status_code)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in answer:
            response[name] = answer[name]
    return response
