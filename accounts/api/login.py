"""Logging in over the API, and who one is: the older systems' addresses, keys and shapes (no envelope here)."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.guests import GuestAPIView
from accounts.api.registration import PASSWORD_CHANGED, Said
from accounts.callers import Caller
from accounts.errors import NothingToChange, PasswordsMissing
from accounts.models import Role
from accounts.services import companies, passwords, people
from accounts.services.login import log_in
from accounts.tokens import token_for
from accounts.views import CompanyAPIView, CompanyRequest
from wharf.errors import sentence
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
    code = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="Of the authenticator app, or a recovery code; for who gets `second_factor_missing` without it.",
    )


class ProfileChange(serializers.Serializer[Any]):
    """At least one of them; the company's name is its admins' to change."""

    firstName = serializers.CharField(max_length=60, required=False)
    lastName = serializers.CharField(max_length=60, required=False, allow_blank=True)
    companyName = serializers.CharField(max_length=200, required=False)


class PasswordChange(serializers.Serializer[Any]):
    currentPassword = serializers.CharField(max_length=256, trim_whitespace=False)
    newPassword = serializers.CharField(max_length=256, trim_whitespace=False)


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


class ChangedProfile(Said):
    user = Me()


class ChangedPassword(Said):
    token = serializers.CharField(help_text="To go on with: the older ones have ended.")


PROFILE_CHANGED = sentence("The profile has been changed")


class LoginView(GuestAPIView):
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
    needs_subscription = False

    @extend_schema(operation_id="me", tags=["auth"], responses=Me)
    def get(self, request: CompanyRequest) -> Response:
        """Who the token belongs to, and in which company."""
        return Response(_me(request.caller))


class ProfileView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(operation_id="changeProfile", tags=["auth"], request=ProfileChange, responses=ChangedProfile)
    def put(self, request: CompanyRequest) -> Response:
        """Change one's names, or as an admin the company's."""
        asked = ProfileChange(data=request.data)
        if not isinstance(request.data, dict) or not set(asked.fields) & set(request.data):
            raise NothingToChange(allowed_fields=list(asked.fields))
        asked.is_valid(raise_exception=True)
        _change_profile(request.caller, asked.validated_data)
        return Response({"message": gettext(PROFILE_CHANGED), "user": _me(request.caller)})


class ChangePasswordView(CompanyAPIView):
    needs_subscription = False

    @extend_schema(operation_id="changePassword", tags=["auth"], request=PasswordChange, responses=ChangedPassword)
    def put(self, request: CompanyRequest) -> Response:
        """Change one's password. All older tokens and log-ins end, this one too; the answer has a new token."""
        asked = PasswordChange(data=request.data)
        if not isinstance(request.data, dict) or not all(map(request.data.get, asked.fields)):
            raise PasswordsMissing(required_fields=list(asked.fields))
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        passwords.change(user=request.caller.user, current=said["currentPassword"], new=said["newPassword"])
        return Response({"message": gettext(PASSWORD_CHANGED), "token": token_for(request.caller)})


def _change_profile(caller: Caller, asked: dict[str, str]) -> None:
    """All or nothing: the company's name may be refused."""
    with transaction.atomic():
        if "companyName" in asked:
            companies.rename(company=caller.company, by=caller.actor, name=asked["companyName"])
        changes: people.Changes = {}
        if "firstName" in asked:
            changes["first_name"] = asked["firstName"]
        if "lastName" in asked:
            changes["last_name"] = asked["lastName"]
        people.change_person(user=caller.user, by=caller.actor, **changes)


def _me(caller: Caller) -> dict[str, Any]:
    user, company = caller.user, caller.company
    # An operator who is no member has an admin's rights, and the older clients know no third role.
    role = caller.actor.role or Role.ADMIN
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
    return shape | ({"companyId": company.pk} if role == Role.MANAGER else {})
