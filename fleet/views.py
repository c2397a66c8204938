"""Pages for operators' machines."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from fleet.census import CENSUS
from wharf import exposition
from wharf.metrics import REGISTRY


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """This process's numbers and the fleet's, in Prometheus' text format; 404 and 401 are `exposition.refusal`'s."""
    refused = exposition.refusal(request.headers.get("Authorization", ""))
    if refused is not None:
        headers = {"WWW-Authenticate": "Bearer"} if refused == HTTPStatus.UNAUTHORIZED else {}
        return HttpResponse(refused.phrase, status=refused, content_type="text/plain; charset=utf-8", headers=headers)
    return HttpResponse(exposition.shown(REGISTRY, CENSUS), content_type=exposition.CONTENT_TYPE)
