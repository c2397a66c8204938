"""Numbers over REST (seed contract W13)."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.views import CompanyAPIView, CompanyRequest
from wharf.api import ok
from wharf.schema import envelope
from whatsapp.api import serializers as s
from whatsapp.services.stats import stats


class StatsView(CompanyAPIView):
    @extend_schema(operation_id="showStats", tags=["sessions"], responses=envelope("StatsAnswer", s.StatsShape))
    def get(self, request: CompanyRequest) -> Response:
        """Sessions, chats and messages, over the sessions that the caller may see."""
        seen = stats(request.actor)
        lately = {"incoming": seen.incoming_lately, "outgoing": seen.outgoing_lately}
        return ok(
            {
                "sessions": {
                    "total": seen.sessions,
                    "connected": seen.connected,
                    "disconnected": seen.sessions - seen.connected,
                },
                "chats": {"total": seen.chats},
                "messages": {"total": seen.messages, "last30Days": {"total": sum(lately.values()), **lately}},
            }
        )
