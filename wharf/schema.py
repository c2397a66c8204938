"""Helpers for the API's description (OpenAPI): the envelope around data, and the one shape of failures."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

_FAILURE: dict[str, Any] = {
    "type": "object",
    "description": "Every failure of the API.",
    "properties": {
        "success": {"type": "boolean", "enum": [False]},
        "code": {"type": "string", "description": "Stable, for programs.", "example": "not_found"},
        "message": {"type": "string", "description": "For people, in their language."},
        "fields": {
            "type": "object",
            "description": "Only with the code `invalid`: what is wrong with which field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["success", "code", "message"],
}


def envelope(name: str, data: serializers.BaseSerializer[Any] | type[serializers.Serializer[Any]] | None = None) -> Any:
    """`{"success": true, "data": ..., "message"}` for `extend_schema(responses=...)`; `name` must be new."""
    fields: dict[str, Any] = {
        "success": serializers.BooleanField(),
        "message": serializers.CharField(required=False),
    }
    if data is not None:
        fields["data"] = data() if isinstance(data, type) else data
    return inline_serializer(name, fields)


def add_failures(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """A post-processing hook: every operation may answer with a failure."""
    result.setdefault("components", {}).setdefault("schemas", {})["Failure"] = _FAILURE
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", {"description": "A failure", "content": content})
    return result
