"""Keys for programs over REST; for the company's admins."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from accounts.models import ApiKey
from accounts.permissions import Scope
from accounts.services import api_keys
from accounts.views import CompanyAPIView, CompanyRequest
from wharf.api import ok
from wharf.moments import moment
from wharf.schema import envelope

Input = serializers.Serializer[Any]


class NewKey(Input):
    name = serializers.CharField(max_length=api_keys.MAX_NAME)
    scopes = serializers.ListField(
        child=serializers.ChoiceField([scope.value for scope in Scope]),
        required=False,
        allow_empty=False,
        help_text="What the key is for; without it, everything that you may do.",
    )
    expiresAt = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Without it, the key does not end by itself."
    )


class KeyShape(Input):
    id = serializers.CharField()
    name = serializers.CharField()
    start = serializers.CharField(help_text="Its first characters.")
    scopes = serializers.ListField(child=serializers.ChoiceField([scope.value for scope in Scope]))
    expiresAt = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()
    createdBy = serializers.CharField(allow_null=True)
    lastUsedAt = serializers.DateTimeField(allow_null=True)


class MadeKey(KeyShape):
    key = serializers.CharField(help_text="Shown only now.")


def shape(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "start": row.start,
        "scopes": row.scopes,
        "expiresAt": moment(row.expires_at),
        "createdAt": moment(row.created_at),
        "createdBy": row.made_by_id,
        "lastUsedAt": moment(row.last_used_at),
    }


class KeysView(CompanyAPIView):
    @extend_schema(
        operation_id="createApiKey", tags=["company"], request=NewKey, responses={201: envelope("KeyMade", MadeKey)}
    )
    def post(self, request: CompanyRequest) -> Response:
        """Make a key that acts as you do, within its scopes, for the header `X-API-Key`. It is shown only now."""
        asked = NewKey(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        row, key = api_keys.create(
            company=request.company,
            name=said["name"],
            scopes=said.get("scopes", list(Scope)),
            expires_at=said.get("expiresAt"),
            by=request.actor,
        )
        return ok(shape(row) | {"key": key}, status=201)

    @extend_schema(operation_id="listApiKeys", tags=["company"], responses=envelope("Keys", KeyShape(many=True)))
    def get(self, request: CompanyRequest) -> Response:
        """The company's keys, newest first."""
        return ok([shape(row) for row in api_keys.keys_of(company=request.company, by=request.actor)])


class KeyView(CompanyAPIView):
    @extend_schema(operation_id="revokeApiKey", tags=["company"], responses={200: envelope("KeyRevoked")})
    def delete(self, request: CompanyRequest, key_id: str) -> Response:
        """Take it back at once."""
        api_keys.revoke(company=request.company, key_id=key_id, by=request.actor)
        return ok()
