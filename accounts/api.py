"""Logging in over the API, and who one is: the older systems' addresses, keys and shapes (no envelope here)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Role
from accounts.services.login import log_in
from accounts.tokens import token_for
from accounts.views import CompanyAPIView, CompanyRequest
from wharf.moments import moment


class Credentials(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254, help_text="In any case.")
    password = serializers.CharField(max_length=256, trim_whitespace=False)
    company = serializers.CharField(
        max_length=80,
        required=False,
        allow_blank=True,
        help_text="Slug or id, for people who work in several companies; without it, the first they joined.",
    )


class Token(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Good for 24 hours, for one company.")


class MyCompany(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    slug = serializers.CharField()


class Me(serializers.Serializer[Any]):
    id = serializers.CharField()
    email = serializers.EmailField()
    firstName = serializers.CharField()
    lastName = serializers.CharField()
    companyName = serializers.CharField()
    role = serializers.ChoiceField(Role.choices)
    isVerified = serializers.BooleanField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    company = MyCompany()
    companyId = serializers.CharField(required=False, help_text="For managers.")


class LoginView(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="login", tags=["auth"], auth=[], request=Credentials, responses=Token)
    def post(self, request: Request) -> Response:
        """Get a token for an e-mail and a password."""
        credentials = Credentials(data=request.data)
        credentials.is_valid(raise_exception=True)
        caller = log_in(
            **credentials.validated_data,
            address=request.META.get("REMOTE_ADDR", ""),
            host_company=getattr(request, "host_company", None),
        )
        return Response({"token": token_for(caller)})


class MeView(CompanyAPIView):
    @extend_schema(operation_id="me", tags=["auth"], responses=Me)
    def get(self, request: CompanyRequest) -> Response:
        """Who the token belongs to, and in which company."""
        user, company = request.caller.user, request.company
        # An operator who is no member has an admin's rights, and the older clients know no third role.
        role = request.actor.role or Role.ADMIN
        shape = {
            "id": user.pk,
            "email": user.email,
            "firstName": user.first_name,
            "lastName": user.last_name,
            "companyName": company.name,
            "role": role,
            "isVerified": True,
            "createdAt": moment(user.created_at),
            "updatedAt": moment(user.updated_at),
            "company": {"id": company.pk, "name": company.name, "slug": company.slug},
        }
        return Response(shape | ({"companyId": company.pk} if role == Role.MANAGER else {}))
