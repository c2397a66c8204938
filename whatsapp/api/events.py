"""The event log over REST."""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.permissions import Actor
from accounts.views import CompanyAPIView, CompanyRequest
from wharf.api import ok
from wharf.schema import envelope
from whatsapp import shapes
from whatsapp.api import serializers as s
from whatsapp.services import feed

#: Says "from now on" in the place of a cursor.
NOW = "now"


class EventsView(CompanyAPIView):
    @extend_schema(
        operation_id="listEvents", tags=["events"], parameters=[s.EventQuery],
        responses=envelope("EventsAnswer", s.EventsShape),
    )  # fmt: skip
    def get(self, request: CompanyRequest) -> Response:
        """What happened after a cursor, in order; with `wait`, as soon as something has (docs/events.md)."""
        asked = s.EventQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        found = look_up(request.actor, data)
        if not found.events and data["wait"]:
            # What comes may be of no concern here: an empty answer with a newer cursor is one too.
            feed.wait_for_news(request.company, found.next, seconds=data["wait"])
            found = look_up(request.actor, data | {"after": str(found.next)})
        return ok(in_log(found, request.company.pk))


def look_up(actor: Actor, data: s.Data) -> feed.Stretch:
    """What a validated `EventQuery` asks for."""
    wanted = feed.Wanted(data["types"], data["session"])
    after = feed.top() if data["after"] == NOW else int(data["after"]) if data["after"] else None
    return feed.read(by=actor, after=after, wanted=wanted, limit=data["limit"])


def in_log(found: feed.Stretch, company_id: str) -> shapes.Shape:
    return {
        "events": [shapes.event(row, company_id) for row in found.events],
        "next": str(found.next),
        "hasMore": found.has_more,
        "keptDays": settings.EVENT_DAYS,
    }
