"""Managers over REST (seed contract 1.5); for a company's admins."""

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from accounts.api import shapes
from accounts.api.registration import Said
from accounts.permissions import Permission
from accounts.services import managers, people
from accounts.views import CompanyAPIView, CompanyRequest
from wharf.errors import sentence
from wharf.schema import envelope

CREATED = sentence("The manager has been created")
CHANGED = sentence("The manager has been updated")
REMOVED = sentence("The manager has been removed")

Input = serializers.Serializer[Any]
#: The keys of a body, and what services call them.
NAMES = {
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "password": "password",
    "isActive": "is_active",
}


class NewManager(Input):
    email = serializers.CharField(max_length=254)
    firstName = serializers.CharField(max_length=60)
    lastName = serializers.CharField(max_length=60, allow_blank=True, default="")
    password = serializers.CharField(
        max_length=256,
        trim_whitespace=False,
        help_text="Tell it to them yourself. Whoever has an account elsewhere keeps the password they have.",
    )


class ManagerChange(Input):
    email = serializers.CharField(max_length=254, required=False)
    firstName = serializers.CharField(max_length=60, required=False)
    lastName = serializers.CharField(max_length=60, required=False, allow_blank=True)
    password = serializers.CharField(max_length=256, required=False, trim_whitespace=False)
    isActive = serializers.BooleanField(
        required=False, help_text="False keeps them out of this company until it is true again; their grants wait."
    )


class ManagerAnswer(Said):
    manager = shapes.ManagerShape()


class NewManagerAnswer(Said):
    manager = shapes.NewManagerShape()


class ManagerList(Input):
    success = serializers.BooleanField()
    data = shapes.ManagerShape(many=True)  # type: ignore[assignment]  # DRF's serializers have a data too
    count = serializers.IntegerField()


class ManagersView(CompanyAPIView):
    @extend_schema(
        operation_id="createManager", tags=["managers"], request=NewManager, responses={201: NewManagerAnswer}
    )
    def post(self, request: CompanyRequest) -> Response:
        """Make a manager."""
        people.require_over(request.actor, request.company, Permission.PEOPLE_MANAGE)
        made = managers.create(company=request.company, by=request.actor, **_asked(request, NewManager))
        return Response({"message": gettext(CREATED), "manager": shapes.new_manager(made)}, status=201)

    @extend_schema(operation_id="listManagers", tags=["managers"], responses=ManagerList)
    def get(self, request: CompanyRequest) -> Response:
        """All managers of the company, newest first."""
        rows = managers.list_all(company=request.company, by=request.actor)
        return Response({"success": True, "data": [shapes.manager(row) for row in rows], "count": len(rows)})


class ManagersAliasView(ManagersView):
    """The older system's clients may end the address with a slash."""

    schema = None  # described once


class ManagerView(CompanyAPIView):
    @extend_schema(
        operation_id="showManager", tags=["managers"], responses=envelope("ManagerData", shapes.ManagerInFull)
    )
    def get(self, request: CompanyRequest, manager_id: str) -> dict[str, Any]:
        """One manager."""
        return shapes.manager_in_full(managers.find(company=request.company, manager_id=manager_id, by=request.actor))

    @extend_schema(operation_id="changeManager", tags=["managers"], request=ManagerChange, responses=ManagerAnswer)
    def put(self, request: CompanyRequest, manager_id: str) -> Response:
        """Change a manager's e-mail, names or password, or keep them out; what is left out stays."""
        managers.find(company=request.company, manager_id=manager_id, by=request.actor)
        changed = managers.change(
            company=request.company, manager_id=manager_id, by=request.actor, **_asked(request, ManagerChange)
        )
        return Response({"message": gettext(CHANGED), "manager": shapes.manager(changed)})

    @extend_schema(operation_id="removeManager", tags=["managers"], responses={200: Said})
    def delete(self, request: CompanyRequest, manager_id: str) -> Response:
        """Let a manager go; what they wrote stays."""
        managers.remove(company=request.company, manager_id=manager_id, by=request.actor)
        return Response({"message": gettext(REMOVED)})


def _asked(request: CompanyRequest, shape: type[Input]) -> Any:
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    return {NAMES[name]: value for name, value in asked.validated_data.items()}
