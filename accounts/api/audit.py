"""The company's audit over REST; for its admins."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from accounts.services import audit
from accounts.views import CompanyAPIView, CompanyRequest
from audit.models import Entry
from audit.verbs import ActorKind, TargetKind, Verb
from wharf.moments import moment
from wharf.schema import envelope

Input = serializers.Serializer[Any]


class AuditQuery(Input):
    actor = serializers.CharField(max_length=32, required=False, default="", allow_blank=True, help_text="A person.")
    verb = serializers.ChoiceField([verb.value for verb in Verb], required=False, default="", allow_blank=True)
    session = serializers.CharField(max_length=32, required=False, default="", allow_blank=True)
    since = serializers.DateTimeField(required=False, default=None, help_text="From this moment on.")
    until = serializers.DateTimeField(required=False, default=None, help_text="Before this moment.")
    before = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, required=False, default=None, help_text="The `next` of the page before."
    )
    limit = serializers.IntegerField(min_value=1, max_value=audit.MAX_LIMIT, required=False, default=50)


class AuditActor(Input):
    kind = serializers.ChoiceField([kind.value for kind in ActorKind])
    id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    key = serializers.CharField(allow_null=True, help_text="The name of the API key that it was done with.")


class AuditTarget(Input):
    kind = serializers.ChoiceField([kind.value for kind in TargetKind])
    id = serializers.CharField()
    name = serializers.CharField(help_text="As it was called then.")


class AuditEntry(Input):
    id = serializers.CharField()
    at = serializers.DateTimeField()
    verb = serializers.CharField()
    text = serializers.CharField(help_text="The verb in words.")
    actor = AuditActor()
    target = AuditTarget()
    sessionId = serializers.CharField(allow_null=True)
    changes = serializers.DictField(child=serializers.ListField(), help_text="`{field: [before, after]}`.")
    address = serializers.CharField(allow_null=True)


class AuditPage(Input):
    entries = AuditEntry(many=True)
    next = serializers.CharField(allow_null=True, help_text="Say it as `before` for the page after; null at the end.")


def shape(row: Entry) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "at": moment(row.at),
        "verb": row.verb,
        "text": audit.in_words(row.verb),
        "actor": {
            "kind": row.actor_kind,
            "id": row.actor_id or None,
            "name": row.actor_name,
            "key": row.key_name or None,
        },
        "target": {"kind": row.target_kind, "id": row.target_id, "name": row.target_name},
        "sessionId": row.session_id or None,
        "changes": row.changes,
        "address": row.address or None,
    }


class AuditView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(
        operation_id="listAudit", tags=["company"], parameters=[AuditQuery], responses=envelope("Audit", AuditPage)
    )
    def get(self, request: CompanyRequest) -> dict[str, Any]:
        """Who did what in the company, newest first."""
        asked = AuditQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        wanted = audit.Wanted(said["actor"], said["verb"], said["session"], said["since"], said["until"])
        found = audit.read(by=request.actor, wanted=wanted, before=said["before"], limit=said["limit"])
        return {
            "entries": [shape(row) for row in found.entries],
            "next": str(found.next) if found.next is not None else None,
        }
